//! A connection for a request where the container opens them: one that comes back, or one that
//! dials in, whichever is first.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquisition::{first_half, rest};
use super::proving::{Asked, Silent};
use super::{AcquireFailure, Backend, ConnectSettings, Connection, Found, Reverse};
use crate::config::Pings;
use crate::net::{Stream, Waker};
use crate::pool::{Acquired, CloseReason, Lease, Limits, Vacancy, Wait};

impl Backend {
    /// As [`acquire`](Self::acquire), all of it within `acquire`; a second where that is not set.
    pub(super) fn acquire_accepted(
        &self,
        reverse: &Reverse,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let start = Instant::now();
        let wait = longest_wait(&settings.limits);
        let limits = Limits { wait: Wait::For(wait), ..settings.limits };
        let lease = match self.pool.acquire(start, &limits)? {
            Acquired::Vacant(vacancy) => {
                let left = wait.saturating_sub(start.elapsed());
                return self.wait_for_one(reverse, vacancy, settings, left);
            }
            Acquired::Reused(lease) => lease,
        };
        let Some(time) = settings.pings.prepost else { return Ok(lease) };
        let half = first_half(time);
        // Those that may come in its place have what is left of the one time for CPONG.
        let pings = Pings {
            connect: settings.pings.connect.map(|time| rest(time, half)),
            prepost: Some(half),
            ..settings.pings
        };
        let settings = &ConnectSettings { pings, ..settings.clone() };
        let vacancy = match self.ask(lease, half) {
            Asked::Answers(lease) => return Ok(lease),
            Asked::Dead(vacancy) => vacancy,
            Asked::Silent(silent) => match self.silent_or_new(reverse, silent, settings, half)? {
                Asked::Answers(lease) => return Ok(lease),
                Asked::Dead(vacancy) => vacancy,
                Asked::Silent(silent) => self.give_up_silent(silent),
            },
        };
        let left = wait.saturating_sub(start.elapsed());
        self.wait_for_one(reverse, vacancy, settings, left)
    }

    /// Waits for a silent connection to answer after all, or for one that dials in to take its place.
    fn silent_or_new(
        &self,
        reverse: &Reverse,
        mut silent: Silent,
        settings: &ConnectSettings,
        wait: Duration,
    ) -> Result<Asked, AcquireFailure> {
        let start = Instant::now();
        loop {
            if let Some(connection) = self.accept_one(reverse, settings)? {
                return Ok(Asked::Answers(self.give_up_silent(silent).fill(connection)));
            }
            silent = match self.hear(silent, Duration::ZERO) {
                Asked::Silent(silent) => silent,
                heard => return Ok(heard),
            };
            let left = reverse.time_left(start + wait, start);
            if left.is_zero() {
                return Ok(Asked::Silent(silent));
            }
            reverse.wait(Some(silent.as_fd()), left)?;
        }
    }

    /// The connection if it answers; else its place in the pool, for another one.
    fn ping_reused(
        &self,
        lease: Lease<Connection>,
        ping: Option<Duration>,
    ) -> Result<Lease<Connection>, Vacancy<Connection>> {
        let Some(timeout) = ping else { return Ok(lease) };
        match self.ask(lease, timeout) {
            Asked::Answers(lease) => Ok(lease),
            Asked::Dead(vacancy) => Err(vacancy),
            Asked::Silent(silent) => Err(self.give_up_silent(silent)),
        }
    }

    /// Gives a connection that dials in, and never one that comes back to the pool.
    pub(super) fn accept_new(
        &self,
        reverse: &Reverse,
        vacancy: Vacancy<Connection>,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let start = Instant::now();
        let wait = longest_wait(&settings.limits);
        if let Some(connection) = self.accept_one(reverse, settings)? {
            return Ok(vacancy.fill(connection));
        }
        let patience = reverse.patience(self.has_open(), wait, start);
        let deadline = start + patience.time;
        loop {
            let left = reverse.time_left(deadline, start);
            if left.is_zero() {
                return Err(no_inbound_connection(reverse, patience.time, patience.is_gone));
            }
            reverse.wait(None, left)?;
            if let Some(connection) = self.accept_one(reverse, settings)? {
                return Ok(vacancy.fill(connection));
            }
        }
    }

    /// A connection that has dialled in, if there is one; for connections kept warm.
    pub(super) fn accept_now(
        &self,
        reverse: &Reverse,
        settings: &ConnectSettings,
    ) -> Result<Option<Connection>, AcquireFailure> {
        let start = Instant::now();
        loop {
            let found = self.accept_one(reverse, settings)?;
            let left = reverse.time_left(start, start);
            if found.is_some() || left.is_zero() {
                return Ok(found);
            }
            reverse.wait(None, left)?;
        }
    }

