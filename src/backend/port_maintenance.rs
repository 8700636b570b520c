//! The maintenance of a port of reverse connections in one round of the housekeeper.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handshake::MAX_TIMEOUT;
use super::port_check::PortNews;
use super::{Backend, Reverse};
use crate::net::{NetError, wait_any};
use crate::pool::CloseReason;

impl Backend {
    /// Maintains the port of this backend: continues the handshakes in progress when no request does, keeps
    /// strangers from filling the queue, of which `queue.0` places of `queue.1` are taken, and, with
    /// `checks`, checks the connections that wait there.
    ///
    /// On a port that all children share, a check takes one connection each ten seconds, and keeps it in
    /// the place of the oldest idle one: the others are for other children. On a port of this child's own
    /// it takes every connection, as long as there is room. Thus a container with a wrong key is logged
    /// although no request comes.
    ///
    /// Waits for answers of peers until `until`, and continues with them in the next round.
    pub fn maintain_port(
        &self,
        queue: Option<(u32, u32)>,
        checks: bool,
        until: Instant,
    ) -> Option<PortNews> {
        let reverse = self.reverse()?;
        self.take_in(reverse.tidy(queue));
        if !checks || !reverse.is_check_due(Instant::now()) || !self.has_room_in_advance(reverse) {
            return None;
        }
        let taken = self.check_waiting(reverse, until);
        reverse.checked(taken, self.has_open(), Instant::now())
    }

    /// Takes connections out of the queue and verifies them. Returns how many were taken.
    pub(super) fn check_waiting(&self, reverse: &Arc<Reverse>, until: Instant) -> usize {
        let is_shared = reverse.settings().is_shared();
        // Without a key, a container shows by CPONG that it is one; and CPING shows the container that this
        // connection is no longer spare.
        let configured =
            self.maintenance().and_then(|maintenance| maintenance.connect.pings.connect);
        let ping = configured.unwrap_or(MAX_TIMEOUT);
        let (mut taken, mut takes_another) = (0, true);
        loop {
            // No port, or no descriptor: the requests say so.
            let Ok(found) = reverse.check(ping, takes_another) else { return taken };
            taken += found.accepted;
            let is_found = found.stream.is_some();
            self.take_in(found);
            takes_another = match is_shared {
                true => taken == 0,
                false => self.has_room_in_advance(reverse),
            };
            let left = until.saturating_duration_since(Instant::now());
            let goes_on = if is_found { takes_another } else { reverse.is_any_asked() };
            if left.is_zero() || !goes_on {
                return taken;
            }
            if !is_found && reverse.wait_for_handshakes(left).is_err() {
                return taken;
            }
        }
    }

    /// Whether a connection that no request needs would be kept.
    fn has_room_in_advance(&self, reverse: &Reverse) -> bool {
        let limits = self.maintenance().map(|maintenance| maintenance.connect.limits);
        let limits = limits.unwrap_or_default();
        let idle = self.stats().idle;
        // One that is closed at once would look refused to the container.
        let keeps = match (limits.ttl, limits.smax) {
            (Some(ttl), _) => ttl >= MIN_TTL,
            (None, smax) => smax.is_none_or(|smax| smax > 0),
        };
        let has_vacancy = || self.pool.vacancy_below(usize::MAX).is_some();
        keeps
            && match reverse.settings().is_shared() {
                // It gets the place of an idle one.
                true => idle > 0 || has_vacancy(),
                false => idle < MAX_IN_ADVANCE && has_vacancy(),
            }
    }

    /// Makes room for a connection that was taken from a port that all children share: this child keeps no
    /// more of them in advance than it has already.
    pub(super) fn make_room(&self) {
        let mut is_oldest = true;
        self.pool.close_idle(CloseReason::Evicted, |_, _| std::mem::take(&mut is_oldest));
    }
}

impl Reverse {
    /// Waits, up to `time`, until a handshake can be continued.
    fn wait_for_handshakes(&self, time: Duration) -> Result<(), NetError> {
        let (watch, next) = self.watched_handshakes(Instant::now())?;
        let time = next.map_or(time, |next| time.min(next));
        wait_any(&[watch.as_fd()], time)
    }
}

/// The most idle connections up to which a child takes connections from its own port in advance: many
/// times what a container keeps spare, but a container that counts none of them as spare would open more
/// and more.
const MAX_IN_ADVANCE: usize = 16;

/// A connection that is closed within five seconds after the handshake looks refused to the container.
const MIN_TTL: Duration = Duration::from_secs(7);
