//! How long the backend leaves idle connections open, as far as it has shown.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The shortest idle time after which the backend was seen to close a connection.
///
/// A connection that is about to be closed looks alive until the moment it is used. A request that
/// may be sent again does not mind; one that may not (POST) is spared the risk: near the time at
/// which this backend closes, it gets a new connection.
#[derive(Debug, Default)]
pub(super) struct IdleTimeoutEstimate {
    shortest: Mutex<Option<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    idle: Duration,
    at: Instant,
}

impl IdleTimeoutEstimate {
    /// The backend has closed a connection that had been idle for this long.
    pub(super) fn record_close(&self, idle: Duration, now: Instant) {
        let mut shortest = self.shortest.lock();
        let holds = shortest.is_some_and(|seen| seen.holds(now) && seen.idle <= idle);
        if !holds {
            *shortest = Some(Seen { idle, at: now });
        }
    }

    /// Might it be closing one that has been idle for this long?
    pub(super) fn may_be_closing(&self, idle: Duration, now: Instant) -> bool {
        let shortest = *self.shortest.lock();
        shortest.is_some_and(|seen| seen.holds(now) && idle + MARGIN >= seen.idle)
    }
}

impl Seen {
    fn holds(self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < MEMORY
    }
}

/// What is seen is up to a round of the housekeeper late, so the true time is that much shorter;
/// and a busy machine sends late.
const MARGIN: Duration = Duration::from_millis(1500);

/// A restart closes connections of any age: that says nothing of the next minutes.
const MEMORY: Duration = Duration::from_secs(60);

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
