//! The last minutes of a member: its requests and those of its sessions in each step of time, and the time
//! of the last one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::figure::Cell;
use crate::shared::Uptime;

/// Counts by steps of `SECONDS`, of which the last `STEPS` are kept.
///
/// A word has the number of its step in the upper half, and the count in the lower one, so that counting
/// is one addition, and only the first of a step has to begin the word again.
#[repr(transparent)]
#[derive(Debug)]
pub struct Ring<const STEPS: usize, const SECONDS: u64>([AtomicU64; STEPS]);

impl<const STEPS: usize, const SECONDS: u64> Default for Ring<STEPS, SECONDS> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; STEPS])
    }
}

impl<const STEPS: usize, const SECONDS: u64> Ring<STEPS, SECONDS> {
    /// Counts one.
    ///
    /// # Race
    /// Between the two accesses another process may begin the word again only if a whole turn of the ring
    /// lies between them. Then one is counted in a later step.
    fn count(&self, now: Uptime) {
        let step = step::<SECONDS>(now);
        // Below STEPS, a small number.
        let word = &self.0[(step % STEPS as u64) as usize];
        if word.load(Relaxed) >> COUNT_BITS == step {
            word.fetch_add(1, Relaxed);
            return;
        }
        // A later step in there: this process was stopped for a whole turn of the ring.
        let begun = |found: u64| match (found >> COUNT_BITS).cmp(&step) {
            std::cmp::Ordering::Less => Some((step << COUNT_BITS) | 1),
            std::cmp::Ordering::Equal => Some(found + 1),
            std::cmp::Ordering::Greater => None,
        };
        let _ = word.fetch_update(Relaxed, Relaxed, begun);
    }

    fn clear(&self) {
        self.0.iter().for_each(|word| word.store(0, Relaxed));
    }

    fn add_to(&self, sum: &mut Steps<STEPS, SECONDS>) {
        for (word, (step, count)) in self.0.iter().zip(&mut sum.0) {
            let found = word.load(Relaxed);
            let (of, here) = (found >> COUNT_BITS, found & ((1 << COUNT_BITS) - 1));
            match of.cmp(step) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => *count += here,
                std::cmp::Ordering::Greater => (*step, *count) = (of, here),
            }
        }
    }
}

const COUNT_BITS: u32 = 32;

/// The number of the step in which a time lies. Below 2^32 for 136 years.
fn step<const SECONDS: u64>(now: Uptime) -> u64 {
    (now.millis() / 1000 / SECONDS) & ((1 << COUNT_BITS) - 1)
}

/// A [`Ring`] summed over stripes: the number of each step, and its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps<const STEPS: usize, const SECONDS: u64>([(u64, u64); STEPS]);

impl<const STEPS: usize, const SECONDS: u64> Default for Steps<STEPS, SECONDS> {
    fn default() -> Self {
        Self([(0, 0); STEPS])
    }
}

impl<const STEPS: usize, const SECONDS: u64> Steps<STEPS, SECONDS> {
    /// The count of the whole ring up to now, and the time that it is of: the present step, as far as it
    /// has come, and all before it.
    fn up_to(&self, now: Uptime) -> (u64, Duration) {
        let step = step::<SECONDS>(now);
        let is_kept = |of: u64| of <= step && step - of < STEPS as u64;
        let count = self.0.iter().filter(|(of, _)| is_kept(*of)).map(|(_, count)| count).sum();
        let before = Duration::from_secs((STEPS as u64 - 1) * SECONDS);
        (count, before + Duration::from_millis(now.millis() % (SECONDS * 1000)))
    }
}

laid_out! {
    /// The last minutes of a member, in shared memory.
    #[repr(C)]
    #[derive(Debug, Default)]
    pub struct Recent {
        /// One minute, and the present ten seconds.
        requests: Ring<7, 10>,
        /// Five minutes, and the present half.
        of_sessions: Ring<11, 30>,
        /// The end of the last request, as [`Uptime`]; 0: there was none.
        last_ms: AtomicU64,
    }
}

impl Recent {
    /// Counts a request that has just ended, by an addition, and another one if it belonged to a session
    /// of the member.
    pub(super) fn count(&self, now: Uptime, is_of_session: bool) {
        self.requests.count(now);
        if is_of_session {
            self.of_sessions.count(now);
        }
        // 0: none. httpd does not serve in the first millisecond of its machine.
        self.last_ms.store(now.millis(), Relaxed);
    }
}

