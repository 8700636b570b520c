//! The listener for the reverse connections of a worker, and the connections that it accepts.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::NoListener;
use super::line::Line;
use super::port_check::{PortCheck, PortNews};
use super::reception::{Found, Look, MIN_TIME, Reception, Terms};
use super::refusal::{Refusal, Refusals};
use crate::config::ReverseListener;
use crate::net::{Listener, NetError, Watch};
use crate::protocol::handshake::Key;

/// The source of connections to a backend whose container opens them.
///
/// All backends of the worker in this child share one. A connection is accepted when a request needs it
/// and not before, so that those waiting in the kernel are there for every child. Its handshake proceeds
/// beside others, whichever request waits for it, and is not lost when none does.
#[derive(Debug)]
pub struct Reverse {
    settings: ReverseListener,
    key: Option<Key>,
    /// Called with each socket that this child binds, before it is used.
    prepare: fn(BorrowedFd<'_>),
    listener: Mutex<Option<Arc<Listener>>>,
    /// This child has given up its port and binds no other.
    is_ending: AtomicBool,
    /// This child has no port, and that has been reported.
    has_failed: AtomicBool,
    /// Since when the queue has been found empty; `None`: there was a connection the last time.
    empty: Mutex<Option<Empty>>,
    reception: Mutex<Reception>,
    waiting: AtomicUsize,
    line: Arc<Line>,
    refusals: Refusals,
    check: Mutex<PortCheck>,
}

impl Reverse {
    /// Makes the source. `listener` is the parent's socket; `None` for a range of ports, of which each
    /// child [binds](Self::listen) one of its own, and calls `prepare` with it.
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
            has_failed: AtomicBool::default(),
            empty: Mutex::default(),
            reception: Mutex::default(),
            waiting: AtomicUsize::default(),
            line: Arc::default(),
            refusals: Refusals::default(),
            check: Mutex::default(),
        }
    }

    /// Returns its configuration.
    #[must_use]
    pub fn settings(&self) -> &ReverseListener {
        &self.settings
    }

    /// Binds the lowest free port of the range, if this child has none yet; returns its address.
    ///
    /// A child that takes the place of another finds that child's port free, and the containers know it
    /// already.
    ///
    /// # Errors
    /// None of them could be bound: the error of the last one.
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
                    self.has_failed.store(false, Relaxed);
                    return Ok(Some(address));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Notes that this child [has no port](Self::listen); returns whether this is the first time since it
    /// had one.
    pub fn note_failure(&self) -> bool {
        !self.has_failed.swap(true, Relaxed)
    }

    /// Returns the socket, if there is one at this moment.
    #[must_use]
    pub fn listener(&self) -> Option<Arc<Listener>> {
        self.listener.lock().clone()
    }

    /// Gives up the child's own port at its end, so that its containers turn to another child; the parent's
    /// port stays. Ends the handshakes that no request waits for.
    pub fn give_up(&self) {
        if self.waiting.load(Relaxed) == 0 {
            self.reception.lock().close();
        }
        if !self.settings.is_shared() {
            let mut listener = self.listener.lock();
            self.is_ending.store(true, Relaxed);
            *listener = None;
        }
    }

    /// Takes the refusals that are to be logged.
    #[must_use]
    pub fn take_refusals(&self) -> Vec<Refusal> {
        self.refusals.take()
    }

    /// Continues the handshakes in progress when no request does, and keeps strangers and dead connections
    /// from filling the queue, of which `waiting` places of `length` are taken.
    ///
    /// Takes connections out of a queue that is more than half full, from the front, up to the first that
    /// may be good. One that is found is verified, and cannot be put back.
    pub fn tidy(&self, queue: Option<(u32, u32)>) -> Found {
        let found = self.look(None, queue.is_some_and(|(waiting, length)| waiting > length / 2));
        found.map(|(found, _)| found).unwrap_or_default()
    }

    /// Whether the housekeeper may take a connection that no request needs.
    pub(super) fn is_check_due(&self, now: Instant) -> bool {
        self.check.lock().is_due(self.settings.is_shared(), now)
    }

    /// Notes how many connections were taken for a check.
    pub(super) fn checked(&self, taken: usize, has_open: bool, now: Instant) -> Option<PortNews> {
        self.check.lock().looked(taken, has_open, now)
    }

    /// As [`accept`](Self::accept), for a check; without `takes_another` only the handshakes in progress
    /// are continued.
    pub(super) fn check(&self, ping: Duration, takes_another: bool) -> Result<Found, NoListener> {
        // An empty queue is not noted: how long requests wait depends on what they have found themselves.
        self.look(Some(ping).filter(|_| !self.has_key()), takes_another).map(|(found, _)| found)
    }

    /// Returns the handshakes in progress, to wait for, and the time after which something changes
    /// without them.
    pub(super) fn watched_handshakes(
        &self,
        now: Instant,
    ) -> Result<(Arc<Watch>, Option<Duration>), NetError> {
        let mut reception = self.reception.lock();
        let next = reception.next_change(now).map(|next| next.saturating_duration_since(now));
        Ok((reception.watch()?, next))
    }

    /// Whether a handshake is in progress.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.reception.lock().is_empty()
    }

    /// Returns the next connection that is alive, allowed and verified, or none at this moment. Never
    /// blocks. `ping`: without a key, CPING must be answered within this time.
    ///
    /// # Errors
    /// None can be accepted: no descriptor is left, or there is no port.
    pub(super) fn accept(&self, ping: Option<Duration>) -> Result<Found, NoListener> {
        let (found, empty) = self.look(ping, true)?;
        if let Some(at) = empty {
            self.note_empty(at);
        }
        Ok(found)
    }

    /// Looks once. Returns when the queue was found empty as well, if it was.
    fn look(
        &self,
        ping: Option<Duration>,
        takes_another: bool,
    ) -> Result<(Found, Option<Instant>), NoListener> {
        let mut found = Found::default();
        let looked = self.look_for(&mut found, ping, takes_another);
        for (peer, reason) in std::mem::take(&mut found.refused) {
            self.refusals.note(peer, reason, Instant::now());
        }
        if found.stream.is_some() {
            *self.empty.lock() = None;
            return Ok((found, None));
        }
        looked.map(|empty| (found, empty))
    }

    fn look_for(
        &self,
        found: &mut Found,
        ping: Option<Duration>,
        takes_another: bool,
    ) -> Result<Option<Instant>, NoListener> {
        let listener = self.listener().ok_or(NoListener::NoPort)?;
        let mut reception = self.reception.lock();
        let terms = Terms { settings: &self.settings, key: self.key.as_ref(), ping };
        let look = Look { takes_another, waiting: self.waiting.load(Relaxed) };
        reception.look(&*listener, terms, look, &Instant::now, found)
    }

    fn note_empty(&self, now: Instant) {
        let mut empty = self.empty.lock();
        // After a long time without a look, what was there meanwhile is unknown.
        let since = match *empty {
            Some(Empty { since, last }) if now.saturating_duration_since(last) < GONE_AFTER => {
                since
            }
            _ => now,
        };
        *empty = Some(Empty { since, last: now });
    }

    /// Whether there is a key. With one no CPING is sent on a new connection, as the handshake proves more.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether any peer has been asked something that it may still answer.
    pub(super) fn is_any_asked(&self) -> bool {
        self.reception.lock().is_any_asked()
    }

    /// The line of the requests that wait here.
    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Returns the sockets to wait for until another [`accept`](Self::accept) may succeed, with the longest
    /// wait: `time`, or less where time alone changes something before. A request that does not watch the
    /// port waits for no socket of it.
    ///
    /// # Errors
    /// There is no port.
    pub(super) fn sockets(&self, watches: bool, time: Duration) -> Result<PortSockets, NoListener> {
        let listener = self.listener().ok_or(NoListener::NoPort)?;
        if !watches {
            // Perhaps the others do not watch the queue, since as many peers were asked as requests waited:
            // now one more waits.
            if self.is_any_asked() {
                self.line.wake_first();
            }
            return Ok(PortSockets { listener: None, handshakes: None, time });
        }
        let now = Instant::now();
        let (handshakes, next, wants_another) = {
            let mut reception = self.reception.lock();
            let wants_another = reception.wants_another(self.waiting.load(Relaxed), now);
            (reception.watch().ok(), reception.next_change(now), wants_another)
        };
        let next = next.map(|next| next.saturating_duration_since(now));
        let time = next.map_or(time, |next| time.min(next));
        Ok(PortSockets { listener: wants_another.then_some(listener), handshakes, time })
    }

    /// Returns how long a request that has found no connection waits for one: `wait`, unless this child has
    /// found the queue empty again and again for a while, and no connection is open. Then one request of
    /// this child waits a moment, and the others not at all. Each has looked into the queue, so a container
    /// that comes back is noticed. `is_any_asked`: a peer may be about to prove itself.
    pub(super) fn patience(
        self: &Arc<Self>,
        has_open: bool,
        is_any_asked: bool,
        wait: Duration,
        now: Instant,
    ) -> Patience {
        let is_gone = !has_open
            && !is_any_asked
            && self.empty.lock().is_some_and(|Empty { since, .. }| {
                now.saturating_duration_since(since) >= GONE_AFTER
            });
        let already = self.waiting.fetch_add(1, Relaxed);
        let time = match is_gone {
            false => wait,
            true if already == 0 => wait.min(SHORT_WAIT),
            true => Duration::ZERO,
        };
        Patience { time, is_gone, reverse: Arc::clone(self) }
    }
}

