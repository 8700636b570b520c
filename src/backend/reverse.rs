//! Where the containers of a worker dial in: one listening socket, and what comes in over it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::NoListener;
use super::handshake::Handshake;
use super::reception::{Due, Found, Reception};
use super::refusal::{Refusal, RefusalReason, Refusals};
use crate::config::ReverseListener;
use crate::net::{Address, IdleState, Listener, NetError, Stream, wait_any};
use crate::protocol::handshake::Key;

/// The source of connections to a backend whose container opens them.
///
/// All backends of the worker in this child share one. A connection is accepted when a request
/// needs it and not before, so that what waits in the kernel is there for every child. Its handshake
/// goes on beside others, whoever waits for it, and is not lost when nobody does.
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
    reception: Mutex<Reception>,
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
            reception: Mutex::default(),
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
    /// child. The parent's stays. Handshakes end that no request waits for.
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

    /// Refusals that have not been logged.
    #[must_use]
    pub fn take_refusals(&self) -> Vec<Refusal> {
        self.refusals.take()
    }

    /// Goes on with what is under way, where no request comes to do that; and keeps strangers and the
    /// dead from filling the queue of which `waiting` places of `length` are taken.
    ///
    /// Only of a queue that is more than half full: takes them out from the front, up to the first
    /// connection that may be good. One that is found is verified, and cannot be put back.
    pub fn tidy(&self, queue: Option<(u32, u32)>) -> Found {
        let found = self.look(None, queue.is_some_and(|(waiting, length)| waiting > length / 2));
        found.unwrap_or_default()
    }

    /// Is a handshake under way?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.reception.lock().is_empty()
    }

    /// The next connection that is alive, allowed and verified, or none at this moment. Waits for
    /// nothing. `ping`: where there is no key, CPING is to be answered within this time.
    ///
    /// # Errors
    /// There can be none: no descriptor left, or no port.
    pub(super) fn accept(&self, ping: Option<Duration>) -> Result<Found, NoListener> {
        self.look(ping, true)
    }

    fn look(&self, ping: Option<Duration>, takes_another: bool) -> Result<Found, NoListener> {
        let mut found = Found::default();
        let looked = self.look_for(&mut found, ping, takes_another);
        for (peer, reason) in std::mem::take(&mut found.refused) {
            self.refusals.note(peer, reason, Instant::now());
        }
        if found.stream.is_some() {
            *self.empty.lock() = None;
            return Ok(found);
        }
        looked.map(|()| found)
    }

    fn look_for(
        &self,
        found: &mut Found,
        ping: Option<Duration>,
        takes_another: bool,
    ) -> Result<(), NoListener> {
        let listener = self.listener().ok_or(NoListener::NoPort)?;
        let mut reception = self.reception.lock();
        // Those that dial again as soon as they are sent away must not keep anybody here.
        let end = Instant::now() + CHANCE;
        loop {
            let now = Instant::now();
            reception.go_on(now, found).map_err(NoListener::Accept)?;
            if now >= end || !takes_another || found.stream.is_some() {
                return Ok(());
            }
            for _ in 0..AT_ONCE {
                let now = Instant::now();
                if !reception.want_another(self.waiting.load(Relaxed), now) {
                    return Ok(());
                }
                let Some(stream) = listener.accept().map_err(NoListener::Accept)? else {
                    self.note_empty(now);
                    return Ok(());
                };
                self.receive(stream, &mut reception, ping, found)?;
                if found.stream.is_some() {
                    return Ok(());
                }
            }
        }
    }

    /// Sees who has come in.
    fn receive(
        &self,
        stream: Stream,
        reception: &mut Reception,
        ping: Option<Duration>,
        found: &mut Found,
    ) -> Result<(), NoListener> {
        let Address::Inet(peer) = stream.peer() else { return Ok(()) };
        let (peer, now) = (peer.ip().to_canonical(), Instant::now());
        match self.due(&stream, peer, ping, now) {
            Ok(Some(due)) => {
                let admitted = reception.admit(stream, peer, due, now, found);
                admitted.map_err(NoListener::Accept)?;
            }
            // It died while it waited: nothing to be said.
            Ok(None) => {}
            Err(reason) => found.refused.push((peer, reason)),
        }
        Ok(())
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

    /// What is a new connection to show? `None`: it is dead.
    fn due(
        &self,
        stream: &Stream,
        peer: IpAddr,
        ping: Option<Duration>,
        now: Instant,
    ) -> Result<Option<Due>, RefusalReason> {
        if !self.settings.allows(peer) {
            return Err(RefusalReason::NotAllowed);
        }
        let Some(key) = &self.key else {
            return match stream.idle_state() {
                IdleState::Quiet => Ok(Some(ping.map_or(Due::Nothing, Due::CPong))),
                IdleState::Unread => Err(RefusalReason::SpeaksFirst),
                IdleState::Closed | IdleState::Broken(_) => Ok(None),
            };
        };
        let Ok(Some(local)) = stream.local_addr() else { return Ok(None) };
        let node = self.settings.node.clone();
        let handshake = Handshake::keyed(key.clone(), local.port(), node, now);
        Ok(Some(Due::Handshake(Box::new(handshake))))
    }

    /// Is a CPING to be sent on a new connection, where the worker says so? The handshake has shown
    /// more.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Waits until it may be worth another [look](Self::accept), or the other descriptor is readable.
    pub(super) fn wait(
        &self,
        other: Option<BorrowedFd<'_>>,
        time: Duration,
    ) -> Result<(), NoListener> {
        let listener = self.listener().ok_or(NoListener::NoPort)?;
        let now = Instant::now();
        let (watch, next, wants_another) = {
            let reception = self.reception.lock();
            let wants_another = reception.want_another(self.waiting.load(Relaxed), now);
            (reception.watch(), reception.next_change(now), wants_another)
        };
        let next = next.map(|next| next.saturating_duration_since(now));
        let time = next.map_or(time, |next| time.min(next));
        let mut fds: Vec<_> = other.into_iter().collect();
        fds.extend(watch.as_ref().map(|watch| watch.as_fd()));
        fds.extend(wants_another.then(|| listener.as_fd()));
        wait_any(&fds, time).map_err(NoListener::Accept)
    }

    /// What is left until `deadline`. A peer that has been asked something has a chance to answer in a
    /// hurry too, until a moment after `since`.
    pub(super) fn time_left(&self, deadline: Instant, since: Instant) -> Duration {
        let now = Instant::now();
        match deadline.saturating_duration_since(now) {
            Duration::ZERO if self.reception.lock().is_any_asked() => {
                (since + CHANCE).saturating_duration_since(now)
            }
            left => left,
        }
    }

    /// How long a request that has found nobody is to wait for somebody to dial in: `wait`, unless
    /// this child has looked again and again for a while, nobody was there, and nothing is open. Then
    /// one request of this child waits a moment, and the others not at all: each has looked, which is
    /// how a container that comes back is noticed.
    pub(super) fn patience(&self, has_open: bool, wait: Duration, now: Instant) -> Patience<'_> {
        let is_any_asked = self.reception.lock().is_any_asked();
        let is_gone = !has_open
            && !is_any_asked
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

/// Connections taken out of the queue before those under way have their turn again.
const AT_ONCE: usize = 64;
/// Time for a look, and for an answer, though a request has none to wait.
const CHANCE: Duration = Duration::from_millis(100);

/// Nobody there for so long, and nothing open: the container is gone.
const GONE_AFTER: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(50);

#[cfg(test)]
#[path = "reverse_tests.rs"]
mod tests;
