//! The card of a member: all that is known of it.

use super::figure_lines::{Line, lines};
use super::standing;
use crate::balance::Role;
use crate::stats::{BOUNDS_MS, HistogramFigures, MEMBER_FIGURES};
use crate::status::numbers::{age, bound, grouped, time};
use crate::status::{Member, Snapshot};

/// A member with all that is known of it.
pub(in crate::status) struct Card<'s> {
    pub(in crate::status) balancer: Option<&'s str>,
    pub(in crate::status) url: &'s str,
    pub(in crate::status) title: &'s str,
    pub(in crate::status) words: String,
    pub(in crate::status) facts: Vec<String>,
    /// The last error, with its meaning; and since when it is failing or in error.
    pub(in crate::status) last_error: Option<String>,
    pub(in crate::status) troubles: Vec<String>,
    pub(in crate::status) busy: String,
    pub(in crate::status) parked: u32,
    pub(in crate::status) requests: String,
    pub(in crate::status) errors: u64,
    /// The word, what it means, and how many.
    pub(in crate::status) reasons: Vec<(&'static str, &'static str, u64)>,
    pub(in crate::status) answers: String,
    pub(in crate::status) retries: u64,
    pub(in crate::status) failovers: u64,
    pub(in crate::status) lines: Vec<Line>,
    pub(in crate::status) waited: String,
    pub(in crate::status) quantiles: Option<[String; 3]>,
    pub(in crate::status) first_byte: Option<[String; 3]>,
    pub(in crate::status) bars: Vec<Bar>,
    /// The bound of the last bar.
    pub(in crate::status) slowest: String,
}

/// A bar of a histogram.
pub(in crate::status) struct Bar {
    pub(super) height: u32,
    pub(super) bound: String,
    pub(super) label: String,
    pub(super) is_slow: bool,
}

/// Makes the card of a member.
pub(in crate::status) fn card<'s>(member: &'s Member, snapshot: &'s Snapshot) -> Card<'s> {
    let figures = &member.figures;
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    let answers = classes.iter().zip(figures.answers).filter(|(_, count)| *count > 0);
    let bars = bars(&figures.duration);
    let answers: Vec<_> = answers.map(|(class, count)| format!("{count} × {class}")).collect();
    Card {
        balancer: member.balancer.as_deref(),
        url: &member.url,
        title: member.short_name(),
        words: standing::words(member),
        facts: facts(member, snapshot),
        last_error: standing::last_error(member).map(|text| {
            let reason = member.last_error.map_or("", |error| error.reason.name());
            format!("{text} ({reason})")
        }),
        troubles: troubles(member, snapshot.now_ms),
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

/// The facts below a member's name.
fn facts(member: &Member, snapshot: &Snapshot) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(route) = member.route.as_deref().filter(|route| *route != member.short_name()) {
        facts.push(format!("route {route}"));
    }
    facts.extend(member.redirect.as_deref().map(|redirect| format!("redirect {redirect}")));
    facts.extend(member.domain.as_deref().map(|domain| format!("domain {domain}")));
    if member.balancer.is_some() {
        facts.push(format!("lbset {}", member.lbset));
        facts.push(format!("loadfactor {}", member.load_factor()));
    }
    facts.push(match member.max {
        Some(max) => format!("max {max} connections for each process"),
        None => "max not limited".to_owned(),
    });
    if member.role != Role::Regular {
        facts.push(member.role.name().to_owned());
    }
    if let Some(ms) = member.reset_ms {
        facts.push(format!("reset {} ago", age(snapshot.now_ms.saturating_sub(ms))));
    }
    facts
}

/// Since when a member is at fault, and in whose eyes.
fn troubles(member: &Member, now_ms: u64) -> Vec<String> {
    let ago = |ms: u64| age(now_ms.saturating_sub(ms));
    let failing = member
        .failing_since_ms
        .map(|ms| format!("failing for {}: since then no attempt has been answered", ago(ms)));
    let in_error = member.in_error_since_ms.map(|ms| format!("in error for {}", ago(ms)));
    failing.into_iter().chain(in_error).collect()
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

/// p50, p95 and p99; `None`: nothing has been counted.
pub(super) fn quantiles(figures: &HistogramFigures) -> Option<[String; 3]> {
    let of = |part| figures.quantile(part).map(|found| time(found.as_secs_f64()));
    Some([of(0.5)?, of(0.95)?, of(0.99)?])
}
