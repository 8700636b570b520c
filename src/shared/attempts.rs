//! The attempts of a member in a row that have failed, and its last error, over all children.
//!
//! They say whether a worker answers, whatever mod_proxy thinks of it: a worker outside a balancer is never in
//! error, and all requests still go to it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::Uptime;
use super::member::MemberState;

/// So many failed attempts in a row mean that the member fails.
pub const FAILING: u32 = 3;

/// The attempts of a member, as its slot has them.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Attempts {
    /// The second of the first of the failures in a row (upper half), and their number (lower half).
    in_row: AtomicU64,
    /// The second of the last error (upper half), and its code plus 1 (lower half); 0: there was none.
    last_error: AtomicU64,
}

/// An error of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptError {
    /// When the attempt failed.
    pub at: Uptime,
    /// Its reason, by a code of the caller.
    pub code: u16,
}

impl MemberState<'_> {
    /// Notes an attempt that the member failed, with a code of the caller for the reason.
    pub fn note_failed_attempt(&self, code: u16, now: Uptime) {
        let attempts = &self.slot().attempts;
        let one_more = |word| Some(InRow::unpack(word).with_failure(now).pack());
        // Never Err: the closure always gives a value.
        let _ = attempts.in_row.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        let word = u64::from(now.seconds()) << 32 | (u64::from(code) + 1);
        attempts.last_error.store(word, Ordering::Release);
    }

    /// Notes a whole answer. Writes only after a failure.
    pub fn note_answer(&self) {
        let in_row = &self.slot().attempts.in_row;
        if in_row.load(Ordering::Relaxed) != 0 {
            in_row.store(0, Ordering::Release);
        }
    }

    /// The time since which the member fails: that of the first of its failures in a row, if there are
    /// [`FAILING`]. `None`: it does not.
    pub fn failing_since(&self) -> Option<Uptime> {
        let in_row = InRow::unpack(self.slot().attempts.in_row.load(Ordering::Acquire));
        (in_row.count >= FAILING).then(|| at_second(in_row.since))
    }

    /// The last attempt that failed, whatever was answered since then.
    pub fn last_error(&self) -> Option<AttemptError> {
        let word = self.slot().attempts.last_error.load(Ordering::Acquire);
        // The halves of a word: nothing is lost.
        let code = (word as u32).checked_sub(1)?;
        Some(AttemptError { at: at_second((word >> 32) as u32), code: code as u16 })
    }
}

fn at_second(second: u32) -> Uptime {
    Uptime::from_millis(u64::from(second) * 1000)
}

/// Failures in a row, in one word so that number and time change together.
#[derive(Clone, Copy, Debug, Default)]
struct InRow {
    since: u32,
    count: u32,
}

impl InRow {
    fn unpack(word: u64) -> Self {
        // The halves of a word: nothing is lost.
        Self { since: (word >> 32) as u32, count: word as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.since) << 32 | u64::from(self.count)
    }

    fn with_failure(self, now: Uptime) -> Self {
        let since = if self.count == 0 { now.seconds() } else { self.since };
        Self { since, count: self.count.saturating_add(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{MemberKey, PrivateTable, Sizes};

    const CODE: u16 = 4;

    fn at(seconds: u64) -> Uptime {
        Uptime::from_millis(seconds * 1000)
    }

    /// Two children's views of one member.
    fn with_two_children(check: impl FnOnce(MemberState<'_>, MemberState<'_>)) {
        let memory = PrivateTable::new(Sizes::new(1, 2));
        let table = memory.table().unwrap();
        let [one, other] = [11, 12].map(|pid| {
            let row = table.child_begins(pid).unwrap();
            MemberState::find(table, MemberKey::of(&[b"a"]), row).unwrap()
        });
        check(one, other);
    }

    #[test]
    fn a_member_fails_from_the_third_failure_in_a_row_on_since_the_first() {
        with_two_children(|one, other| {
            one.note_failed_attempt(CODE, at(10));
            other.note_failed_attempt(CODE, at(11));
            assert_eq!(one.failing_since(), None);
            one.note_failed_attempt(CODE, at(12));
            assert_eq!([one, other].map(|state| state.failing_since()), [Some(at(10)); 2]);
            one.note_failed_attempt(CODE, at(500));
            assert_eq!(other.failing_since(), Some(at(10)));
        });
    }

    #[test]
    fn an_answer_ends_the_failures_in_a_row_and_keeps_the_last_error() {
        with_two_children(|one, other| {
            assert_eq!(one.last_error(), None);
            (10..13).for_each(|second| one.note_failed_attempt(CODE, at(second)));
            other.note_answer();
            assert_eq!(one.failing_since(), None);
            assert_eq!(other.last_error(), Some(AttemptError { at: at(12), code: CODE }));
            (20..22).for_each(|second| one.note_failed_attempt(0, at(second)));
            assert_eq!(one.failing_since(), None, "the ones before the answer do not count");
            assert_eq!(one.last_error(), Some(AttemptError { at: at(21), code: 0 }));
        });
    }
}
