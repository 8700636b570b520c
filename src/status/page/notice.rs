//! The notice about an order that has just been carried out.
//!
//! It comes with the redirect after the POST, in the query. A reload must not show it again: so the query
//! has the time, and it is shown for as long as a redirect takes.

use crate::balance::orders::{Action, Remark};
use crate::status::{Done, Order, Snapshot, words};

/// The longest time between an order and the page that tells of it, in ms.
const FRESH_MS: u64 = 10_000;

/// The outcome of the last POST.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    action: &'static str,
    of: Option<String>,
    count: u32,
    refused: u32,
    /// A remark on those that were done, and one on those that were not.
    note: Option<&'static str>,
    reason: Option<&'static str>,
}

impl Notice {
    /// Reads the query of the page. `None`: it has none, or an old one.
    pub(super) fn of(query: &[u8], snapshot: &Snapshot) -> Option<Self> {
        let number = |key| value(query, key).and_then(|text| text.parse().ok());
        let at: u64 = number("at")?;
        // Not in the future either, but for the clock of another child.
        if snapshot.now_ms.abs_diff(at) > FRESH_MS {
            return None;
        }
        let done = value(query, "done")?;
        let action = Action::ALL.into_iter().find(|action| action.name() == done)?;
        let remark = |key| value(query, key).and_then(|name| Remark::named(&name));
        let small = |key| number(key).and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        Some(Self {
            action: super::forms::text(action),
            of: value(query, "of").filter(|name| is_known(name, snapshot)),
            count: small("count"),
            refused: small("refused"),
            note: remark("note").map(words),
            reason: remark("reason").map(words),
        })
    }

    /// The notice in words, behind the name of the action.
    pub(super) fn text(&self) -> String {
        let Self { of, count, refused, note, reason, .. } = self;
        let but = note.map(|note| format!(", but {note}")).unwrap_or_default();
        let why = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
        let of = of.as_deref();
        match (count, refused) {
            (1, 0) => format!("{}: done{but}", of.unwrap_or("one member")),
            (0, 1) => format!("{}: refused{why}", of.unwrap_or("one member")),
            (count, refused) => {
                let of = of.map(|of| format!("members of {of}: ")).unwrap_or_default();
                let refused = match refused {
                    0 => String::new(),
                    refused => format!("; refused for {refused}{why}"),
                };
                format!("{of}done for {count}{but}{refused}")
            }
        }
    }

    pub(super) fn action(&self) -> &'static str {
        self.action
    }
}

/// Only the names of members and balancers: the query may be of anybody's making.
fn is_known(name: &str, snapshot: &Snapshot) -> bool {
    let balancer = name.strip_prefix("balancer://");
    balancer.is_some_and(|name| snapshot.balancers.iter().any(|known| known.name == name))
        || snapshot.members().any(|member| member.name() == name)
}

/// The query of the page to which the sender of an order returns: the view that the form came from, and
/// the outcome.
pub(in crate::status) fn query(view: &[u8], order: &Order, done: &[Done], now_ms: u64) -> String {
    let refused = done.iter().filter(|done| done.refused.is_some()).count();
    let view = super::view::View::of(view).query();
    let start = view.len();
    let mut query = form_urlencoded::Serializer::for_suffix(view, 1.min(start));
    query.append_pair("done", order.action.name());
    query.append_pair("count", &(done.len() - refused).to_string());
    query.append_pair("refused", &refused.to_string());
    if let Some(note) = done.iter().find_map(|done| done.note) {
        query.append_pair("note", note.name());
    }
    if let Some(reason) = done.iter().find_map(|done| done.refused) {
        query.append_pair("reason", reason.name());
    }
    query.append_pair("at", &now_ms.to_string());
    let first = done.first();
    let balancer = first.and_then(|done| done.balancer.as_deref());
    match done {
        [only] => drop(query.append_pair("of", &only.member())),
        all if all.iter().all(|done| done.balancer.as_deref() == balancer) => {
            if let Some(balancer) = balancer {
                query.append_pair("of", &format!("balancer://{balancer}"));
            }
        }
        _ => {}
    }
    query.finish()
}

/// The first value of a key in a query.
fn value(query: &[u8], key: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query);
    pairs.find(|(found, _)| found == key).map(|(_, value)| value.into_owned())
}
