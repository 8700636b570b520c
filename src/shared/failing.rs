//! Whether the requests to a worker fail: how many in a row over all children, since when, and the last
//! error.
//!
//! The right to mark a member as in error is not decided here: a worker that fails may be one outside a
//! balancer, which is never marked, or fail in a way for which a member is not marked.

use super::clock::Uptime;
use super::member::MemberState;
use crate::sync::atomic::Ordering;

/// A worker fails after this many attempts in a row that failed.
pub const FAILING_AFTER: u8 = 3;

/// An error of a worker, as it is kept in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptError {
    /// The time of the error.
    pub at: Uptime,
    /// The caller's number of its reason, below 255.
    pub reason: u8,
    /// What the caller knows beyond that.
    pub detail: u16,
}

impl MemberState<'_> {
    /// Notes an attempt that failed and says something about the worker. Returns whether it fails now.
    ///
    /// # Race
    /// A success at the same time ends the row, or is not seen: the next one ends it.
    pub fn note_failed_attempt(&self, now: Uptime) -> bool {
        let mut after = Row::default();
        let added = |word| {
            after = Row::unpack(word).and_one_more(now);
            Some(after.pack())
        };
        // Never Err: the closure always gives a value.
        let _ = self.slot().failing.fetch_update(Ordering::AcqRel, Ordering::Acquire, added);
        after.failing_since().is_some()
    }

    /// Notes a whole answer, which ends the row. If nothing has failed, this is one load.
    pub fn note_answer(&self) {
        if self.slot().failing.load(Ordering::Relaxed) != 0 {
            self.slot().failing.store(0, Ordering::Release);
        }
    }

    /// The time of the first of at least [`FAILING_AFTER`] attempts in a row that failed. `None`: the worker
    /// does not fail.
    pub fn failing_since(&self) -> Option<Uptime> {
        Row::unpack(self.slot().failing.load(Ordering::Acquire)).failing_since()
    }

    /// Keeps an error, in the place of the one before.
    pub fn note_error(&self, error: KeptError) {
        self.slot().last_error.store(error.pack(), Ordering::Release);
    }

    /// The last error. `None`: there was none.
    pub fn last_error(&self) -> Option<KeptError> {
        KeptError::unpack(self.slot().last_error.load(Ordering::Acquire))
    }
}

/// Attempts in a row that failed, in one word: the time of the first in ms, and how many (the last byte).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    first_ms: u64,
    count: u8,
}

impl Row {
    fn unpack(word: u64) -> Self {
        // The last byte of the word: nothing is lost.
        Self { first_ms: word >> 8, count: word as u8 }
    }

    fn pack(self) -> u64 {
        self.first_ms << 8 | u64::from(self.count)
    }

    fn and_one_more(self, now: Uptime) -> Self {
        match self.count {
            0 => Self { first_ms: now.millis(), count: 1 },
            count => Self { count: count.saturating_add(1), ..self },
        }
    }

    fn failing_since(self) -> Option<Uptime> {
        (self.count >= FAILING_AFTER).then(|| Uptime::from_millis(self.first_ms))
    }
}

impl KeptError {
    /// The time in ms (40 bits, 34 years), the detail, and the reason plus 1: 0 is no error.
    fn pack(self) -> u64 {
        let reason = u64::from(self.reason.saturating_add(1));
        self.at.millis() << 24 | u64::from(self.detail) << 8 | reason
    }

    fn unpack(word: u64) -> Option<Self> {
        // The last bytes of the word: nothing is lost.
        let reason = (word as u8).checked_sub(1)?;
        Some(Self { at: Uptime::from_millis(word >> 24), reason, detail: (word >> 8) as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::two_children::{at, with_two_children};

    const NOW: u64 = 1_000_000;

    #[test]
    fn three_failed_attempts_in_a_row_over_all_children_mean_that_the_worker_fails() {
        with_two_children(|one, other| {
            assert!(!one.note_failed_attempt(at(NOW)) && !other.note_failed_attempt(at(NOW + 1)));
            assert_eq!(one.failing_since(), None);
            assert!(one.note_failed_attempt(at(NOW + 2)));
            assert_eq!(other.failing_since(), Some(at(NOW)), "since the first of them");
            for later in 0..1000 {
                assert!(other.note_failed_attempt(at(NOW + later)), "{later}");
            }
            assert_eq!(one.failing_since(), Some(at(NOW)));
        });
    }

    #[test]
    fn the_next_answer_in_any_child_ends_it() {
        with_two_children(|one, other| {
            for _ in 0..FAILING_AFTER {
                one.note_failed_attempt(at(NOW));
            }
            other.note_answer();
            assert_eq!(one.failing_since(), None);
            assert!(!one.note_failed_attempt(at(NOW + 9)) && !one.note_failed_attempt(at(NOW + 9)));
            other.note_answer();
            assert!(!one.note_failed_attempt(at(NOW + 10)), "they must follow each other");
        });
    }

    #[test]
    fn the_last_error_is_kept_whole_and_outlives_the_next_answer() {
        with_two_children(|one, other| {
            assert_eq!(other.last_error(), None);
            for (reason, detail) in [(0, 0), (254, u16::MAX), (1, 111)] {
                let error = KeptError { at: at(NOW), reason, detail };
                one.note_error(error);
                other.note_answer();
                assert_eq!(other.last_error(), Some(error));
            }
        });
    }

    #[test]
    fn of_failures_at_once_none_is_lost() {
        with_two_children(|one, other| {
            let failed = |state: MemberState<'_>| state.note_failed_attempt(at(NOW));
            one.note_failed_attempt(at(NOW));
            std::thread::scope(|scope| {
                let both = [one, other].map(|state| scope.spawn(move || failed(state)));
                for thread in both {
                    thread.join().unwrap();
                }
            });
            assert_eq!(one.failing_since(), Some(at(NOW)));
        });
    }
}
