//! A pooled connection proves with CPING that it is alive before it is used, or a new one does beside it.
//!
//! One time in all is waited for CPONG. A backend that hangs, and one whose pooled connections a
//! firewall has dropped, look alike: half of the time is for the pooled connection; after that a new
//! one is opened and pinged for the rest, and whichever answers first is used. For as long the new one
//! is beside those that `max` counts.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::cping::Ping;
use super::error::{AcquireFailure, PingError};
use super::{Backend, ConnectSettings, Connection};
use crate::net::{Deadline, wait_any_readable};
use crate::pool::{CloseReason, Lease, Vacancy};

/// What came of a CPING on a pooled connection.
pub(super) enum Asked {
    /// CPONG.
    Answers(Lease<Connection>),
    /// It is dead; its place in the pool is left.
    Dead(Vacancy<Connection>),
    /// Nothing so far.
    Silent(Silent),
}

/// A pooled connection that has been sent CPING.
pub(super) struct Silent {
    lease: Lease<Connection>,
    ping: Ping,
}

impl AsFd for Silent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lease.stream().as_fd()
    }
}

/// What a pooled connection has of the time for CPONG.
pub(super) fn first_half(time: Duration) -> Duration {
    time / 2
}

/// What a new connection has of it, which would have had `time` had there been no pooled one. (The two
/// may have times of their own: half of its own the new one has in any case.)
pub(super) fn rest(time: Duration, waited: Duration) -> Duration {
    time.saturating_sub(waited).max(time / 2)
}

impl Backend {
    /// The connection, or a new one, once it has answered CPING where that is asked for.
    pub(super) fn proved(
        &self,
        lease: Lease<Connection>,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let Some(time) = settings.pings.prepost else { return Ok(lease) };
        let start = Instant::now();
        let asked = self.ask(lease, first_half(time));
        let left = settings.pings.connect.map(|time| rest(time, start.elapsed()));
        match asked {
            Asked::Answers(lease) => Ok(lease),
            Asked::Dead(vacancy) => {
                self.open_pinging(vacancy, settings, left).map_err(|failure| match failure {
                    // As it is written in the configuration, and not what is left of it.
                    AcquireFailure::Ping(PingError::TimedOut { after }) => {
                        timed_out(settings.pings.connect.unwrap_or(after))
                    }
                    failure => failure,
                })
            }
            Asked::Silent(silent) => self.open_beside(silent, settings, left),
        }
    }

    /// Sends CPING on a pooled connection, and waits so long for CPONG.
    pub(super) fn ask(&self, lease: Lease<Connection>, wait: Duration) -> Asked {
        match lease.start_ping() {
            Ok(ping) => self.hear(Silent { lease, ping }, wait),
            Err(_) => Asked::Dead(self.give_up(lease)),
        }
    }

    /// Waits so long again.
    pub(super) fn hear(&self, mut silent: Silent, wait: Duration) -> Asked {
        let deadline = Deadline::after(Instant::now(), wait);
        loop {
            let left = deadline.remaining(Instant::now());
            match silent.lease.has_answered(&mut silent.ping, left) {
                Ok(true) => {
                    self.count_ping(true);
                    return Asked::Answers(silent.lease);
                }
                Ok(false) if left.is_zero() => return Asked::Silent(silent),
                Ok(false) => {}
                Err(_) => return Asked::Dead(self.give_up(silent.lease)),
            }
        }
    }

    /// Closes a connection that has not answered, and all that have been idle longer.
    pub(super) fn give_up_silent(&self, silent: Silent) -> Vacancy<Connection> {
        self.give_up(silent.lease)
    }

    fn give_up(&self, lease: Lease<Connection>) -> Vacancy<Connection> {
        self.count_ping(false);
        if let Some(order) = lease.last_release() {
            self.pool.drop_idle_older_than(order);
        }
        lease.discard(CloseReason::Broken)
    }

