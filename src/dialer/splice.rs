//! Two connected sockets, and everything that comes from one goes to the other.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::answers::Answers;
use super::pipe::{Broken, Pipe};

/// How long httpd may leave a connection open that the container has closed.
const HALF_CLOSED: Duration = Duration::from_secs(30);

/// A connection to httpd and its own to the container.
#[derive(Debug)]
pub(super) struct Splice {
    front: OwnedFd,
    back: OwnedFd,
    /// httpd to container.
    up: Pipe,
    /// Container to httpd.
    down: Pipe,
    answers: Answers,
    /// When something was last moved.
    moved: Instant,
}

impl Splice {
    /// Joins httpd's socket, of which `first` has been read, to the container's.
    pub(super) fn new(front: OwnedFd, back: OwnedFd, first: Vec<u8>, now: Instant) -> Splice {
        let (up, down) = (Pipe::holding(first), Pipe::holding(Vec::new()));
        Splice { front, back, up, down, answers: Answers::default(), moved: now }
    }

    /// The descriptors to poll, each with its events. A descriptor without events is left out, because
    /// it would report its end again and again while the other side is slow.
    pub(super) fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let flags = |read, write| {
            let read = if read { PollFlags::IN } else { PollFlags::empty() };
            read | if write { PollFlags::OUT } else { PollFlags::empty() }
        };
        let front = flags(self.up.wants_source(), self.down.wants_sink());
        let back = flags(self.down.wants_source(), self.up.wants_sink());
        [(self.front.as_fd(), front), (self.back.as_fd(), back)]
            .into_iter()
            .filter(|(_, flags)| !flags.is_empty())
    }

    /// When the splice times out if nothing moves.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.down.is_closed().then(|| self.moved + HALF_CLOSED)
    }

    /// Whether the last request was answered, nothing is in transit, and another request may come.
    pub(super) fn is_idle(&self) -> bool {
        let open = !self.up.is_closed() && !self.down.is_closed();
        open && self.answers.is_idle() && self.up.is_empty() && self.down.is_empty()
    }

    /// Whether the splice can end now without losing a response: an httpd that has closed its side reads
    /// no response any more.
    pub(super) fn may_end(&self) -> bool {
        self.is_idle() || self.down.is_closed() || self.up.is_closed()
    }

    /// Moves what can be moved now.
    ///
    /// Returns `false` at the end: both directions have ended, httpd is gone, or the timeout has
    /// passed.
    pub(super) fn pump(&mut self, now: Instant) -> bool {
        let answers = &mut self.answers;
        let up = self.up.pump(&self.front, &self.back, |_| answers.record_request());
        match up {
            Ok(moved) => self.note(moved, now),
            Err(Broken::Source(_)) => return false,
            // The response may have arrived before that: read it.
            Err(Broken::Sink(_)) => self.up.close(),
        }
        let answers = &mut self.answers;
        let down = self.down.pump(&self.back, &self.front, |bytes| answers.record_response(bytes));
        match down {
            Ok(moved) => self.note(moved, now),
            Err(Broken::Sink(_)) => return false,
            Err(Broken::Source(_)) => {
                // The container is gone: pass on what has arrived, then the end.
                self.up.close();
                self.down.end();
                match self.down.pump(&self.back, &self.front, |_| {}) {
                    Ok(moved) => self.note(moved, now),
                    Err(_) => return false,
                }
            }
        }
        let over = self.up.is_closed() && self.down.is_closed();
        !over && self.wake_at().is_none_or(|end| now < end)
    }

    fn note(&mut self, moved: bool, now: Instant) {
        if moved {
            self.moved = now;
        }
    }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
