//! The HTML page: it loads nothing else, runs no script, and can be read on a phone.
//!
//! What it shows is in its URL ([`View`]): filter, order, refresh, open cards. What changes something is
//! a form.

mod card;
mod confirmation;
mod figure_lines;
mod forms;
mod help;
mod notice;
mod pools;
mod standing;
mod table;
#[cfg(test)]
mod tests;
mod view;

use std::fmt;

use askama::Template;

pub use confirmation::{asks_first, confirmation};
pub use help::help;

pub(super) use self::card::{Card, card};
pub(super) use self::pools::{PoolRow, pool_row};

use self::notice::Notice;
use self::standing::Verdict;
use self::table::{BalancerRow, Column, ROWS, Row, Totals, columns};
use self::view::{REFRESH, Show, View};
use super::numbers::age;
use super::{Done, Member, Nonce, Order, Snapshot};

/// Writes the page: with buttons if there is a `nonce`; `query` is that of the URL.
///
/// # Errors
/// Those of `out`.
pub fn page(
    snapshot: &Snapshot,
    nonce: Option<&Nonce>,
    query: &[u8],
    out: &mut impl fmt::Write,
) -> Result<(), askama::Error> {
    let view = View::of(query);
    let shown = view.select(snapshot.members());
    let parts = shown.len().div_ceil(ROWS).max(1);
    let part = view.part.min(parts - 1);
    let verdict = Verdict::of(snapshot);
    Page {
        server: &snapshot.server_name,
        version: env!("CARGO_PKG_VERSION"),
        colour: verdict.colour,
        title: format!("{}: AJP workers of {}", verdict.short, snapshot.server_name),
        verdict,
        since: age(snapshot.now_ms.saturating_sub(snapshot.since_ms)),
        usable: snapshot.members().filter(|member| member.is_usable()).count(),
        active: snapshot.members().filter(|member| member.takes_new_sessions()).count(),
        all: Totals::of(snapshot.members()),
        totals: Totals::of(shown.iter().copied()),
        waiting: snapshot.pools.iter().map(|pool| pool.figures.now.waiting).sum(),
        nonce: nonce.map(Nonce::as_str),
        notice: Notice::of(query, snapshot),
        columns: columns(&view),
        shown,
        part,
        parts,
        here: view.query(),
        view: &view,
        snapshot,
    }
    .render_into(out)
}

/// The value of the `Refresh` header that makes a browser load the page again: without the notice.
pub fn refresh(query: &[u8]) -> Option<String> {
    let view = View::of(query);
    view.refresh.map(|seconds| format!("{seconds};url={}", view.query()))
}

/// The query of the page to which the sender of an order returns; `view` is the query that the form was
/// sent to.
pub fn outcome(view: &[u8], order: &Order, done: &[Done], now_ms: u64) -> String {
    notice::query(view, order, done, now_ms)
}

#[derive(Template)]
#[template(path = "page/page.html", config = "src/status/askama.toml")]
struct Page<'s> {
    server: &'s str,
    version: &'static str,
    colour: &'static str,
    title: String,
    verdict: Verdict,
    since: String,
    usable: usize,
    /// The members that take new sessions.
    active: usize,
    /// The sums over all members, and over those that are shown.
    all: Totals,
    totals: Totals,
    waiting: u32,
    nonce: Option<&'s str>,
    notice: Option<Notice>,
    columns: Vec<Column>,
    shown: Vec<&'s Member>,
    part: usize,
    parts: usize,
    /// The query of this view.
    here: String,
    view: &'s View,
    snapshot: &'s Snapshot,
}

impl<'s> Page<'s> {
    /// The members of this part.
    fn members(&self) -> &[&'s Member] {
        let rest = self.shown.get(self.part * ROWS..).unwrap_or_default();
        &rest[..rest.len().min(ROWS)]
    }

    /// The rows, each made when it is written.
    fn rows(&self) -> impl Iterator<Item = Row<'s>> {
        let (snapshot, view) = (self.snapshot, self.view);
        let members = self.members().iter().enumerate();
        members.map(move |(at, member)| Row::new(at, member, snapshot, view))
    }

    /// Balancers, as far as their members are shown.
    fn balancers(&self) -> impl Iterator<Item = BalancerRow<'s>> {
        let shown = |name: &str| self.members().iter().any(|m| m.balancer.as_deref() == Some(name));
        let balancers = self.snapshot.balancers.iter().filter(move |one| shown(&one.name));
        balancers.map(|balancer| BalancerRow::new(balancer, self.view))
    }

    /// The pools of the members that are shown; on a page with all members, all pools.
    fn pools(&self) -> impl Iterator<Item = PoolRow<'s>> {
        let all = self.parts == 1 && !self.view.is_filtered();
        let shown = move |name: &str| all || self.members().iter().any(|m| m.pool == name);
        self.snapshot.pools.iter().filter(move |pool| shown(&pool.name)).map(pool_row)
    }

    /// The choices of the filter: a word, and whether it is this view's.
    fn shows(&self) -> impl Iterator<Item = (Show, bool)> {
        Show::ALL.into_iter().map(|show| (show, show == self.view.show))
    }

    /// The choices of the refresh, likewise.
    fn refreshes(&self) -> impl Iterator<Item = (u32, bool)> {
        let own = self.view.refresh;
        let other = own.into_iter().filter(|seconds| !REFRESH.contains(seconds));
        REFRESH.into_iter().chain(other).map(move |seconds| (seconds, own == Some(seconds)))
    }

    /// The links to the parts before and behind this one.
    fn previous(&self) -> Option<String> {
        let part = self.part.checked_sub(1)?;
        Some(self.view.but(|view| view.part = part))
    }

    fn next(&self) -> Option<String> {
        let part = Some(self.part + 1).filter(|part| *part < self.parts)?;
        Some(self.view.but(|view| view.part = part))
    }

    /// The link to all members, in the same order.
    fn unfiltered(&self) -> String {
        self.view.but(|view| {
            *view = View { sort: view.sort, refresh: view.refresh, ..View::default() };
        })
    }

    /// The link to this page without its refresh.
    fn without_refresh(&self) -> String {
        self.view.but(|view| view.refresh = None)
    }
}
