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

/// One wait of a caller that looks again and again instead of sleeping: when it began.
#[derive(Clone, Copy, Debug, Default)]
pub struct BegunWait(Option<Instant>);

impl BegunWait {
    /// Whether `time` is over; the first call begins it.
    ///
    /// # Errors
    /// Not yet: when it will be; `None`: never.
    pub fn is_over(&mut self, now: Instant, time: Duration) -> Result<(), Option<Instant>> {
        let since = *self.0.get_or_insert(now);
        match since.checked_add(time) {
            Some(until) if until <= now => Ok(()),
            until => Err(until),
        }
    }

    /// The wait has ended; the next call begins another one.
    pub fn end(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_begins_with_the_first_look_and_again_after_its_end() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut wait = BegunWait::default();
        assert_eq!(wait.is_over(now, second), Err(Some(now + second)));
        assert_eq!(wait.is_over(now + second / 2, second), Err(Some(now + second)));
        assert_eq!(wait.is_over(now + second, second), Ok(()));
        wait.end();
        assert_eq!(wait.is_over(now + second, second), Err(Some(now + 2 * second)));
        assert_eq!(wait.is_over(now + 9 * second, Duration::MAX), Err(None));
    }

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
