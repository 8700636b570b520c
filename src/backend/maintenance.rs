//! What the housekeeper does for one backend in one round.

use std::time::{Duration, Instant};

use super::cping::Ping;
use super::{AcquireFailure, Backend, ConnectSettings, Connection};
use crate::net::{Address, Deadline};
use crate::pool::{BorrowedConnection, CloseReason, Keep, Liveness, Pooled, Sweep};

/// How a backend is kept, by the worker's settings at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceSettings {
    /// The pool's limits, `addressttl`, when to ping, and how warm connections are opened.
    pub connect: ConnectSettings,
    /// `min`: so many connections are open at least, in use, idle or being pinged.
    pub min: usize,
}

impl MaintenanceSettings {
    /// As it is where the container opens the connections: idle ones are pinged, whether or not the
    /// worker says so. A container that has vanished without a word is not noticed otherwise.
    pub(super) fn reversed(mut self) -> Self {
        let connect = &mut self.connect;
        let every = connect.limits.ttl.map_or(REVERSED_PING, |ttl| ttl / 2);
        let every = every.clamp(SHORTEST_PING, REVERSED_PING);
        let wait = connect.pings.prepost.or(connect.pings.connect).unwrap_or(REVERSED_WAIT);
        connect.pings.interval.get_or_insert((every, wait));
        self
    }

    /// The maintenance for two workers that share the backend: what either asks for.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.min = self.min.max(other.min);
        let pings = &mut self.connect.pings;
        pings.interval = [pings.interval, other.connect.pings.interval].into_iter().flatten().min();
        self.connect.address_ttl =
            [self.connect.address_ttl, other.connect.address_ttl].into_iter().flatten().min();
        self
    }
}

/// What a pass over one backend did.
#[derive(Debug, Default)]
#[must_use]
pub struct MaintenanceReport {
    /// What was found when the idle connections were looked at.
    pub sweep: Sweep,
    /// Closed: they led to an address that is no longer the backend's.
    pub moved: usize,
    /// Closed: no CPONG, or idle for longer than one without.
    pub unanswered: usize,
    /// CPINGs that are still to be answered; come again soon.
    pub awaited: usize,
    /// Opened for `min`.
    pub opened: usize,
    /// Why no more were opened.
    pub failure: Option<AcquireFailure>,
}

/// What one pass leaves to the next.
#[derive(Debug, Default)]
pub(super) struct MaintenanceState {
    awaited: Vec<Awaited>,
    /// After a failure to open a connection: how long it is left alone, from when.
    pause: Option<(Instant, Duration)>,
}

/// A connection out of the pool, with a CPING on it.
#[derive(Debug)]
struct Awaited {
    loan: BorrowedConnection<Connection>,
    ping: Ping,
    sent: Instant,
    wait: Duration,
}

impl Backend {
    /// After a [sweep](Self::sweep): closes what leads to an old address, pings what has been idle for
    /// the ping interval, and opens what is missing to `min`.
    ///
    /// For the housekeeper's thread alone. Blocks for a moment where CPING was sent, for a second
    /// at most where a new connection does not come about, and for as long as the resolver takes
    /// where `addressttl` has passed. A CPING without answer is looked at again in later passes
    /// until its time is over: a backend that hangs costs the others nothing, and its own requests no
    /// wait. They may open connections instead of those being pinged, which are closed if there is no
    /// room for them below `max` once they have answered. So half of `max`, rounded up, may be open
    /// above it, until the pings' time is over.
    pub fn maintain(
        &self,
        maintenance: &MaintenanceSettings,
        sweep: Sweep,
        now: Instant,
    ) -> MaintenanceReport {
        // Taken out: after a panic they are dropped, which closes the connections.
        let mut state = std::mem::take(&mut *self.state.lock());
        let mut report = MaintenanceReport { sweep, ..MaintenanceReport::default() };
        self.collect_answers(&mut state, Duration::ZERO, now, &mut report);
        self.leave_old_addresses(maintenance, now, &mut report);
        self.ping_idle(&mut state, maintenance, now, &mut report);
        self.warm(&mut state, maintenance, now, &mut report);
        report.awaited = state.awaited.len();
        *self.state.lock() = state;
        report
    }

    /// Closes what is no longer good, and nothing else: never blocks.
    ///
    /// What it finds closed tells how long this backend leaves idle connections open.
    pub fn sweep(&self, maintenance: &MaintenanceSettings, now: Instant) -> Sweep {
        self.pool.sweep_with(now, &maintenance.connect.limits, |connection, idle| {
            let found = connection.check();
            if found == Liveness::Closed {
                self.idle_timeout.record_close(idle, now);
            }
            found
        })
    }

    /// What becomes of a connection that is clean: not kept if the backend has moved.
    #[must_use]
    pub fn keep(&self, connection: &Connection) -> Keep {
        if self.leads_here(connection) { Keep::Pool } else { Keep::Close(CloseReason::Moved) }
    }

    fn leads_here(&self, connection: &Connection) -> bool {
        match connection.peer() {
            Address::Inet(_) if self.is_reversed() => true,
            Address::Inet(address) => self.addresses.include(address),
            Address::Unix(_) => true,
        }
    }

