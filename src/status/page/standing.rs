//! How members stand: one by one, and all of them in a sentence.

use crate::balance::Activation;
use crate::status::numbers::age;
use crate::status::{Balancer, Member, Snapshot, State};

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

/// The standing of all members together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The class of its colour: `bad` if requests find no member.
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
        let mut outages = Vec::new();
        for balancer in snapshot.balancers.iter().filter(|balancer| is_out(balancer)) {
            outages.push(format!("balancer://{}: no member takes new sessions", balancer.name));
        }
        for worker in snapshot.workers.iter().filter(|one| Standing::of(one) != Standing::Active) {
            outages.push(format!("{}: {}", worker.url, words(worker)));
        }
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
        let (colour, short) = match (out, failing) {
            (0, 0) if some.is_empty() => ("good", "all well".to_owned()),
            (0, 0) => ("drain", of_all.clone()),
            (0, _) => ("drain", of_all.clone()),
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

/// Whether a request without a session finds no member.
pub(super) fn is_out(balancer: &Balancer) -> bool {
    !balancer.members.iter().any(|member| Standing::of(member) == Standing::Active)
}
