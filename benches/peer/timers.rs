//! Moments at which something is to be done, each under a number.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// One moment for each number that waits.
#[derive(Debug, Default)]
pub struct Timers {
    by_time: BTreeSet<(Instant, usize)>,
    by_number: HashMap<usize, Instant>,
}

impl Timers {
    /// Sets the moment of a number, which has none so far.
    pub fn set(&mut self, number: usize, at: Instant) {
        self.by_number.insert(number, at);
        self.by_time.insert((at, number));
    }

    /// Forgets a number, if it has a moment.
    pub fn clear(&mut self, number: usize) {
        if let Some(at) = self.by_number.remove(&number) {
            self.by_time.remove(&(at, number));
        }
    }

    /// Moves the numbers whose moment has come to the end of `due`.
    pub fn take_due(&mut self, now: Instant, due: &mut Vec<usize>) {
        while let Some(&(at, number)) = self.by_time.first().filter(|&&(at, _)| at <= now) {
            self.by_time.remove(&(at, number));
            self.by_number.remove(&number);
            due.push(number);
        }
    }

    /// Returns the time until the next moment.
    pub fn next_in(&self, now: Instant) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| at.saturating_duration_since(now))
    }

    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }
}