    fn leave_old_addresses(
        &self,
        maintenance: &MaintenanceSettings,
        now: Instant,
        report: &mut MaintenanceReport,
    ) {
        if self.key.socket_path.is_some() || self.is_reversed() {
            return;
        }
        if let Some(ttl) = maintenance.connect.address_ttl {
            self.addresses.refresh(&self.key.host, self.key.port, ttl, now);
        }
        // Nobody has asked: any address may be one.
        let Some(known) = self.addresses.known() else { return };
        report.moved = self.pool.close_idle(CloseReason::Moved, |connection, _| {
            matches!(connection.peer(), Address::Inet(address) if !known.contains(address))
        });
    }

    fn ping_idle(
        &self,
        state: &mut MaintenanceState,
        maintenance: &MaintenanceSettings,
        now: Instant,
        report: &mut MaintenanceReport,
    ) {
        let Some((every, wait)) = maintenance.connect.pings.interval else { return };
        // Half of the idle ones at a time; the next half as soon as these have answered.
        while state.awaited.is_empty() {
            let due = self.pool.borrow_idle(|connection, since| {
                let last = connection.last_ping().map_or(since, |pinged| pinged.max(since));
                now.saturating_duration_since(last) >= every
            });
            if due.is_empty() {
                return;
            }
            for loan in due {
                self.count_ping_sent();
                match loan.start_ping() {
                    Ok(ping) => state.awaited.push(Awaited { loan, ping, sent: now, wait }),
                    Err(_) => {
                        self.count_ping_failed();
                        report.unanswered += 1;
                        loan.close(CloseReason::Broken);
                    }
                }
            }
            self.collect_answers(state, MOMENT.min(wait), now, report);
        }
    }

    /// Gives those back that have answered, waiting `wait` at most for all of them together; closes
    /// those whose time is over, with all that have been idle longer and not answered since.
    fn collect_answers(
        &self,
        state: &mut MaintenanceState,
        wait: Duration,
        now: Instant,
        report: &mut MaintenanceReport,
    ) {
        let deadline = Deadline::after(Instant::now(), wait);
        let mut silent = Vec::new();
        for mut awaited in std::mem::take(&mut state.awaited) {
            let left = deadline.remaining(Instant::now());
            match awaited.loan.ping_answered(&mut awaited.ping, left, now) {
                Ok(true) => awaited.loan.give_back(),
                Ok(false) if now.saturating_duration_since(awaited.sent) < awaited.wait => {
                    state.awaited.push(awaited);
                }
                Ok(false) => {
                    silent.push((awaited.loan.order(), awaited.sent));
                    self.count_ping_failed();
                    report.unanswered += 1;
                    awaited.loan.close(CloseReason::Broken);
                }
                Err(_) => {
                    self.count_ping_failed();
                    report.unanswered += 1;
                    awaited.loan.close(CloseReason::Broken);
                }
            }
        }
        if let Some((order, sent)) = silent.into_iter().max() {
            report.unanswered += self.pool.close_idle(CloseReason::Suspect, |connection, other| {
                other < order && connection.last_ping().is_none_or(|pinged| pinged < sent)
            });
        }
    }

    /// Opens connections while there are fewer than `min`.
    fn warm(
        &self,
        state: &mut MaintenanceState,
        maintenance: &MaintenanceSettings,
        now: Instant,
        report: &mut MaintenanceReport,
    ) {
        let rests =
            |(from, pause): (Instant, Duration)| now.saturating_duration_since(from) < pause;
        if maintenance.min == 0 || state.pause.is_some_and(rests) {
            return;
        }
        while let Some(vacancy) = self.pool.vacancy_below(maintenance.min) {
            match self.open_soon(&maintenance.connect) {
                Ok(None) => return,
                Ok(Some(connection)) => {
                    state.pause = None;
                    report.opened += 1;
                    vacancy.stock(connection, now);
                }
                Err(failure) => {
                    let pause = state.pause.map_or(FIRST_PAUSE, |(_, pause)| pause * 2);
                    state.pause = Some((now, pause.min(LONGEST_PAUSE)));
                    report.failure = Some(failure);
                    return;
                }
            }
            if report.opened == AT_ONCE {
                return;
            }
        }
    }

    /// A new connection, or a failure within a second or so: other backends wait meanwhile. `None`:
    /// the container opens them, and none is there.
    fn open_soon(&self, settings: &ConnectSettings) -> Result<Option<Connection>, AcquireFailure> {
        if let Some(reverse) = self.reverse() {
            return self.accept_now(reverse, settings);
        }
        let mut settings = settings.clone();
        settings.options.timeout = settings.options.timeout.min(SOON);
        let connection = self.connect(&settings)?;
        if let Some(wait) = settings.pings.connect {
            let answered = connection.cping(wait.min(SOON));
            self.count_ping(answered.is_ok());
            answered.map_err(AcquireFailure::Ping)?;
        }
        Ok(Some(connection))
    }
}

/// How often idle connections are pinged that the container has opened, where there is neither a
/// `pinginterval` nor a shorter `ttl`.
const REVERSED_PING: Duration = Duration::from_secs(30);
const SHORTEST_PING: Duration = Duration::from_secs(1);
const REVERSED_WAIT: Duration = Duration::from_secs(10);

/// How long a pass waits for the answers to its CPINGs: many times what a live backend takes.
const MOMENT: Duration = Duration::from_millis(50);

/// What a warm connection may take to come about: longer, and it would not help a request either.
const SOON: Duration = Duration::from_secs(1);

/// A backend that cannot be connected to is tried again after this, then after twice as long...
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// ...up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Connections opened in one round, so that other backends have their turn.
const AT_ONCE: usize = 16;

#[cfg(test)]
#[path = "maintenance_tests.rs"]
mod tests;
