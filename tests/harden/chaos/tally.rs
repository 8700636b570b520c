//! What came of a run: counts for the reader, and findings, of which there must be none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::answer::{Ask, Outcome};
use super::disturbance::Disturbance;
use super::explained::{are_mended, is_explained};
use super::peer::Treatments;

/// The least share of GETs that are answered, in hundredths: less than the plan of any seed has been seen to leave.
const LEAST_ANSWERED: f64 = 90.0;

/// The outcomes of all requests so far. Shared by the clients.
#[derive(Debug, Default)]
pub struct Outcomes(Mutex<Tally>);

/// Counts and findings.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    requests: usize,
    right: usize,
    /// GETs whose clients have waited for the answer, and those with a right one, by id.
    gets: usize,
    answered: HashSet<u64>,
    failed: Vec<FailedGet>,
    /// GETs on a kept connection that ended without a word of an answer.
    closed: Vec<FailedGet>,
    errors: BTreeMap<u16, usize>,
    broken: usize,
    left: usize,
    /// GETs with faults that another connection or member mends, and those of them that were answered.
    mended: (usize, usize),
    findings: Vec<String>,
}

/// A GET whose client has not left, and that has no right answer.
#[derive(Clone, Debug)]
pub struct FailedGet {
    pub id: u64,
    pub outcome: Outcome,
    pub from: Instant,
    pub until: Instant,
}

/// What clients have seen, for a comparison with the module's counters.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub requests: usize,
    pub right: usize,
    /// Errors that only a container's fault brings about. A 503 may have met no member at all.
    pub failed_in_containers: usize,
    /// Requests whose clients do not know what became of them.
    pub unclear: usize,
}

impl Outcomes {
    /// Counts the outcome of a request that began at this moment.
    pub fn add(&self, ask: &Ask, outcome: Outcome, from: Instant) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.requests += 1;
        let get = FailedGet { id: ask.id, outcome: outcome.clone(), from, until: Instant::now() };
        match outcome {
            Outcome::Left => {}
            Outcome::Closed if !ask.is_post => tally.closed.push(get),
            _ if ask.is_post => {}
            Outcome::Right => {
                tally.gets += 1;
                tally.answered.insert(ask.id);
            }
            _ => {
                tally.gets += 1;
                tally.failed.push(get);
            }
        }
        match outcome {
            Outcome::Right => tally.right += 1,
            Outcome::Error(status) => *tally.errors.entry(status).or_default() += 1,
            Outcome::Broken | Outcome::Reset => tally.broken += 1,
            Outcome::Left | Outcome::Closed => tally.left += 1,
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

    /// Looks at each GET that has failed: the plan must explain it.
    ///
    /// httpd may close a kept connection, and does not see a request that comes in that moment. One that is in its access
    /// log had a right to an answer.
    pub fn explain(
        &mut self,
        treatments: &Treatments,
        disturbances: &[Disturbance],
        access_log: &[String],
    ) {
        let served: HashMap<u64, &String> =
            access_log.iter().filter_map(|line| Some((id(line)?, line))).collect();
        let had_a_right: Vec<_> =
            self.closed.iter().filter(|get| served.contains_key(&get.id)).cloned().collect();
        self.gets += had_a_right.len();
        self.failed.extend(had_a_right);
        for get in &self.failed {
            let faults = treatments.faults(get.id);
            let met_an_end = treatments.ended_between(get.from, get.until);
            if !is_explained(get, &faults, met_an_end, disturbances) {
                let FailedGet { id, outcome, from, until } = get;
                let took = *until - *from;
                let logged = served.get(id).map_or("nothing", |line| line);
                self.findings.push(format!(
                    "nothing explains GET {id}: {outcome:?} after {took:?}, treated {faults:?}; the access log says {logged}"
                ));
            }
        }
        let met = |id: &u64| are_mended(&treatments.faults(*id));
        let answered = self.answered.iter().filter(|id| met(id)).count();
        let failed = self.failed.iter().filter(|get| met(&get.id)).count();
        self.mended = (answered + failed, answered);
    }

    /// What clients have seen.
    pub fn seen(&self) -> Seen {
        let of_containers = self.errors.iter().filter(|(status, _)| **status != 503);
        Seen {
            requests: self.requests,
            right: self.right,
            failed_in_containers: of_containers.map(|(_, times)| times).sum(),
            unclear: self.requests - self.right - self.errors.values().sum::<usize>(),
        }
    }

    /// The share of GETs that were answered, in hundredths.
    fn share(&self) -> f64 {
        100.0 * self.answered.len() as f64 / self.gets.max(1) as f64
    }

    /// Fails if there are findings, or too few answers.
    #[track_caller]
    pub fn check(&self) {
        assert!(self.findings.is_empty(), "{} findings: {:#?}", self.findings.len(), self.findings);
        assert!(self.right > 0, "no request was answered");
        assert!(self.share() >= LEAST_ANSWERED, "only {:.1} % of GETs were answered", self.share());
    }
}

/// The id of the GET of a line of the access log.
fn id(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("seed=")?;
    rest.split('&').next()?.parse().ok()
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, right, errors, broken, left, findings, mended, .. } = self;
        write!(
            f,
            "{requests} requests: {right} right, errors {errors:?}, {broken} seen to be incomplete, {left} left by \
             their clients; {:.1} % of {} GETs answered, {} of {} that were to be resent; {} findings",
            self.share(),
            self.gets,
            mended.1,
            mended.0,
            findings.len()
        )
    }
}
