//! The time for CPONG, shared by a pooled connection and a new one.

use std::time::Duration;

/// A pooled connection's share of the time for CPONG.
pub(super) fn first_half(time: Duration) -> Duration {
    time / 2
}

/// A new connection's share of it; without a pooled one it would have had `time`. (The two
/// may have times of their own: half of its own the new one has in any case.)
pub(super) fn rest(time: Duration, waited: Duration) -> Duration {
    time.saturating_sub(waited).max(time / 2)
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