    /// Opens a new connection beside the silent one: the first to answer within `wait` is used. `None`:
    /// a new one need not answer.
    fn open_beside(
        &self,
        silent: Silent,
        settings: &ConnectSettings,
        wait: Option<Duration>,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let opened = self.connect(settings);
        let Some(wait) = wait else {
            let vacancy = self.give_up(silent.lease);
            return opened.map(|new| vacancy.fill(new));
        };
        let time = settings.pings.connect.unwrap_or(wait);
        let opened = opened.and_then(|new| {
            let ping = new.start_ping();
            self.count_ping_sent();
            match ping {
                Ok(ping) => Ok((new, ping)),
                Err(error) => {
                    self.count_ping_failed();
                    Err(AcquireFailure::Ping(error))
                }
            }
        });
        match opened {
            Ok((new, ping)) => self.first_of(silent, new, ping, Time { wait, time }),
            Err(failure) => self.pooled_or(silent, wait, failure),
        }
    }

    /// There is no new one: the pooled connection, if it answers after all.
    fn pooled_or(
        &self,
        silent: Silent,
        wait: Duration,
        failure: AcquireFailure,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        match self.hear(silent, wait) {
            Asked::Answers(lease) => Ok(lease),
            Asked::Dead(_) => Err(failure),
            Asked::Silent(silent) => {
                drop(self.give_up(silent.lease));
                Err(failure)
            }
        }
    }

    fn first_of(
        &self,
        mut silent: Silent,
        new: Connection,
        mut ping: Ping,
        time: Time,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let deadline = Deadline::after(Instant::now(), time.wait);
        loop {
            let left = deadline.remaining(Instant::now());
            let streams = [new.stream(), silent.lease.stream()];
            let has_either = wait_any_readable(&streams, left).map_err(PingError::Net);
            match has_either.and_then(|_| new.has_answered(&mut ping, Duration::ZERO)) {
                Ok(true) => {
                    let vacancy = self.give_up(silent.lease);
                    return Ok(vacancy.fill(new));
                }
                Ok(false) => {}
                Err(error) => {
                    self.count_ping_failed();
                    drop(new);
                    return self.pooled_or(silent, left, AcquireFailure::Ping(error));
                }
            }
            match silent.lease.has_answered(&mut silent.ping, Duration::ZERO) {
                Ok(true) => {
                    self.count_ping(true);
                    return Ok(silent.lease);
                }
                Ok(false) => {}
                Err(_) => {
                    let vacancy = self.give_up(silent.lease);
                    return self.new_or_none(vacancy, new, ping, left, time.time);
                }
            }
            if left.is_zero() {
                self.count_ping_failed();
                drop(self.give_up(silent.lease));
                return Err(timed_out(time.time));
            }
        }
    }

    /// The pooled one is dead: the new one, if it answers.
    fn new_or_none(
        &self,
        vacancy: Vacancy<Connection>,
        new: Connection,
        mut ping: Ping,
        wait: Duration,
        time: Duration,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let deadline = Deadline::after(Instant::now(), wait);
        loop {
            let left = deadline.remaining(Instant::now());
            let failure = match new.has_answered(&mut ping, left) {
                Ok(true) => return Ok(vacancy.fill(new)),
                Ok(false) if left.is_zero() => timed_out(time),
                Ok(false) => continue,
                Err(error) => AcquireFailure::Ping(error),
            };
            self.count_ping_failed();
            return Err(failure);
        }
    }
}

/// The times of a new connection.
struct Time {
    /// What it has to answer in.
    wait: Duration,
    /// What the configuration says, of which that is the rest.
    time: Duration,
}

fn timed_out(after: Duration) -> AcquireFailure {
    AcquireFailure::Ping(PingError::TimedOut { after })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pooled_and_a_new_connection_have_one_time_together() {
        assert_eq!(first_half(SECOND) + rest(SECOND, first_half(SECOND)), SECOND);
    }

    #[test]
    fn where_the_pooled_one_is_found_dead_at_once_the_new_one_has_all_of_the_time() {
        assert_eq!(rest(SECOND, Duration::ZERO), SECOND);
        assert_eq!(rest(SECOND, SECOND / 4), SECOND * 3 / 4);
    }

    #[test]
    fn times_of_their_own_come_to_no_more_than_the_longer_one() {
        for (pooled, new) in [(SECOND, 10 * SECOND), (10 * SECOND, SECOND), (SECOND, SECOND)] {
            let all = first_half(pooled) + rest(new, first_half(pooled));
            assert!(all <= pooled.max(new), "{pooled:?} and {new:?}: {all:?}");
            assert!(rest(new, first_half(pooled)) >= new / 2);
        }
    }
}
