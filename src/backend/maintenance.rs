//! The maintenance of one backend in one round of the housekeeper.

use std::time::{Duration, Instant};

use super::maintenance_settings::{Awaited, MaintenanceState};
use super::{AcquireFailure, AjpConnection, Backend, MaintenanceSettings};
use crate::net::{Address, Deadline};
use crate::pool::{CloseReason, Keep, Lease, Liveness, Pooled, Sweep};

/// The result of a round for one backend.
#[derive(Debug, Default)]
#[must_use]
pub struct MaintenanceReport {
    /// The result of checking the idle connections.
    pub sweep: Sweep,
    /// Closed, since they led to an address that is no longer the backend's.
    pub moved: usize,
    /// Closed, since they did not answer CPING, or were idle for longer than one that did not.
    pub unanswered: usize,
    /// CPINGs that are still to be answered; the next round should be soon.
    pub awaited: usize,
    /// Opened for `min`.
    pub opened: usize,
    /// Why no more were opened.
    pub failure: Option<AcquireFailure>,
}

impl Backend {
    /// After a [sweep](Self::sweep): closes connections to old addresses, pings connections that have
    /// been idle for the ping interval, and opens connections up to `min`.
    ///
    /// For the housekeeper's thread only. Blocks for a moment if a CPING was sent, for at most a second
    /// if a new connection cannot be opened, and for as long as the resolver takes if `addressttl` has
    /// passed. An unanswered CPING is checked again in later rounds until it times out: a backend that
    /// hangs does not delay the others, nor its own requests. Those may open connections in the place
    /// of the pinged ones, which are closed if there is no room for them below `max` once they have
    /// answered. So, until the pings time out, half of `max`, rounded up, may be open above it.
    pub fn maintain(
        &self,
        maintenance: &MaintenanceSettings,
        sweep: Sweep,
        now: Instant,
    ) -> MaintenanceReport {
        // Taken out: after a panic it is dropped, which closes the connections.
        let mut state = std::mem::take(&mut *self.maintenance_state.lock());
        let mut report = MaintenanceReport { sweep, ..MaintenanceReport::default() };
        self.collect_answers(&mut state, Duration::ZERO, now, &mut report);
        self.close_moved(maintenance, now, &mut report);
        self.ping_idle(&mut state, maintenance, now, &mut report);
        self.open_up_to_min(&mut state, maintenance, now, &mut report);
        report.awaited = state.awaited.len();
        *self.maintenance_state.lock() = state;
        report
    }

    /// Closes the idle connections that are no longer good, and does nothing else: it never blocks.
    ///
    /// Connections found closed show how long this backend leaves idle connections open.
    pub fn sweep(&self, maintenance: &MaintenanceSettings, now: Instant) -> Sweep {
        self.pool.sweep_with(now, &maintenance.connect.limits, |connection, idle| {
            let found = connection.check();
            if found == Liveness::Closed {
                self.idle_timeout.record_close(idle, now);
            }
            found
        })
    }

    /// Returns whether a clean connection is kept: not if the backend has moved.
    #[must_use]
    pub fn keep<L: AjpConnection>(&self, connection: &Lease<L>) -> Keep {
        if self.leads_here(&**connection) { Keep::Pool } else { Keep::Close(CloseReason::Moved) }
    }

    fn leads_here(&self, connection: &impl AjpConnection) -> bool {
        match connection.peer() {
            Address::Inet(address) => self.source.leads_here(self, address),
            Address::Unix(_) => true,
        }
    }

    fn close_moved(
        &self,
        maintenance: &MaintenanceSettings,
        now: Instant,
        report: &mut MaintenanceReport,
    ) {
        let ttl = maintenance.connect.address_ttl;
        // Until the name has been resolved, any address may be the backend's.
        let Some(known) = self.source.current_addresses(self, ttl, now) else { return };
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
        // Half of the idle ones at a time, and the next half as soon as these have answered.
        while state.awaited.is_empty() {
            let due = self.pool.borrow_idle(|connection, since| {
                let last = connection.last_ping().map_or(since, |pinged| pinged.max(since));
                now.saturating_duration_since(last) >= every
            });
            if due.is_empty() {
                return;
            }
            for borrowed in due {
                self.count_ping_sent();
                match borrowed.start_ping() {
                    Ok(ping) => state.awaited.push(Awaited { borrowed, ping, sent: now, wait }),
                    Err(_) => {
                        self.count_ping_failed();
                        report.unanswered += 1;
                        borrowed.close(CloseReason::Broken);
                    }
                }
            }
            self.collect_answers(state, ANSWER_TIME.min(wait), now, report);
        }
    }

    /// Gives back the connections that have answered, waiting at most `wait` for all of them together.
    /// Closes those that have timed out, with all that have been idle longer and not answered since.
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
            match awaited.borrowed.ping_answered(&mut awaited.ping, left, now) {
                Ok(true) => awaited.borrowed.give_back(),
                Ok(false) if now.saturating_duration_since(awaited.sent) < awaited.wait => {
                    state.awaited.push(awaited);
                }
                Ok(false) => {
                    silent.push((awaited.borrowed.order(), awaited.sent));
                    self.count_ping_failed();
                    report.unanswered += 1;
                    awaited.borrowed.close(CloseReason::Broken);
                }
                Err(_) => {
                    self.count_ping_failed();
                    report.unanswered += 1;
                    awaited.borrowed.close(CloseReason::Broken);
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
    fn open_up_to_min(
        &self,
        state: &mut MaintenanceState,
        maintenance: &MaintenanceSettings,
        now: Instant,
        report: &mut MaintenanceReport,
    ) {
        let is_pausing =
            |(from, pause): (Instant, Duration)| now.saturating_duration_since(from) < pause;
        if maintenance.min == 0 || state.pause.is_some_and(is_pausing) {
            return;
        }
        while let Some(vacancy) = self.pool.vacancy_below(maintenance.min) {
            match self.source.open_spare(self, &maintenance.connect) {
                Ok(None) => return,
                Ok(Some(connection)) => {
                    state.pause = None;
                    report.opened += 1;
                    vacancy.stock(connection, now);
                }
                Err(failure) => {
                    let pause = state.pause.map_or(MIN_PAUSE, |(_, pause)| pause * 2);
                    state.pause = Some((now, pause.min(MAX_PAUSE)));
                    report.failure = Some(failure);
                    return;
                }
            }
            if report.opened == MAX_OPENED {
                return;
            }
        }
    }
}

/// How long a round waits for the answers to its CPINGs: many times what a live backend takes.
const ANSWER_TIME: Duration = Duration::from_millis(50);

/// The pause after a first failure to connect; it doubles with each further one...
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// ...up to this.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The most connections opened in one round: other backends wait meanwhile.
const MAX_OPENED: usize = 16;

#[cfg(test)]
#[path = "maintenance_tests.rs"]
mod tests;
