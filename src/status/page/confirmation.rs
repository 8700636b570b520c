//! The question that the page asks before an order that takes something away.

use std::fmt;

use askama::Template;

use super::forms;
use super::standing::{self, Standing};
use super::view::View;
use crate::balance::orders::Action;
use crate::status::numbers::grouped;
use crate::status::{Member, Nonce, Order, Snapshot};

/// The most members that are listed.
const LISTED: usize = 100;

#[derive(Template)]
#[template(path = "page/confirmation.html", config = "src/status/askama.toml")]
struct Confirmation<'s> {
    server: &'s str,
    version: &'static str,
    colour: &'static str,
    title: String,
    effect: &'static str,
    /// Balancers that have no member for new sessions then.
    outages: Vec<&'s str>,
    members: Vec<Concerned<'s>>,
    /// How many are not listed.
    others: usize,
    button: String,
    /// The members have changed since the question was asked.
    has_changed: bool,
    count: usize,
    back: String,
    action: &'static str,
    nonce: &'s str,
    member: &'s str,
    balancer: &'s str,
}

/// A member that the order is about.
struct Concerned<'s> {
    title: &'s str,
    balancer: Option<&'s str>,
    url: &'s str,
    colour: &'static str,
    words: String,
    busy: u32,
    of_sessions: String,
}

/// Whether the page asks before it carries an order out that its own form has sent: the form of the
/// question says how many members it has listed.
pub fn asks_first(order: &Order, members: usize) -> bool {
    order.from_page && forms::is_confirmed(order.action) && order.confirmed != Some(members)
}

/// Writes the question; `query` is that of the page.
///
/// # Errors
/// Those of `out`.
pub fn confirmation(
    snapshot: &Snapshot,
    order: &Order,
    nonce: &Nonce,
    query: &[u8],
    out: &mut impl fmt::Write,
) -> Result<(), askama::Error> {
    let about = || snapshot.members().filter(|member| order.is_about(member));
    let count = about().count();
    let what = match (about().next(), order.balancer()) {
        (Some(member), _) if count == 1 => member.short_name().to_owned(),
        (_, Some(balancer)) if !balancer.is_empty() => {
            format!("{} members of balancer://{balancer}", grouped(count as u64))
        }
        _ => format!("{} members", grouped(count as u64)),
    };
    let action = forms::text(order.action);
    let (title, button) = match order.action {
        Action::Reset => {
            (format!("Reset the counters of {what}?"), format!("Reset counters of {what}"))
        }
        _ => (format!("{action} {what}?"), format!("{action} {what}")),
    };
    Confirmation {
        server: &snapshot.server_name,
        version: env!("CARGO_PKG_VERSION"),
        colour: "drain",
        title,
        effect: effect(order.action),
        outages: outages(snapshot, order),
        members: about().take(LISTED).map(concerned).collect(),
        others: count.saturating_sub(LISTED),
        button,
        has_changed: order.confirmed.is_some(),
        count,
        back: View::of(query).query(),
        action: order.action.name(),
        nonce: nonce.as_str(),
        member: order.member(),
        balancer: order.balancer().unwrap_or(""),
    }
    .render_into(out)
}

fn concerned(member: &Member) -> Concerned<'_> {
    Concerned {
        title: member.short_name(),
        balancer: member.balancer.as_deref(),
        url: &member.url,
        colour: Standing::of(member).colour(),
        words: standing::words(member),
        busy: member.busy,
        of_sessions: grouped(member.activity.of_sessions),
    }
}

fn effect(action: Action) -> &'static str {
    match action {
        Action::Stop => {
            "No new request goes there, also none of its sessions: their users lose them, unless the \
             members share them. Requests in flight end as usual."
        }
        Action::Drain => {
            "Requests of its sessions still go there, and no others. Wait until the sessions have ended \
             before you stop it."
        }
        Action::Reset => {
            "Its counters and histograms, and those of its connection pool, start again at 0. The state \
             of the member and its requests stay as they are."
        }
        Action::Activate => "All requests go there again.",
        Action::Recover => "The next request is tried there.",
    }
}

/// The balancers in which no member takes new sessions after the order, and one does now.
fn outages<'s>(snapshot: &'s Snapshot, order: &Order) -> Vec<&'s str> {
    if !matches!(order.action, Action::Stop | Action::Drain) {
        return Vec::new();
    }
    let is_active = |member: &&Member| Standing::of(member) == Standing::Active;
    let balancers = snapshot.balancers.iter().filter(|balancer| {
        let mut active = balancer.members.iter().filter(is_active).peekable();
        // Members of other protocols stay as they are.
        balancer.others_for_new_sessions == 0
            && active.peek().is_some()
            && active.all(|member| order.is_about(member))
    });
    balancers.map(|balancer| &*balancer.name).collect()
}
