//! The settings of a backend's maintenance, and the state that it keeps from round to round.

use std::time::{Duration, Instant};

use super::cping::Ping;
use super::{ConnectSettings, Connection};
use crate::pool::BorrowedConnection;

/// How the housekeeper maintains a backend, by the worker's current settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceSettings {
    /// The pool's limits, `addressttl`, when to ping, and how connections are opened for `min`.
    pub connect: ConnectSettings,
    /// `min`: the least number of open connections: in use, idle or being pinged.
    pub min: usize,
}

impl MaintenanceSettings {
    /// Returns the settings for reverse connections: idle ones are always pinged. A container that
    /// disappears without closing its connections would not be noticed otherwise.
    pub(super) fn reversed(mut self) -> Self {
        let connect = &mut self.connect;
        let every = connect.limits.ttl.map_or(MAX_REVERSE_PING, |ttl| ttl / 2);
        let every = every.clamp(MIN_REVERSE_PING, MAX_REVERSE_PING);
        let wait = connect.pings.prepost.or(connect.pings.connect).unwrap_or(REVERSE_PING_WAIT);
        connect.pings.interval.get_or_insert((every, wait));
        self
    }

    /// Combines the settings of two workers that share the backend, so that both get what they ask for.
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

/// The state that one round leaves to the next.
#[derive(Debug, Default)]
pub(super) struct MaintenanceState {
    /// Connections whose answer to a CPING is still to come.
    pub(super) awaited: Vec<Awaited>,
    /// After a failure to open a connection: since when none is opened, and for how long.
    pub(super) pause: Option<(Instant, Duration)>,
}

/// A borrowed connection with an unanswered CPING.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) borrowed: BorrowedConnection<Connection>,
    pub(super) ping: Ping,
    pub(super) sent: Instant,
    pub(super) wait: Duration,
}

/// The interval at which idle reverse connections are pinged if there is neither a `pinginterval` nor a
/// shorter `ttl`.
const MAX_REVERSE_PING: Duration = Duration::from_secs(30);
const MIN_REVERSE_PING: Duration = Duration::from_secs(1);
const REVERSE_PING_WAIT: Duration = Duration::from_secs(10);
