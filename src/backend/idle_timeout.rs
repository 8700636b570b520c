//! The idle timeout of the backend, as far as its closed connections show it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// An estimate of the backend's idle timeout: the shortest idle time after which it was seen to close a
/// connection.
///
/// A connection that is about to be closed looks alive until it is used. That does not matter to a
/// request that may be sent again. One that may not (POST) gets a new connection instead of one whose
/// idle time is near the timeout.
#[derive(Debug, Default)]
pub(super) struct IdleTimeoutEstimate {
    shortest: Mutex<Option<Observation>>,
}

#[derive(Clone, Copy, Debug)]
struct Observation {
    idle: Duration,
    at: Instant,
}

impl IdleTimeoutEstimate {
    /// Records that the backend has closed a connection that had been idle for this long.
    pub(super) fn record_close(&self, idle: Duration, now: Instant) {
        let mut shortest = self.shortest.lock();
        let is_known = shortest.is_some_and(|seen| seen.is_current(now) && seen.idle <= idle);
        if !is_known {
            *shortest = Some(Observation { idle, at: now });
        }
    }

    /// Whether the backend may be closing a connection that has been idle for this long.
    pub(super) fn may_be_closing(&self, idle: Duration, now: Instant) -> bool {
        let shortest = *self.shortest.lock();
        shortest.is_some_and(|seen| seen.is_current(now) && idle + MARGIN >= seen.idle)
    }
}

impl Observation {
    fn is_current(self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < MAX_AGE
    }
}

/// A closed connection is found up to one round of the housekeeper late, so the true timeout is shorter
/// by as much; and a busy machine sends late.
const MARGIN: Duration = Duration::from_millis(1500);

/// A restart closes connections of any age, which says nothing about the minutes after it.
const MAX_AGE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_connection_near_the_time_at_which_the_backend_closes_is_doubtful() {
        let (life, now) = (IdleTimeoutEstimate::default(), Instant::now());
        assert!(!life.may_be_closing(99 * SECOND, now), "nothing has been seen");
        life.record_close(20 * SECOND, now);
        assert!(life.may_be_closing(19 * SECOND, now));
        assert!(!life.may_be_closing(18 * SECOND, now));
    }

    #[test]
    fn the_shortest_time_counts_for_a_minute() {
        let (life, now) = (IdleTimeoutEstimate::default(), Instant::now());
        life.record_close(2 * SECOND, now);
        life.record_close(20 * SECOND, now + SECOND);
        assert!(life.may_be_closing(SECOND, now + 59 * SECOND));
        assert!(!life.may_be_closing(SECOND, now + 60 * SECOND));
        life.record_close(20 * SECOND, now + 61 * SECOND);
        assert!(!life.may_be_closing(10 * SECOND, now + 61 * SECOND));
        assert!(life.may_be_closing(19 * SECOND, now + 61 * SECOND));
    }
}
