//! The HTML page: it loads nothing else, and can be read on a phone.

use std::fmt;

use askama::Template;

use super::numbers::{age, bound, bytes, grouped, time};
use super::{Balancer, Member, Nonce, Pool, Snapshot, State, words};
use crate::balance::orders::{Action, Remark};
use crate::balance::{Activation, Role};
use crate::pool::CloseReason;
use crate::stats::{
    BOUNDS_MS, Figure, HistogramFigures, MEMBER_FIGURES, POOL_FIGURES, Unit, Value,
};

/// Writes the page: with buttons if there is a `nonce`; `query` is that of the URL (`refresh`, and `done`
/// with its companions).
///
/// # Errors
/// Those of `out`.
pub fn page(
    snapshot: &Snapshot,
    nonce: Option<&Nonce>,
    query: &[u8],
    out: &mut impl fmt::Write,
) -> Result<(), askama::Error> {
    let members = snapshot.members().count();
    let usable = snapshot.members().filter(|member| member.is_usable()).count();
    let waiting: u32 = snapshot.pools.iter().map(|pool| pool.figures.now.waiting).sum();
    Page {
        server: &snapshot.server,
        version: env!("CARGO_PKG_VERSION"),
        since: age(snapshot.now_ms.saturating_sub(snapshot.since_ms)),
        children: snapshot.children,
        members,
        usable,
        busy: snapshot.members().map(|member| u64::from(member.busy)).sum(),
        parked: snapshot.members().map(|member| u64::from(member.parked)).sum(),
        waiting,
        nonce: nonce.map(Nonce::as_str),
        notice: Notice::of(query),
        refresh: refresh(query),
        balancers: snapshot.balancers.iter().map(|balancer| group(balancer, snapshot)).collect(),
        workers: snapshot.workers.iter().map(|worker| card(worker, snapshot)).collect(),
        pools: snapshot.pools.iter().map(pool_card).collect(),
    }
    .render_into(out)
}

/// Writes the part of mod_status's page.
pub(super) fn summary(snapshot: &Snapshot, out: &mut impl fmt::Write) -> Result<(), askama::Error> {
    Summary { snapshot }.render_into(out)
}

#[derive(Template)]
#[template(path = "page/page.html", config = "src/status/askama.toml")]
struct Page<'s> {
    server: &'s str,
    version: &'static str,
    since: String,
    children: usize,
    members: usize,
    usable: usize,
    busy: u64,
    parked: u64,
    waiting: u32,
    nonce: Option<&'s str>,
    notice: Option<Notice>,
    refresh: Option<u32>,
    balancers: Vec<Group<'s>>,
    workers: Vec<Card<'s>>,
    pools: Vec<PoolCard<'s>>,
}

#[derive(Template)]
#[template(path = "summary.html", config = "src/status/askama.toml")]
struct Summary<'s> {
    snapshot: &'s Snapshot,
}

impl<'s> Summary<'s> {
    fn members(&self) -> impl Iterator<Item = Card<'s>> {
        let snapshot = self.snapshot;
        snapshot.members().map(move |member| card(member, snapshot))
    }

    fn pools(&self) -> impl Iterator<Item = PoolCard<'s>> {
        self.snapshot.pools.iter().map(pool_card)
    }
}

/// The outcome of the last POST.
struct Notice {
    action: &'static str,
    count: u32,
    refused: u32,
    /// A remark on those that were done, and one on those that were not.
    note: Option<&'static str>,
    reason: Option<&'static str>,
}

impl Notice {
    fn of(query: &[u8]) -> Option<Self> {
        let number = |key| value(query, key).and_then(|text| text.parse().ok()).unwrap_or(0);
        let done = value(query, "done")?;
        let action = Action::ALL.into_iter().map(Action::name).find(|name| *name == done)?;
        let remark = |key| value(query, key).and_then(|name| Remark::named(&name));
        Some(Self {
            action,
            count: number("count"),
            refused: number("refused"),
            note: remark("note").map(words),
            reason: remark("reason").map(words),
        })
    }
}