impl fmt::Display for Reverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// The queue was empty each time it was looked into, never long after the time before.
#[derive(Clone, Copy, Debug)]
struct Empty {
    since: Instant,
    last: Instant,
}

/// The sockets of one port that a request waits for, kept open meanwhile.
#[derive(Debug)]
pub(super) struct PortSockets {
    /// Where another connection is wanted.
    listener: Option<Arc<Listener>>,
    /// The handshakes in progress.
    handshakes: Option<Arc<Watch>>,
    pub(super) time: Duration,
}

impl PortSockets {
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listener = self.listener.iter().map(|listener| listener.as_fd());
        listener.chain(self.handshakes.iter().map(|handshakes| handshakes.as_fd()))
    }
}

/// Returns the time left until `deadline`. A peer that has been asked something has at least a moment
/// after `since` to answer.
pub(super) fn time_left(
    deadline: Instant,
    since: Instant,
    is_any_asked: bool,
    now: Instant,
) -> Duration {
    match deadline.saturating_duration_since(now) {
        Duration::ZERO if is_any_asked => (since + MIN_TIME).saturating_duration_since(now),
        left => left,
    }
}

/// A request that waits, and for how long it may.
#[derive(Debug)]
pub(super) struct Patience {
    pub(super) time: Duration,
    pub(super) is_gone: bool,
    reverse: Arc<Reverse>,
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.reverse.waiting.fetch_sub(1, Relaxed);
    }
}

/// After this time with an empty queue and no open connection, the container is considered gone.
const GONE_AFTER: Duration = Duration::from_secs(2);
/// How long one request then waits.
const SHORT_WAIT: Duration = Duration::from_millis(50);

#[cfg(test)]
#[path = "reverse_tests.rs"]
mod tests;
