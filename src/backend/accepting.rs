//! A connection for a request where the container opens them: one that comes back, or one that
//! dials in, whichever is first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::proving::{Asked, first_half, rest};
use super::reverse::Look;
use super::{AcquireFailure, Backend, ConnectSettings, Connection, RefusalReason, Reverse};
use crate::config::Pings;
use crate::net::{Address, Bell, Stream};
use crate::pool::{Acquired, CloseReason, Lease, Limits, Seeking, Vacancy, Wait};

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
            Asked::Silent(silent) => {
                // One that has dialled in takes its place; else it has the other half of the time.
                if let Some(connection) =
                    self.accept_one(reverse, settings, Instant::now() + half)?
                {
                    return Ok(self.give_up_silent(silent).fill(connection));
                }
                match self.hear(silent, half) {
                    Asked::Answers(lease) => return Ok(lease),
                    Asked::Dead(vacancy) => vacancy,
                    Asked::Silent(silent) => self.give_up_silent(silent),
                }
            }
        };
        let left = wait.saturating_sub(start.elapsed());
        self.wait_for_one(reverse, vacancy, settings, left)
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

    /// As [`open`](Self::open): only a connection that dials in, not one that comes back.
    pub(super) fn accept_new(
        &self,
        reverse: &Reverse,
        vacancy: Vacancy<Connection>,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let start = Instant::now();
        let wait = longest_wait(&settings.limits);
        if let Some(connection) = self.accept_one(reverse, settings, start + wait)? {
            return Ok(vacancy.fill(connection));
        }
        let patience = reverse.patience(self.has_open(), wait, start);
        let deadline = start + patience.time;
        let bell = Bell::new().map_err(AcquireFailure::Bell)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(none_dialled(reverse, patience.time, patience.is_gone));
            }
            reverse.wait(&bell, left)?;
            if let Some(connection) = self.accept_one(reverse, settings, deadline)? {
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
        self.accept_one(reverse, settings, Instant::now())
    }

    /// Takes in a connection that was accepted without a request; closes it where there is no room.
    pub fn take_in(&self, stream: Stream) {
        let now = Instant::now();
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
        if let Some(connection) = self.accept_one(reverse, settings, start + wait)? {
            return Ok(vacancy.fill(connection));
        }
        let patience = reverse.patience(self.has_open(), wait, start);
        let deadline = start + patience.time;
        let none = || none_dialled(reverse, patience.time, patience.is_gone);
        if patience.time.is_zero() {
            return Err(none());
        }
        let bell = Arc::new(Bell::new().map_err(AcquireFailure::Bell)?);
        loop {
            let found = self.seek(reverse, vacancy, settings, deadline, &bell)?;
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
    fn seek(
        &self,
        reverse: &Reverse,
        vacancy: Vacancy<Connection>,
        settings: &ConnectSettings,
        deadline: Instant,
        bell: &Arc<Bell>,
    ) -> Result<Acquired<Connection>, AcquireFailure> {
        let ring = Arc::clone(bell);
        let mut seeking = vacancy.seek(move || ring.ring());
        loop {
            bell.heard();
            seeking = match seeking.take() {
                Ok(lease) => return Ok(Acquired::Reused(lease)),
                Err(seeking) => seeking,
            };
            if let Some(connection) = self.accept_one(reverse, settings, deadline)? {
                return Ok(Acquired::Reused(self.either(seeking, connection)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(seeking.stop());
            }
            reverse.wait(bell, left)?;
        }
    }

    /// One has dialled in; if one came back in the same moment, the new one is for the next request.
    fn either(&self, seeking: Seeking<Connection>, connection: Connection) -> Lease<Connection> {
        match seeking.stop() {
            Acquired::Vacant(vacancy) => vacancy.fill(connection),
            Acquired::Reused(lease) => {
                if let Some(vacancy) = self.pool.vacancy_below(usize::MAX) {
                    vacancy.stock(connection, Instant::now());
                }
                lease
            }
        }
    }

    /// The next that has dialled in and answers, without waiting for one to do so; not much longer
    /// than to the deadline, whatever there is.
    fn accept_one(
        &self,
        reverse: &Reverse,
        settings: &ConnectSettings,
        deadline: Instant,
    ) -> Result<Option<Connection>, AcquireFailure> {
        let ping = settings.pings.connect.filter(|_| !reverse.has_key());
        let look = Look::until(deadline);
        while let Some(stream) = reverse.accept(&look)? {
            let now = Instant::now();
            let connection = self.adopt(stream, now);
            let Some(time) = ping else { return Ok(Some(connection)) };
            let Some(share) = look.share(now) else { return Ok(None) };
            let answer = connection.cping(time.min(share));
            self.count_ping(answer.is_ok());
            match answer {
                Ok(()) => return Ok(Some(connection)),
                Err(error) => {
                    if let Address::Inet(peer) = connection.peer() {
                        reverse.refuse(peer.ip().to_canonical(), RefusalReason::Ping(error));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Is anything open but the place of the one that asks?
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

fn none_dialled(reverse: &Reverse, waited: Duration, is_gone: bool) -> AcquireFailure {
    // As it is written in the configuration, and not what is left of it.
    let waited =
        Duration::from_millis((waited.as_micros().div_ceil(1000)).try_into().unwrap_or(u64::MAX));
    AcquireFailure::NoneDialled { listener: reverse.to_string(), waited, is_gone }
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