struct Group<'s> {
    name: &'s str,
    method: &'s str,
    sticky: Option<&'s str>,
    cards: Vec<Card<'s>>,
}

struct Card<'s> {
    balancer: Option<&'s str>,
    url: &'s str,
    title: &'s str,
    /// The class of the state's colour, and its words.
    colour: &'static str,
    words: String,
    facts: Vec<String>,
    busy: String,
    parked: u32,
    requests: String,
    errors: u64,
    /// The word, what it means, and how many.
    reasons: Vec<(&'static str, &'static str, u64)>,
    answers: String,
    retries: u64,
    failovers: u64,
    lines: Vec<Line>,
    waited: String,
    quantiles: Option<[String; 3]>,
    first_byte: Option<[String; 3]>,
    bars: Vec<Bar>,
    /// The bound of the last bar.
    slowest: String,
}

/// A line of figures, each with its words.
struct Line {
    head: &'static str,
    text: String,
}

struct Bar {
    height: u32,
    bound: String,
    label: String,
    is_slow: bool,
}

struct PoolCard<'s> {
    name: &'s str,
    dials_in: Option<String>,
    open: u32,
    idle: u32,
    in_use: u32,
    borrowed: u32,
    waiting: u32,
    created: u64,
    reused: u64,
    share: String,
    timed_out: u64,
    lines: Vec<Line>,
    packet_size: usize,
    packet_size_source: &'static str,
    closed: Vec<(&'static str, &'static str, u64)>,
}

fn group<'s>(balancer: &'s Balancer, snapshot: &Snapshot) -> Group<'s> {
    Group {
        name: &balancer.name,
        method: &balancer.method,
        sticky: balancer.sticky.as_deref(),
        cards: balancer.members.iter().map(|member| card(member, snapshot)).collect(),
    }
}

fn card<'s>(member: &'s Member, snapshot: &Snapshot) -> Card<'s> {
    let figures = &member.figures;
    let (colour, words) = state_of(member);
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    let answers = classes.iter().zip(figures.answers).filter(|(_, count)| *count > 0);
    let bars = bars(&figures.duration);
    let answers: Vec<_> = answers.map(|(class, count)| format!("{count} × {class}")).collect();
    Card {
        balancer: member.balancer.as_deref(),
        url: &member.url,
        title: member.short_name(),
        colour,
        words,
        facts: facts(member, snapshot),
        busy: match member.busy_limit {
            Some(limit) => format!("{} of {limit}", member.busy),
            None => member.busy.to_string(),
        },
        parked: member.parked,
        requests: grouped(figures.requests),
        errors: figures.failures(),
        reasons: figures
            .errors()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.name(), reason.help(), count))
            .collect(),
        answers: if answers.is_empty() { "none".into() } else { answers.join(", ") },
        retries: figures.retries,
        failovers: figures.failovers,
        lines: lines(MEMBER_FIGURES, figures),
        waited: match figures.requests {
            0 => "–".into(),
            requests => time(figures.waited_us as f64 / 1_000_000.0 / requests as f64),
        },
        quantiles: quantiles(&figures.duration),
        first_byte: quantiles(&figures.first_byte),
        slowest: bars.last().map(|bar| bar.bound.clone()).unwrap_or_default(),
        bars,
    }
}

/// The facts below a member's name: those that are not the default.
fn facts(member: &Member, snapshot: &Snapshot) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(route) = member.route.as_deref().filter(|route| *route != member.short_name()) {
        facts.push(format!("route {route}"));
    }
    facts.extend(member.redirect.as_deref().map(|redirect| format!("redirect {redirect}")));
    facts.extend(member.domain.as_deref().map(|domain| format!("domain {domain}")));
    if member.lbset != 0 {
        facts.push(format!("lbset {}", member.lbset));
    }
    if member.balancer.is_some() && member.lbfactor != 100 {
        facts.push(format!("loadfactor {}", f64::from(member.lbfactor) / 100.0));
    }
    if member.role != Role::Regular {
        facts.push(member.role.name().to_owned());
    }
    if let Some(ms) = member.reset_ms {
        facts.push(format!("reset {} ago", age(snapshot.now_ms.saturating_sub(ms))));
    }
    facts
}

