//! Counts and times of the requests of a crowd.

use std::fmt;
use std::time::{Duration, Instant};

/// The counts of all requests, and the times of requests that were answered in the measured part of a run or later.
#[derive(Debug)]
pub struct Figures {
    from: Instant,
    until: Instant,
    last: Instant,
    times: Vec<Duration>,
    /// Answers from `from` to `until`.
    in_time: usize,
    pub answers: usize,
    pub wrong: usize,
    pub failed: usize,
    pub reconnects: usize,
    /// The description of the first wrong or failed one.
    pub first: Option<String>,
}

impl Figures {
    /// Measures between two moments.
    pub fn between(from: Instant, until: Instant) -> Self {
        Self {
            from,
            until,
            last: from,
            times: Vec::new(),
            in_time: 0,
            answers: 0,
            wrong: 0,
            failed: 0,
            reconnects: 0,
            first: None,
        }
    }

    pub fn answered(&mut self, now: Instant, took: Duration) {
        self.answers += 1;
        if now >= self.from {
            self.times.push(took);
            if now <= self.until {
                self.last = now;
                self.in_time += 1;
            }
        }
    }

    pub fn wrong(&mut self, what: String) {
        self.wrong += 1;
        self.first.get_or_insert(what);
    }

    pub fn failed(&mut self, what: String) {
        self.failed += 1;
        self.first.get_or_insert(what);
    }

    /// Returns the time within which this part of the requests was answered, in milliseconds.
    fn within(&self, part: f64) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() as f64 * part) as usize;
        let time = times.get(at.min(times.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }

    fn per_second(&self) -> f64 {
        match (self.last - self.from).as_secs_f64() {
            0.0 => 0.0,
            seconds => self.in_time as f64 / seconds,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answers, wrong, failed, reconnects, .. } = self;
        write!(f, "answers={answers} wrong={wrong} failed={failed} reconnects={reconnects} ")?;
        write!(f, "rate={:.1} p50={:.3} ", self.per_second(), self.within(0.5))?;
        write!(f, "p99={:.3} longest={:.3}", self.within(0.99), self.within(1.0))
    }
}