/// [`Recent`] summed over stripes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentFigures {
    requests: Steps<7, 10>,
    of_sessions: Steps<11, 30>,
    last_ms: u64,
}

impl Cell for Recent {
    type Sum = RecentFigures;

    fn add_to(&self, sum: &mut RecentFigures) {
        self.requests.add_to(&mut sum.requests);
        self.of_sessions.add_to(&mut sum.of_sessions);
        sum.last_ms = sum.last_ms.max(self.last_ms.load(Relaxed));
    }

    fn clear(&self) {
        self.requests.clear();
        self.of_sessions.clear();
        self.last_ms.store(0, Relaxed);
    }
}

/// The activity of a member lately.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Activity {
    /// Requests per second over the last minute, or since counting began.
    pub rate: f64,
    /// Requests of the member's sessions in the last five minutes.
    pub of_sessions: u64,
    /// The time since the last request ended; `None`: there was none.
    pub since_last: Option<Duration>,
}

impl RecentFigures {
    /// The activity up to now, where counting began so long ago.
    pub fn activity(&self, now: Uptime, counted_for: Duration) -> Activity {
        let (requests, time) = self.requests.up_to(now);
        // The clocks of the two are not the same.
        let time = time.min(counted_for).max(Duration::from_secs(1));
        let last = Some(self.last_ms).filter(|ms| *ms > 0);
        Activity {
            // Far fewer than 2^53.
            rate: requests as f64 / time.as_secs_f64(),
            of_sessions: self.of_sessions.up_to(now).0,
            since_last: last.map(|ms| Duration::from_millis(now.millis().saturating_sub(ms))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Uptime {
        Uptime::from_millis(seconds * 1000)
    }

    fn figures(stripes: &[Recent]) -> RecentFigures {
        let mut sum = RecentFigures::default();
        stripes.iter().for_each(|stripe| Cell::add_to(stripe, &mut sum));
        sum
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute_over_all_stripes() {
        let stripes = [Recent::default(), Recent::default()];
        // One a second in each, for two minutes, which is almost two turns of the ring.
        for second in 1000..1120 {
            stripes.iter().for_each(|stripe| stripe.count(at(second), second % 4 == 0));
        }
        let sum = figures(&stripes);
        let rate = |now| sum.activity(at(now), HOUR).rate;
        assert!((rate(1119) - 2.0).abs() < 0.1, "{}", rate(1119));
        // Half a minute later half of it is left, after a minute and a step nothing.
        assert!((rate(1150) - 1.0).abs() < 0.1, "{}", rate(1150));
        assert_eq!(rate(1190), 0.0);
        assert_eq!(sum.activity(at(1119), HOUR).of_sessions, 60);
        assert_eq!(sum.activity(at(1119), HOUR).since_last, Some(Duration::ZERO));
        assert_eq!(sum.activity(at(1179), HOUR).since_last, Some(Duration::from_secs(60)));
    }

    #[test]
    fn requests_of_sessions_are_seen_for_five_minutes_and_not_for_six() {
        let recent = [Recent::default()];
        recent[0].count(at(10_000), true);
        recent[0].count(at(10_000), false);
        let of_sessions = |now| figures(&recent).activity(at(now), HOUR).of_sessions;
        assert_eq!([of_sessions(10_000), of_sessions(10_300), of_sessions(10_360)], [1, 1, 0]);
    }

    #[test]
    fn shortly_after_the_start_the_rate_is_that_since_then() {
        let recent = [Recent::default()];
        (0..10).for_each(|_| recent[0].count(at(500), false));
        let rate =
            |counted| figures(&recent).activity(at(500), Duration::from_millis(counted)).rate;
        assert_eq!([rate(5000), rate(0)], [2.0, 10.0]);
    }

    #[test]
    fn a_step_begins_again_after_a_turn_of_the_ring_and_an_earlier_time_changes_nothing() {
        let recent = [Recent::default()];
        let count = |second| recent[0].count(at(second), false);
        [1005, 1005, 1075].into_iter().for_each(count);
        let requests = |now| figures(&recent).requests.up_to(at(now)).0;
        assert_eq!(requests(1075), 1);
        count(1005);
        assert_eq!((requests(1075), requests(1005)), (1, 0));
    }

    #[test]
    fn a_reset_forgets_it_and_without_requests_there_is_no_last_one() {
        let recent = [Recent::default()];
        recent[0].count(at(7), true);
        Cell::clear(&recent[0]);
        assert_eq!(figures(&recent), RecentFigures::default());
        assert_eq!(figures(&recent).activity(at(7), HOUR), Activity::default());
    }
}
