//! The probe of a member in error: one request at a time, over all children.

use std::time::Duration;

use super::clock::Uptime;
use super::member::MemberState;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The right to be the one request that is given to a member in error.
///
/// It is returned with [`MemberState::end_probe`]. A child that is killed cannot do that, so it expires
/// after [`Probe::TIMEOUT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it has to be returned with end_probe"]
pub struct Probe {
    until_ms: u64,
}

impl Probe {
    /// After this time another request may be the probe.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

impl MemberState<'_> {
    /// Claims the right to be the probe. `None`: another request is, in this child or another one.
    pub fn begin_probe(&self, now: Uptime) -> Option<Probe> {
        claim(&self.slot().probe, now)
    }

    /// The milliseconds until the present probe expires. `None`: there is none.
    pub fn probe_left(&self, now: Uptime) -> Option<u64> {
        left(self.slot().probe.load(Ordering::Acquire), now)
    }

    /// Ends the probe, whatever it found. `false`: it had expired, and another one is under way.
    pub fn end_probe(&self, probe: Probe) -> bool {
        let word = &self.slot().probe;
        word.compare_exchange(probe.until_ms, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// For how long the member is to count as in error already, in milliseconds, where a request finds after
/// `retry` that a probe is under way which expires in `left`: as if marked now, but not beyond the end of
/// the probe.
pub fn in_error_for(left: u64, retry: u64) -> u64 {
    retry.saturating_sub(left)
}

/// `None` too where the end is farther in the future than any claim on this clock.
///
/// # Race
/// A request reads the clock; before it looks here, another one reads the clock, later, and claims the probe.
/// The end is then more than the timeout after the first one's time, and counts: the first one may be late
/// by as much again.
fn left(word: u64, now: Uptime) -> Option<u64> {
    let left = word.checked_sub(now.millis())?;
    (1..=2 * timeout_ms()).contains(&left).then_some(left)
}

fn timeout_ms() -> u64 {
    u64::try_from(Probe::TIMEOUT.as_millis()).unwrap_or(u64::MAX)
}

fn claim(word: &AtomicU64, now: Uptime) -> Option<Probe> {
    let known = word.load(Ordering::Acquire);
    if left(known, now).is_some() {
        return None;
    }
    let until_ms = now.millis().saturating_add(timeout_ms());
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
    fn claims_that_fail_put_a_member_off_no_longer_than_the_probe_counts() {
        let word = AtomicU64::new(0);
        let retry = 1000;
        assert!(claim(&word, at(NOW)).is_some());
        // One after the other finds, each time after `retry`, that the probe is out.
        let (mut since, mut claims) = (NOW, 0);
        while let Some(left) = left(word.load(Ordering::Relaxed), at(since + retry)) {
            since = since + retry - in_error_for(left, retry);
            claims += 1;
        }
        assert_eq!((since + retry, claims), (NOW + 60_000, 59));
        assert_eq!(in_error_for(30_000, 90_000), 60_000);
    }

    #[test]
    fn a_claim_of_another_clock_keeps_no_member_out() {
        let word = AtomicU64::new(0);
        assert!(claim(&word, at(NOW)).is_some());
        assert!(claim(&word, at(NOW - 60_001)).is_some());
    }

    #[test]
    fn a_request_that_read_the_clock_before_another_claimed_the_probe_gets_none() {
        let word = AtomicU64::new(0);
        assert!(claim(&word, at(NOW)).is_some());
        assert_eq!(claim(&word, at(NOW - 1)), None);
    }
}
