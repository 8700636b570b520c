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
    /// Something moved last.
    moved: Instant,
}

impl Splice {
    /// Joins httpd's socket, of which `first` has been read, to the container's.
    pub(super) fn new(front: OwnedFd, back: OwnedFd, first: Vec<u8>, now: Instant) -> Splice {
        let (up, down) = (Pipe::holding(first), Pipe::holding(Vec::new()));
        Splice { front, back, up, down, answers: Answers::default(), moved: now }
    }

    /// The descriptors to poll, each with what for. One that is waited for in no way is not
    /// among them: it would report its end again and again while the other side is slow.
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

    /// When the splice is to be given up, if nothing moves.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.down.is_closed().then(|| self.moved + HALF_CLOSED)
    }

    /// Whether the last request has been answered, nothing is on its way, and another may come.
    pub(super) fn at_rest(&self) -> bool {
        let open = !self.up.is_closed() && !self.down.is_closed();
        open && self.answers.at_rest() && self.up.is_empty() && self.down.is_empty()
    }

    /// Whether nobody loses anything if this splice ends now: an httpd that has sent its end takes
    /// no answer any more.
    pub(super) fn may_end(&self) -> bool {
        self.at_rest() || self.down.is_closed() || self.up.is_closed()
    }

    /// Moves what can be moved now.
    ///
    /// Returns `false` when it is over: both directions have ended, httpd is gone, or the time is
    /// up.
    pub(super) fn pump(&mut self, now: Instant) -> bool {
        let answers = &mut self.answers;
        let up = self.up.pump(&self.front, &self.back, |_| answers.asked());
        match up {
            Ok(moved) => self.note(moved, now),
            Err(Broken::Source(_)) => return false,
            // Its answer may have come before: read that.
            Err(Broken::Sink(_)) => self.up.close(),
        }
        let answers = &mut self.answers;
        let down = self.down.pump(&self.back, &self.front, |bytes| answers.answered(bytes));
        match down {
            Ok(moved) => self.note(moved, now),
            Err(Broken::Sink(_)) => return false,
            Err(Broken::Source(_)) => {
                // The container is gone; httpd gets what there is, then the end.
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
