//! One direction of a splice.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// Bytes held between the two sides: half of the longest AJP packet.
const CAPACITY: usize = 32 * 1024;

/// How often one call moves a bufferful, so that a busy connection lets others have their turn.
const ROUNDS: usize = 8;

/// Bytes on their way from one socket to another.
#[derive(Debug)]
pub(super) struct Pipe {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The end of the stream has been read.
    ended: bool,
    /// It has been passed on, or nothing can be passed on any more.
    closed: bool,
}

/// A side that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Source(Errno),
    Sink(Errno),
}

impl Pipe {
    /// A pipe with these bytes in it.
    pub(super) fn holding(first: Vec<u8>) -> Pipe {
        let end = first.len();
        let mut buffer = first;
        buffer.resize(CAPACITY.max(end), 0);
        Pipe { buffer, start: 0, end, ended: false, closed: false }
    }

    /// Whether bytes wait for the sink to take them.
    pub(super) fn wants_sink(&self) -> bool {
        self.start < self.end && !self.closed
    }

    /// Whether the source is to be read.
    pub(super) fn wants_source(&self) -> bool {
        self.start == self.end && !self.ended && !self.closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether this direction has come to its end.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Drops what is held, and takes and gives no more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.start = self.end;
    }

    /// Gives what is held, then neither takes nor gives any more.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Moves what can be moved now, and passes on the end of the stream. `seen` gets what is read.
    ///
    /// Returns whether anything moved.
    pub(super) fn pump(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        mut seen: impl FnMut(&[u8]),
    ) -> Result<bool, Broken> {
        let mut moved = false;
        for _ in 0..ROUNDS {
            if self.closed || self.is_empty() && self.ended {
                break;
            }
            let step = match self.is_empty() {
                true => recv(from, &mut self.buffer[..], RecvFlags::empty())
                    .map(|(_, read)| read)
                    .map_err(Broken::Source),
                false => send(to, &self.buffer[self.start..self.end], SendFlags::NOSIGNAL)
                    .map_err(Broken::Sink),
            };
            match step {
                Ok(0) if self.is_empty() => self.ended = true,
                Ok(read) if self.is_empty() => {
                    seen(&self.buffer[..read]);
                    (self.start, self.end) = (0, read);
                }
                Ok(sent) => self.start += sent,
                Err(Broken::Source(Errno::AGAIN) | Broken::Sink(Errno::AGAIN)) => break,
                Err(Broken::Source(Errno::INTR) | Broken::Sink(Errno::INTR)) => continue,
                Err(broken) => return Err(broken),
            }
            moved = true;
        }
        // Here and not in the loop: nothing would ask for another round.
        if self.ended && self.is_empty() && !self.closed {
            self.closed = true;
            moved = true;
            match shutdown(to, Shutdown::Write) {
                Ok(()) | Err(Errno::NOTCONN) => {}
                Err(errno) => return Err(Broken::Sink(errno)),
            }
        }
        Ok(moved)
    }
}
