//! Durations, counted in buckets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of the buckets, in milliseconds; what took longer is in one more bucket.
///
/// They range from a page out of a cache to the longest wait of a user; each is about twice the one
/// before, which is how far off a quantile may be that is read from them.
pub const BOUNDS_MS: [u64; 15] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000];

/// The number of buckets, including the last one.
pub const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// A histogram in shared memory.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts something that took so long.
    pub fn observe(&self, took: Duration) {
        let micros = micros(took);
        let at = BOUNDS_MS.iter().position(|bound| micros <= bound * 1000);
        self.buckets[at.unwrap_or(BOUNDS_MS.len())].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(micros, Relaxed);
    }

    pub(super) fn add_to(&self, sum: &mut HistogramFigures) {
        for (sum, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        sum.sum_us = sum.sum_us.wrapping_add(self.sum_us.load(Relaxed));
    }

    pub(super) fn clear(&self) {
        self.buckets.iter().chain([&self.sum_us]).for_each(|word| word.store(0, Relaxed));
    }
}

/// The time in whole microseconds (those of `Duration` have 128 bits).
pub(super) fn micros(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000).saturating_add(time.subsec_micros().into())
}

/// A histogram at one moment, summed over stripes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramFigures {
    /// How many are in each bucket, without those of the lower ones.
    pub buckets: [u64; BUCKETS],
    /// The sum of all times, in microseconds.
    pub sum_us: u64,
}

impl HistogramFigures {
    /// The number of all.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Estimates the quantile `part` (0 to 1), as if times were spread evenly over their bucket; in the
    /// last bucket it is the lower bound. `None`: nothing has been counted.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        // Far fewer than 2^53.
        let wanted = part.clamp(0.0, 1.0) * count as f64;
        let mut before = 0.0;
        let mut lower = 0.0;
        for (here, bound) in self.buckets.iter().zip(BOUNDS_MS) {
            let (here, upper) = (*here as f64, bound as f64 / 1000.0);
            if here > 0.0 && before + here >= wanted {
                let within = (wanted - before).max(0.0) / here;
                return Some(Duration::from_secs_f64(lower + within * (upper - lower)));
            }
            before += here;
            lower = upper;
        }
        Some(Duration::from_secs_f64(lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(times_us: &[u64]) -> HistogramFigures {
        let histogram = Histogram::default();
        times_us.iter().for_each(|time| histogram.observe(Duration::from_micros(*time)));
        let mut sum = HistogramFigures::default();
        histogram.add_to(&mut sum);
        sum
    }

    #[test]
    fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_pass() {
        let sum = figures(&[0, 1000, 1001, 60_000_000, 60_000_001]);
        assert_eq!(sum.buckets[..2], [2, 1]);
        assert_eq!(sum.buckets[BUCKETS - 2..], [1, 1]);
        assert_eq!((sum.count(), sum.sum_us), (5, 120_002_002));
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_that_has_it() {
        let sum = figures(&[400, 600, 700, 800, 4000, 4000, 4000, 4000, 4000, 300_000]);
        let ms = |part| sum.quantile(part).unwrap().as_micros();
        assert_eq!(ms(0.2), 500, "half of the first bucket");
        assert!((2000..=5000).contains(&ms(0.5)));
        assert_eq!(ms(0.9), 5000);
        assert!((200_000..=500_000).contains(&ms(0.99)));
        assert_eq!(figures(&[]).quantile(0.5), None);
        assert_eq!(figures(&[99_000_000]).quantile(0.5), Some(Duration::from_secs(60)));
    }
}