    /// Takes in what was found without a request; closes it where there is no room.
    pub fn take_in(&self, found: Found) {
        let now = Instant::now();
        let Some(stream) = self.with_pings_counted(found) else { return };
        if let Some(vacancy) = self.pool.vacancy_below(usize::MAX) {
            vacancy.stock(self.adopt(stream, now), now);
        }
    }

    fn wait_for_one(
        &self,
        reverse: &Reverse,
        mut vacancy: Vacancy<Connection>,
        settings: &ConnectSettings,
        wait: Duration,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let start = Instant::now();
        if let Some(connection) = self.accept_one(reverse, settings)? {
            return Ok(vacancy.fill(connection));
        }
        let patience = reverse.patience(self.has_open(), wait, start);
        let deadline = start + patience.time;
        let none = || no_inbound_connection(reverse, patience.time, patience.is_gone);
        if patience.time.is_zero() && reverse.time_left(start, start).is_zero() {
            return Err(none());
        }
        let waker = Arc::new(Waker::new().map_err(AcquireFailure::NoWaker)?);
        loop {
            let found =
                self.wait_for_connection(reverse, vacancy, settings, (start, deadline), &waker)?;
            vacancy = match found {
                // One that has just dialled in has proved itself.
                Acquired::Reused(lease) if !lease.is_reused() => return Ok(lease),
                Acquired::Reused(lease) => match self.ping_reused(lease, settings.pings.prepost) {
                    Ok(lease) => return Ok(lease),
                    Err(vacancy) => vacancy,
                },
                Acquired::Vacant(_) => return Err(none()),
            };
        }
    }

    /// Waits for one to come back or to dial in. Vacant: the time is up.
    fn wait_for_connection(
        &self,
        reverse: &Reverse,
        vacancy: Vacancy<Connection>,
        settings: &ConnectSettings,
        (start, deadline): (Instant, Instant),
        waker: &Arc<Waker>,
    ) -> Result<Acquired<Connection>, AcquireFailure> {
        let other = Arc::clone(waker);
        let mut pending = vacancy.wait_for_release(move || other.wake());
        loop {
            waker.take_wake_up();
            pending = match pending.take() {
                Ok(lease) => return Ok(Acquired::Reused(lease)),
                Err(pending) => pending,
            };
            if let Some(connection) = self.accept_one(reverse, settings)? {
                return Ok(Acquired::Reused(pending.fill(connection, Instant::now())));
            }
            let left = reverse.time_left(deadline, start);
            if left.is_zero() {
                return Ok(pending.stop());
            }
            reverse.wait(Some(waker.as_fd()), left)?;
        }
    }

    /// The next that has dialled in and shown what it must, without waiting for one.
    fn accept_one(
        &self,
        reverse: &Reverse,
        settings: &ConnectSettings,
    ) -> Result<Option<Connection>, AcquireFailure> {
        let ping = settings.pings.connect.filter(|_| !reverse.has_key());
        let found = reverse.accept(ping)?;
        Ok(self.with_pings_counted(found).map(|stream| self.adopt(stream, Instant::now())))
    }

    /// Returns the result, once the pings it took are counted.
    fn with_pings_counted(&self, found: Found) -> Option<Stream> {
        (0..found.pings_sent).for_each(|_| self.count_ping_sent());
        (0..found.pings_failed).for_each(|_| self.count_ping_failed());
        found.stream
    }

    /// Whether anything but the caller's place is open.
    fn has_open(&self) -> bool {
        let stats = self.pool.stats();
        stats.created > stats.closed.total()
    }

    /// A connection of which the backend may be tired by now proves itself, since no new one can be
    /// had at will. `since`: when the request began to ask for one.
    pub(super) fn prove(
        &self,
        reverse: &Reverse,
        lease: Lease<Connection>,
        settings: &ConnectSettings,
        since: Instant,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        if self.is_alive(&lease) {
            return Ok(lease);
        }
        let left = longest_wait(&settings.limits).saturating_sub(since.elapsed());
        let vacancy = lease.discard(CloseReason::Suspect);
        self.wait_for_one(reverse, vacancy, settings, left)
    }
}

fn no_inbound_connection(reverse: &Reverse, waited: Duration, is_gone: bool) -> AcquireFailure {
    // As it is written in the configuration, and not what is left of it.
    let waited =
        Duration::from_millis((waited.as_micros().div_ceil(1000)).try_into().unwrap_or(u64::MAX));
    AcquireFailure::NoInboundConnection { listener: reverse.to_string(), waited, is_gone }
}

/// `acquire`, and a second where it is not set: here it is a wait for somebody else to act.
fn longest_wait(limits: &Limits) -> Duration {
    match limits.wait {
        Wait::For(wait) => wait.min(LONGEST),
        Wait::Forever => UNSET,
    }
}

const UNSET: Duration = Duration::from_secs(1);
/// Deadlines are sums.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
