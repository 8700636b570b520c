//! How members stand: one by one, and all of them in a sentence.

use crate::balance::Activation;
use crate::status::numbers::age;
use crate::status::{Balancer, Health, Member, Snapshot, State};

/// The standing of a member, in the order in which someone on call has to look at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It is at fault.
    Failing,
    /// It gets no requests.
    Stopped,
    /// It gets no new sessions.
    Draining,
    /// It takes all requests.
    Active,
}

impl Standing {
    pub(super) fn of(member: &Member) -> Self {
        match (member.state, member.activation) {
            (State::Ok, _) if member.is_failing() => Self::Failing,
            (State::Error | State::HealthCheckFailed | State::Unknown, _) => Self::Failing,
            (State::Ok, Activation::Stopped) => Self::Stopped,
            (State::Ok, Activation::Draining) => Self::Draining,
            (State::Ok, Activation::Active) => Self::Active,
        }
    }

    /// The class of its colour.
    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Failing => "bad",
            Self::Stopped => "off",
            Self::Draining => "drain",
            Self::Active => "good",
        }
    }
}

/// The state of a member, in words.
pub(super) fn words(member: &Member) -> String {
    let state = match member.state {
        State::Ok if member.is_failing() => Some("failing".to_owned()),
        State::Ok => None,
        State::Error => Some(match member.recovers_in_ms {
            Some(0) | None => "in error, retried by the next request".to_owned(),
            Some(ms) => format!("in error, next retry in {}", age(ms)),
        }),
        State::HealthCheckFailed => Some("health check failed".to_owned()),
        State::Unknown => Some("not initialised in this child".to_owned()),
    };
    let activation = match member.activation {
        Activation::Active => None,
        Activation::Draining => Some("draining, no new sessions"),
        Activation::Stopped => Some("stopped"),
    };
    match (activation, state) {
        (None, None) => "active".into(),
        (None, Some(state)) => state,
        (Some(activation), None) => activation.into(),
        (Some(activation), Some(state)) => format!("{activation}; {state}"),
    }
}

/// What else is to be known of a member that is failing: since when, and the last error. Nothing of one that
/// is not.
pub(super) fn since(member: &Member, now_ms: u64) -> Option<String> {
    if Standing::of(member) != Standing::Failing {
        return None;
    }
    let since = member.failing_since_ms.or(member.in_error_since_ms);
    let since = since.map(|ms| format!("for {}", age(now_ms.saturating_sub(ms))));
    let last = last_error(member).map(|text| format!("last error {text}"));
    let all: Vec<_> = since.into_iter().chain(last).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The last error of a member: `12 s ago: connection refused`.
pub(super) fn last_error(member: &Member) -> Option<String> {
    let error = member.last_error?;
    let ago = u64::try_from(error.ago.as_millis()).unwrap_or(u64::MAX);
    Some(format!("{} ago: {error}", age(ago)))
}

/// The standing of all members together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The class of its colour: `bad` if requests find no member that answers.
    pub(super) colour: &'static str,
    /// It in a few words, for the title.
    pub(super) short: String,
    /// Sentences without their full stops, the worst first.
    pub(super) sentences: Vec<String>,
}

/// How many outages are named.
const NAMED: usize = 3;

impl Verdict {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let members = snapshot.members().count();
        let count = |standing| snapshot.members().filter(|m| Standing::of(m) == standing).count();
        let [failing, stopped, draining] =
            [Standing::Failing, Standing::Stopped, Standing::Draining].map(count);
        let balancers = snapshot.balancers.iter().filter(|balancer| is_out(balancer));
        let balancers = balancers.map(|balancer| {
            let why = match balancer.members.iter().any(Member::takes_new_sessions) {
                true => "all members that take new sessions are failing",
                false => "no member takes new sessions",
            };
            format!("balancer://{}: {why}", balancer.name)
        });
        let workers = snapshot.workers.iter().filter(|one| one.health() == Health::Bad);
        let workers = workers.map(|worker| {
            let since = since(worker, snapshot.now_ms).map(|text| format!(" {text}"));
            format!("{}: {}{}", worker.url, words(worker), since.unwrap_or_default())
        });
        let mut outages: Vec<_> = balancers.chain(workers).collect();
        let out = outages.len();
        outages.truncate(NAMED);
        let mut sentences = outages;
        if out > NAMED {
            sentences.push(format!("{} more like these", out - NAMED));
        }
        let some = [(failing, "failing"), (stopped, "stopped"), (draining, "draining")];
        let some: Vec<_> = some.into_iter().filter(|(count, _)| *count > 0).collect();
        let text = |(count, word): &(usize, &str)| format!("{count} {word}");
        let some = some.iter().map(text).collect::<Vec<_>>().join(", ");
        let of_all = format!("{} of {members}", if some.is_empty() { "none" } else { &some });
        let (colour, short) = match out {
            0 if some.is_empty() => ("good", "all well".to_owned()),
            0 => ("drain", of_all.clone()),
            _ => ("bad", "OUTAGE".to_owned()),
        };
        match (members, some.is_empty()) {
            (0, _) => sentences.push("there is no ajp member".into()),
            (1, true) => sentences.push("the only member takes requests".into()),
            (_, true) => sentences.push(format!("all {members} members take requests")),
            (_, false) => sentences.push(format!("{of_all} members")),
        }
        Self { colour, short, sentences }
    }
}

/// Whether a request without a session finds no member that answers.
pub(super) fn is_out(balancer: &Balancer) -> bool {
    balancer.health() == Health::Bad
}
