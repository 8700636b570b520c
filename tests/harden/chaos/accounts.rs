//! What the module has counted, beside what the clients have seen.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use test_support::httpd::Httpd;
use test_support::status::number;

use super::tally::Seen;

/// The most requests that a child serves at once, over HTTP/1.1 and over HTTP/2: what is lost if it is killed.
pub const AT_ONCE_IN_A_CHILD: usize = 32;

/// How often it is looked for what a child has left, before and after it is killed.
const LOOKS: usize = 4;

/// The counts of a member, or the sums of several, since httpd was started or restarted.
#[derive(Clone, Debug, Default)]
struct Counts {
    requests: usize,
    failovers: usize,
    /// Answers of any status, and those with 2xx.
    answers: usize,
    good: usize,
    errors: usize,
}

impl Counts {
    fn of(member: &Value) -> Self {
        let sum = |by: &Value| by.as_object().into_iter().flatten().map(|(_, n)| number(n)).sum();
        Self {
            requests: number(&member["requests"]),
            failovers: number(&member["failovers"]),
            answers: sum(&member["answers"]),
            good: number(&member["answers"]["2xx"]),
            errors: sum(&member["errors"]),
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failovers += other.failovers;
        self.answers += other.answers;
        self.good += other.good;
        self.errors += other.errors;
    }
}

/// Requests that are counted, and neither as an answer nor as an error, of each member and worker by its URL.
///
/// A request is counted at its end, by one function that counts it first and its answer or error thereafter. So these are
/// requests of the present instant, and those of children that were killed between the two.
pub type Unended = BTreeMap<String, usize>;

/// Returns these requests, of children that run or were killed.
pub fn unended(report: &Value) -> Unended {
    let all = members(report).chain(list(&report["workers"]));
    all.map(|member| {
        let Counts { requests, answers, errors, .. } = Counts::of(member);
        // More answers than requests are as wrong: the number is then very large.
        (member["url"].to_string(), requests.wrapping_sub(answers + errors))
    })
    .collect()
}

/// Returns these requests of children that were killed: those that are there each time of several.
pub fn left_unended(httpd: &Httpd) -> Unended {
    let mut least = Unended::new();
    for _ in 0..LOOKS {
        let report = httpd.client().try_get("/ajp-status?format=json");
        let report = report.and_then(|answer| serde_json::from_str(&answer.text()).ok());
        for (url, count) in unended(&report.unwrap_or_default()) {
            let known = least.entry(url).or_insert(count);
            *known = count.min(*known);
        }
        thread::sleep(Duration::from_millis(5));
    }
    least
}

/// Returns what the counters of ajp-status contradict, but for what children that were killed have left.
pub fn contradictions(report: &Value, left: &Unended) -> Vec<String> {
    let of = |url: &String| left.get(url).copied().unwrap_or(0);
    let more = unended(report).into_iter().filter(|(url, count)| *count != of(url));
    more.map(|(url, count)| {
        format!(
            "{url}: {count} requests are counted without an answer or error, and {} were left so",
            of(&url)
        )
    })
    .collect()
}

/// Compares the counters with what the clients have seen since httpd was started, without a restart. Returns the sums as
/// a text, and what they contradict.
///
/// Requests that a killed child had in hand are counted nowhere, though the client of one of them may have its whole
/// answer already.
pub fn compared(report: &Value, seen: &Seen, killed: usize) -> (String, Vec<String>) {
    let lost = killed * AT_ONCE_IN_A_CHILD;
    let mut sums = Counts::default();
    members(report).for_each(|member| sums.add(&Counts::of(member)));
    // A request that is given to another member is counted by both.
    let requests = sums.requests.saturating_sub(sums.failovers);
    let text = format!(
        "counted: {requests} requests, {} of them given to another member, {} good answers; {killed} children killed",
        sums.failovers, sums.good
    );
    let mut found = Vec::new();
    let mut check = |holds: bool, rule: &str| {
        if !holds {
            found.push(format!("{rule}: {text}; {seen:?}"));
        }
    };
    check(requests <= seen.requests, "more requests are counted than were sent");
    check(
        requests + lost >= seen.right + seen.failed_in_containers,
        "requests with an answer are not counted",
    );
    check(sums.good + lost >= seen.right, "answers are not counted");
    check(
        sums.good <= seen.right + seen.unclear,
        "more answers are counted than clients can have had",
    );
    (text, found)
}

fn members(report: &Value) -> impl Iterator<Item = &Value> {
    list(&report["balancers"]).flat_map(|balancer| list(&balancer["members"]))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
