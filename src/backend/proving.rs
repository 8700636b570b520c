//! A pooled connection that a container has opened proves with CPING that it is alive.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::acquisition::PROOF_TIME;
use super::cping::Ping;
use super::{Backend, Connection};
use crate::net::Deadline;
use crate::pool::{CloseReason, Lease, Vacancy};

/// The result of a CPING on a pooled connection.
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

impl Backend {
    /// Whether a container answers a CPING on it within a second.
    pub(super) fn is_alive(&self, connection: &Connection) -> bool {
        let is_alive = connection.cping(PROOF_TIME).is_ok();
        self.count_ping(is_alive);
        is_alive
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
        lease.drop_older_idle();
        lease.discard(CloseReason::Broken)
    }
}