fn state_of(member: &Member) -> (&'static str, String) {
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
        (None, None) => ("good", "active".into()),
        (None, Some(state)) => ("bad", state),
        (Some(activation), None) => {
            (if activation == "stopped" { "off" } else { "drain" }, activation.into())
        }
        (Some(activation), Some(state)) => ("bad", format!("{activation}; {state}")),
    }
}

fn pool_card(pool: &Pool) -> PoolCard<'_> {
    let (figures, now) = (&pool.figures, pool.figures.now);
    let served = figures.created + figures.reused;
    PoolCard {
        name: &pool.name,
        dials_in: pool.dials_in.as_ref().map(|dials_in| match dials_in.queue {
            Some((waiting, backlog)) => {
                format!("{}, {waiting} of {backlog} waiting to be accepted", dials_in.at)
            }
            None => dials_in.at.clone(),
        }),
        open: now.open(),
        idle: now.idle,
        in_use: now.in_use,
        borrowed: now.borrowed,
        waiting: now.waiting,
        created: figures.created,
        reused: figures.reused,
        share: match served {
            0 => String::new(),
            served => format!("{}\u{a0}%", figures.reused * 100 / served),
        },
        timed_out: figures.timed_out,
        lines: lines(POOL_FIGURES, figures),
        packet_size: figures.packet_size.bytes,
        packet_size_source: figures.packet_size.source.name(),
        closed: CloseReason::ALL
            .into_iter()
            .zip(figures.closed)
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.name(), reason.help(), count))
            .collect(),
    }
}

/// The lines of the figures that have one.
fn lines<F>(list: &[Figure<F>], sums: &F) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for figure in list {
        let Some((head, words)) = figure.shown.page else { continue };
        let Value::Count(count) = (figure.value)(sums) else { continue };
        let number = match figure.shown.unit {
            Unit::Things => grouped(count),
            Unit::Bytes => bytes(count),
            Unit::Microseconds => time(count as f64 / 1_000_000.0),
        };
        let text = format!("{number} {words}");
        match lines.last_mut().filter(|line| line.head == head) {
            Some(line) => line.text += &format!(", {text}"),
            None => lines.push(Line { head, text }),
        }
    }
    lines
}

/// Makes a bar for each bucket up to the last one that is not empty.
fn bars(figures: &HistogramFigures) -> Vec<Bar> {
    let most = figures.buckets.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return Vec::new();
    }
    let last = figures.buckets.iter().rposition(|count| *count > 0).unwrap_or(0);
    let bound = |at: usize| match BOUNDS_MS.get(at) {
        Some(ms) => format!("≤\u{a0}{}", bound(*ms)),
        None => format!(">\u{a0}{}", bound(BOUNDS_MS[BOUNDS_MS.len() - 1])),
    };
    let bar = |(at, count): (usize, &u64)| Bar {
        // At least a line, where there is one at all.
        height: u32::try_from(count * 100 / most).unwrap_or(100).max(u32::from(*count > 0) * 3),
        label: format!("{}: {count}", bound(at)),
        bound: bound(at),
        is_slow: BOUNDS_MS.get(at).is_none_or(|ms| *ms > 1000),
    };
    figures.buckets[..=last.max(6)].iter().enumerate().map(bar).collect()
}

fn quantiles(figures: &HistogramFigures) -> Option<[String; 3]> {
    let of = |part| figures.quantile(part).map(|found| time(found.as_secs_f64()));
    Some([of(0.5)?, of(0.95)?, of(0.99)?])
}

/// The first value of a key in a query.
fn value(query: &[u8], key: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query);
    pairs.find(|(found, _)| found == key).map(|(_, value)| value.into_owned())
}

fn refresh(query: &[u8]) -> Option<u32> {
    value(query, "refresh")?.parse().ok().filter(|seconds| (1..=3600).contains(seconds))
}
