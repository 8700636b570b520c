//! Who finds out whether a member in error is back: one request at a time, over all children.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock::Uptime;
use super::member::MemberState;

/// The right to be the one request that is given to a member in error.
///
/// To be given back with [`MemberState::end_probe`]; a child that is killed cannot, so it ends by
/// itself after [`Probe::LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "who has it must give it back"]
pub struct Probe {
    until_ms: u64,
}

impl Probe {
    /// A request that takes longer than this is no probe any more: another one may be sent.
    pub const LONGEST: Duration = Duration::from_secs(60);
}

impl MemberState<'_> {
    /// Claims the right to be the probe; `None`: another request is, of this child or another one.
    pub fn begin_probe(&self, now: Uptime) -> Option<Probe> {
        claim(&self.slot().probe, now)
    }

    /// The probe has come back, whatever it found.
    pub fn end_probe(&self, probe: Probe) {
        // Not if another one has been sent in its place.
        let word = &self.slot().probe;
        let _ = word.compare_exchange(probe.until_ms, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

fn claim(word: &AtomicU64, now: Uptime) -> Option<Probe> {
    let now_ms = now.millis();
    let longest = u64::try_from(Probe::LONGEST.as_millis()).unwrap_or(u64::MAX);
    let known = word.load(Ordering::Acquire);
    // Farther in the future than any claim: none that this clock has seen.
    let is_out = known > now_ms && known - now_ms <= longest;
    let until_ms = now_ms.saturating_add(longest);
    if is_out {
        return None;
    }
    word.compare_exchange(known, until_ms, Ordering::AcqRel, Ordering::Relaxed).ok()?;
    Some(Probe { until_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn at(milliseconds: u64) -> Uptime {
        Uptime::from_millis(milliseconds)
    }

    #[test]
    fn there_is_one_probe_at_a_time() {
        let word = AtomicU64::new(0);
        assert!(claim(&word, at(NOW)).is_some());
        assert_eq!(claim(&word, at(NOW + 59_999)), None);
    }

    #[test]
    fn a_probe_that_never_comes_back_counts_for_a_minute() {
        let word = AtomicU64::new(0);
        let first = claim(&word, at(NOW)).unwrap();
        let second = claim(&word, at(NOW + 60_000)).unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn a_claim_of_another_clock_keeps_no_member_out() {
        let word = AtomicU64::new(0);
        assert!(claim(&word, at(NOW)).is_some());
        assert!(claim(&word, at(NOW - 1)).is_some());
    }
}
