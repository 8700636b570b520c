//! A deadline for a series of waits.

use std::time::{Duration, Instant};

/// The end of a wait of several steps; may be never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// A deadline that never comes.
    pub const NEVER: Deadline = Deadline(None);

    /// Returns the deadline `timeout` after `now`; never, if the clock cannot count that far.
    pub fn after(now: Instant, timeout: Duration) -> Self {
        Self(now.checked_add(timeout))
    }

    /// Returns the time left at `now`: zero once it has passed, [`Duration::MAX`] if it never comes.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }

    /// Whether no time is left at `now`.
    pub fn has_passed(&self, now: Instant) -> bool {
        self.remaining(now).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_counts_down_to_zero_and_stays_there() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_secs(3));

        assert_eq!(deadline.remaining(now + Duration::from_secs(1)), Duration::from_secs(2));
        assert!(!deadline.has_passed(now + Duration::from_millis(2999)));
        assert!(deadline.has_passed(now + Duration::from_secs(3)));
        assert_eq!(deadline.remaining(now + Duration::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn an_endless_timeout_never_passes() {
        let now = Instant::now();

        assert_eq!(Deadline::after(now, Duration::MAX), Deadline::NEVER);
        assert_eq!(Deadline::NEVER.remaining(now), Duration::MAX);
        assert!(!Deadline::NEVER.has_passed(now));
    }
}
