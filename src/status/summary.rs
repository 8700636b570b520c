//! The part of mod_status's page (`ProxyStatus On`).

use std::fmt::{Display, Write};

use askama::Template;

use super::Snapshot;
use super::page::{Card, PoolRow, card, pool_row};
use crate::stats::{Figure, MEMBER_FIGURES, POOL_FIGURES, Value};

/// Writes rows of `key: value`, for `server-status?auto`.
pub fn auto(snapshot: &Snapshot, out: &mut dyn Write) {
    let mut out = Lines(out);
    for (at, member) in snapshot.members().enumerate() {
        let key = format!("AjpWorker[{at}]");
        let balancer = member.balancer.as_ref().map(|name| format!("balancer://{name} "));
        out.line(&key, "Name", format_args!("{}{}", balancer.unwrap_or_default(), member.url));
        out.line(&key, "Activation", member.activation.name());
        out.line(&key, "State", member.state.name());
        out.line(&key, "TakesNewSessions", u8::from(member.takes_new_sessions()));
        out.line(&key, "Failing", u8::from(member.is_failing()));
        out.line(&key, "Busy", member.busy);
        out.line(&key, "Parked", member.parked);
        out.figures(&key, MEMBER_FIGURES, &member.figures);
    }
    for (at, pool) in snapshot.pools.iter().enumerate() {
        let (key, now) = (format!("AjpPool[{at}]"), pool.figures.now);
        out.line(&key, "Name", &pool.name);
        out.line(&key, "Open", now.open());
        out.line(&key, "Idle", now.idle);
        out.line(&key, "InUse", now.in_use);
        out.line(&key, "Waiting", now.waiting);
        out.figures(&key, POOL_FIGURES, &pool.figures);
    }
}

struct Lines<'o>(&'o mut dyn Write);

impl Lines<'_> {
    fn line(&mut self, of: &str, key: &str, value: impl Display) {
        // If the reader is gone, the rest is not read either.
        let _ = writeln!(self.0, "{of}{key}: {value}");
    }

    fn figures<F>(&mut self, of: &str, list: &[Figure<F>], sums: &F) {
        for figure in list {
            let Some(key) = figure.shown.auto else { continue };
            match (figure.value)(sums) {
                Value::Count(count) => self.line(of, key, count),
                Value::Times(figures) => self.line(of, key, figures.sum_us),
                Value::ByWord(_, counts) => {
                    for (word, count) in counts {
                        self.line(of, &format!("{key}-{word}"), count);
                    }
                }
            }
        }
    }
}

/// Writes the part of mod_status's HTML page.
///
/// # Errors
/// Those of `out`.
pub fn html(snapshot: &Snapshot, out: &mut impl Write) -> Result<(), askama::Error> {
    Summary { snapshot }.render_into(out)
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

    fn pools(&self) -> impl Iterator<Item = PoolRow<'s>> {
        self.snapshot.pools.iter().map(pool_row)
    }
}
