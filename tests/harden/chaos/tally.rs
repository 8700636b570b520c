//! What came of a run: counts for the reader, and findings, of which there must be none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::answer::{Ask, Outcome};

/// The outcomes of all requests so far. Shared by the clients.
#[derive(Debug, Default)]
pub struct Outcomes(Mutex<Tally>);

/// Counts and findings.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    requests: usize,
    right: usize,
    gets: usize,
    gets_answered: usize,
    errors: BTreeMap<u16, usize>,
    broken: usize,
    left: usize,
    findings: Vec<String>,
}

impl Outcomes {
    /// Counts an outcome.
    pub fn add(&self, ask: &Ask, outcome: Outcome) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.requests += 1;
        let counts = !ask.is_post && !matches!(outcome, Outcome::Left);
        tally.gets += usize::from(counts);
        match outcome {
            Outcome::Right => {
                tally.right += 1;
                tally.gets_answered += usize::from(counts);
            }
            Outcome::Error(status) => *tally.errors.entry(status).or_default() += 1,
            Outcome::Broken => tally.broken += 1,
            Outcome::Left => tally.left += 1,
            Outcome::Hung => tally.findings.push(format!("hung: {ask:?}")),
            Outcome::Wrong(text) => tally.findings.push(text),
        }
    }

    /// The counts so far.
    pub fn tally(&self) -> Tally {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tally {
    /// Adds a finding that no client can see.
    pub fn find(&mut self, finding: String) {
        self.findings.push(finding);
    }

    /// Fails if there are findings.
    #[track_caller]
    pub fn check(&self) {
        assert!(self.findings.is_empty(), "{} findings: {:#?}", self.findings.len(), self.findings);
        assert!(self.right > 0, "no request was answered");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, right, gets, gets_answered, errors, broken, left, findings } = self;
        let share = 100.0 * *gets_answered as f64 / (*gets).max(1) as f64;
        write!(
            f,
            "{requests} requests: {right} right, errors {errors:?}, {broken} seen to be incomplete, {left} left by \
             their clients; {share:.1} % of GETs answered; {} findings",
            findings.len()
        )
    }
}
