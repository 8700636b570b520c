//! One direction of a splice.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// Size of the buffer: half of the longest AJP packet.
const CAPACITY: usize = 32 * 1024;

/// How many buffers one call moves at most, so that a busy connection does not starve others.
const ROUNDS: usize = 8;

/// Bytes on the way from one socket to another.
#[derive(Debug)]
pub(super) struct Pipe {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The end of the stream has been read.
    ended: bool,
    /// The end was passed on, or nothing can be passed on any more.
    closed: bool,
}

/// The side that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Source(Errno),
    Sink(Errno),
}

impl Pipe {
    /// Creates a pipe that contains these bytes.
    pub(super) fn holding(first: Vec<u8>) -> Pipe {
        let end = first.len();
        let mut buffer = first;
        buffer.resize(CAPACITY.max(end), 0);
        Pipe { buffer, start: 0, end, ended: false, closed: false }
    }

    /// Whether bytes wait for the sink.
    pub(super) fn wants_sink(&self) -> bool {
        self.start < self.end && !self.closed
    }

    /// Whether the source should be read.
    pub(super) fn wants_source(&self) -> bool {
        self.start == self.end && !self.ended && !self.closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether this direction has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Ends this direction and drops what it contains.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.start = self.end;
    }

    /// Ends this direction once what it contains has been written.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Moves what can be moved now, and passes on the end of the stream. `seen` is called with what was
    /// read.
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
        // Not in the loop, because nothing would trigger another round.
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
