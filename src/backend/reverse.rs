//! Where the containers of a worker dial in: one listening socket, and what comes in over it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::handshake::verify;
use super::refusal::{Refusal, RefusalReason, Refusals};
use crate::config::ReverseListener;
use crate::net::{Address, Bell, IdleState, Listener, NetError, Stream};
use crate::protocol::handshake::Key;

/// The source of connections to a backend whose container opens them.
///
/// All backends of the worker in this child share one. A connection is accepted when a request
/// needs it and not before, so that what waits in the kernel is there for every child.
#[derive(Debug)]
pub struct Reverse {
    settings: ReverseListener,
    key: Option<Key>,
    /// Told of each socket that this child binds itself, before it is used.
    prepare: fn(BorrowedFd<'_>),
    listener: Mutex<Option<Arc<Listener>>>,
    /// This child has given its port up and takes no other.
    is_ending: AtomicBool,
    /// It has none, and that has been told.
    is_without: AtomicBool,
    /// `None`: somebody was there to be accepted, the last time.
    empty: Mutex<Option<Empty>>,
    waiting: AtomicUsize,
    refusals: Refusals,
}

impl Reverse {
    /// `listener` is the parent's socket; `None` for a range, of which each child
    /// [binds](Self::listen) a port of its own, and has `prepare` look at it.
    #[must_use]
    pub fn new(
        settings: ReverseListener,
        key: Option<Key>,
        listener: Option<Listener>,
        prepare: fn(BorrowedFd<'_>),
    ) -> Self {
        Self {
            settings,
            key,
            prepare,
            listener: Mutex::new(listener.map(Arc::new)),
            is_ending: AtomicBool::default(),
            is_without: AtomicBool::default(),
            empty: Mutex::default(),
            waiting: AtomicUsize::default(),
            refusals: Refusals::default(),
        }
    }

    /// What the configuration says of it.
    #[must_use]
    pub fn settings(&self) -> &ReverseListener {
        &self.settings
    }

    /// Binds the lowest free port of the range, if this child has none yet; tells which.
    ///
    /// A child that takes the place of another finds that one's port free, and its containers know it
    /// already.
    ///
    /// # Errors
    /// None of them could be bound: what the last one said.
    pub fn listen(&self) -> Result<Option<SocketAddr>, NetError> {
        let mut listener = self.listener.lock();
        let has_one = listener.is_some() || self.settings.is_shared();
        if has_one || self.is_ending.load(Relaxed) {
            return Ok(None);
        }
        let mut failure = NetError::Closed;
        for address in self.settings.addresses() {
            match Listener::bind(address, self.settings.backlog) {
                Ok(bound) => {
                    (self.prepare)(bound.as_fd());
                    *listener = Some(Arc::new(bound));
                    self.is_without.store(false, Relaxed);
                    return Ok(Some(address));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Is this the first time that this child [finds no port](Self::listen), or the first since it had
    /// one? Asking makes the next time another.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !self.is_without.swap(true, Relaxed)
    }

    /// The socket, if there is one at this moment.
    #[must_use]
    pub fn listener(&self) -> Option<Arc<Listener>> {
        self.listener.lock().clone()
    }

    /// The child ends: gives up a port of its own, so that its containers go looking for another
    /// child. The parent's stays.
    pub fn give_up(&self) {
        if !self.settings.is_shared() {
            let mut listener = self.listener.lock();
            self.is_ending.store(true, Relaxed);
            *listener = None;
        }
    }

    /// Refusals that have not been logged.
    #[must_use]
    pub fn take_refusals(&self) -> Vec<Refusal> {
        self.refusals.take()
    }

    /// Keeps strangers and the dead from filling the queue of which `waiting` places of `length` are
    /// taken, where no request comes to do that.
    ///
    /// Only of a queue that is more than half full: takes them out from the front, up to the first
    /// connection that is good. That one is returned, verified, since it cannot be put back.
    pub fn tidy(&self, waiting: u32, length: u32) -> Option<Stream> {
        if waiting <= length / 2 {
            return None;
        }
        self.accept(&Look::until(Instant::now() + TIDY_TIME)).ok().flatten()
    }

    /// The next connection that is alive, allowed and verified; `None`: nobody is there, or the look
    /// is over. Waits for nobody to dial in, and for the handshake of one that has, as long as half
    /// of what is left.
    ///
    /// # Errors
    /// There can be none: no descriptor left, or no port.
    pub(super) fn accept(&self, look: &Look) -> Result<Option<Stream>, NoListener> {
        let listener = self.listener().ok_or(NoListener::NoPort)?;
        loop {
            let now = Instant::now();
            let Some(share) = look.share(now) else { return Ok(None) };
            let Some(stream) = listener.accept().map_err(NoListener::Accept)? else {
                self.note_empty(now);
                return Ok(None);
            };
            let Address::Inet(peer) = stream.peer() else { continue };
            let peer = peer.ip().to_canonical();
            match self.welcome(&stream, peer, share) {
                Ok(true) => {
                    *self.empty.lock() = None;
                    return Ok(Some(stream));
                }
                // It died while it waited: nothing to be said.
                Ok(false) => {}
                Err(reason) => self.refuse(peer, reason),
            }
        }
    }

    /// Notes why a connection was not used.
    pub(super) fn refuse(&self, peer: IpAddr, reason: RefusalReason) {
        self.refusals.note(peer, reason, Instant::now());
    }

    fn note_empty(&self, now: Instant) {
        let mut empty = self.empty.lock();
        // What there was since this child looked the last time, nobody knows.
        let since = match *empty {
            Some(Empty { since, last }) if now.saturating_duration_since(last) < GONE_AFTER => {
                since
            }
            _ => now,
        };
        *empty = Some(Empty { since, last: now });
    }

    /// Has it proved all it can?
    fn welcome(
        &self,
        stream: &Stream,
        peer: IpAddr,
        time: Duration,
    ) -> Result<bool, RefusalReason> {
        if !self.settings.allows(peer) {
            return Err(RefusalReason::NotAllowed);
        }
        match (stream.idle_state(), &self.key) {
            (IdleState::Closed | IdleState::Broken(_), _) => return Ok(false),
            (IdleState::Unread, None) => return Err(RefusalReason::SpeaksFirst),
            _ => {}
        }
        let Some(key) = &self.key else { return Ok(true) };
        let port = match stream.local_addr() {
            Ok(Some(address)) => address.port(),
            _ => return Ok(false),
        };
        verify(stream, key, port, self.settings.node.as_deref(), time)
    }

    /// Is a CPING to be sent on a new connection, where the worker says so? The handshake has shown
    /// more.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Waits until somebody may be there, or the bell rings.
    pub(super) fn wait(&self, bell: &Bell, time: Duration) -> Result<(), NoListener> {
        let listener = self.listener().ok_or(NoListener::NoPort)?;
        listener.wait(bell, time).map_err(NoListener::Accept)
    }

    /// How long a request that has found nobody is to wait for somebody to dial in: `wait`, unless
    /// this child has looked again and again for a while, nobody was there, and nothing is open. Then
    /// one request of this child waits a moment, and the others not at all: each has looked, which is
    /// how a container that comes back is noticed.
    pub(super) fn patience(&self, has_open: bool, wait: Duration, now: Instant) -> Patience<'_> {
        let is_gone = !has_open
            && self.empty.lock().is_some_and(|Empty { since, .. }| {
                now.saturating_duration_since(since) >= GONE_AFTER
            });
        let already = self.waiting.fetch_add(1, Relaxed);
        let time = match is_gone {
            false => wait,
            true if already == 0 => wait.min(MOMENT),
            true => Duration::ZERO,
        };
        Patience { time, is_gone, reverse: self }
    }
}

impl fmt::Display for Reverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// Nobody was there in each of several looks, none of them long after the one before.
#[derive(Clone, Copy, Debug)]
struct Empty {
    since: Instant,
    last: Instant,
}

/// A request that waits, and for how long it may.
pub(super) struct Patience<'a> {
    pub(super) time: Duration,
    pub(super) is_gone: bool,
    reverse: &'a Reverse,
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.reverse.waiting.fetch_sub(1, Relaxed);
    }
}

/// Nothing can be accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoListener {
    /// This child has no port of the range, or has given it up.
    #[error("this child has no port to listen on")]
    NoPort,
    /// The system's reason.
    #[error("accepting failed: {0}")]
    Accept(NetError),
}

/// One look through what has dialled in.
#[derive(Debug)]
pub(super) struct Look {
    deadline: Instant,
    /// After the deadline too, so that a good one has its chance even in a hurry; but a queue full of
    /// bad ones, and those that dial again as soon as they are sent away, must not keep anybody here.
    end: Instant,
}

impl Look {
    /// A look that is over a tenth of a second after the deadline, or after now if that is later.
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, end: deadline.max(Instant::now()) + LEAST }
    }

    /// What one connection's proof may take at this moment: so much remains for the next one, should
    /// this one be dead. `None`: it is over, or would be before a good one could answer.
    pub(super) fn share(&self, now: Instant) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(now);
        let most = self.end.saturating_duration_since(now);
        (most >= LEAST / 2).then(|| (left / 2).clamp(LEAST, MOST).min(most))
    }
}

const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(2);

/// Nobody there for so long, and nothing open: the container is gone.
const GONE_AFTER: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(50);
const TIDY_TIME: Duration = Duration::from_millis(500);

#[cfg(test)]
#[path = "reverse_tests.rs"]
mod tests;
