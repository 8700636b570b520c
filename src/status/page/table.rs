//! The table of members, and that of balancers.

use super::card::{self, Card, card};
use super::forms::{self, Orders};
use super::pools::{PoolRow, pool_row};
use super::standing::{self, Standing};
use super::view::{Sort, View};
use crate::stats::Activity;
use crate::status::numbers::{age, grouped, rate};
use crate::status::{Balancer, Health, Member, Snapshot};

/// The most rows of a table: more than anyone reads, and a page that comes at once.
pub(super) const ROWS: usize = 100;

/// A row of the table of members.
pub(super) struct Row<'s> {
    pub(super) title: &'s str,
    pub(super) balancer: &'s str,
    /// Its URL; `None`: the title has it.
    pub(super) url: Option<&'s str>,
    pub(super) colour: &'static str,
    pub(super) words: String,
    /// Since when it is failing, and its last error with its meaning.
    pub(super) since: Option<String>,
    pub(super) last_error: &'static str,
    pub(super) busy: u32,
    pub(super) busy_limit: Option<u32>,
    pub(super) parked: u32,
    /// Requests that wait for a connection of its pool.
    pub(super) waiting: u32,
    pub(super) max: String,
    pub(super) rate: String,
    pub(super) requests: String,
    pub(super) errors: u64,
    pub(super) quantiles: Option<[String; 3]>,
    pub(super) last: String,
    pub(super) of_sessions: String,
    pub(super) lbset: i32,
    pub(super) load_factor: f64,
    pub(super) domain: &'s str,
    /// The link that opens or closes its card, and the name of the row in it.
    pub(super) link: String,
    pub(super) id: String,
    pub(super) card: Option<Card<'s>>,
    /// Its pool, for the card.
    pub(super) pool: Option<PoolRow<'s>>,
    pub(super) orders: Orders,
}

impl<'s> Row<'s> {
    pub(super) fn new(at: usize, member: &'s Member, snapshot: &'s Snapshot, view: &View) -> Self {
        let name = member.name();
        let is_open = view.cards.contains(&name);
        let link = view.but(|view| match is_open {
            true => view.cards.retain(|card| *card != name),
            false => view.cards.push(name.clone()),
        });
        let id = format!("m{at}");
        let pool = snapshot.pools.iter().find(|pool| pool.name == member.pool);
        let Activity { rate: per_second, of_sessions, since_last } = member.activity;
        Self {
            title: member.short_name(),
            balancer: member.balancer.as_deref().unwrap_or("–"),
            url: Some(&*member.url).filter(|url| !url.ends_with(member.short_name())),
            colour: Standing::of(member).colour(),
            words: standing::words(member),
            since: standing::since(member, snapshot.now_ms),
            last_error: member.last_error.map_or("", |error| error.reason.help()),
            busy: member.busy,
            busy_limit: member.busy_limit,
            parked: member.parked,
            waiting: pool.map_or(0, |pool| pool.figures.now.waiting),
            max: member.max.map_or_else(|| "no limit".to_owned(), |max| max.to_string()),
            rate: rate(per_second),
            requests: grouped(member.figures.requests),
            errors: member.figures.failures(),
            quantiles: card::quantiles(&member.figures.duration),
            last: since_last.map_or_else(
                || "never".to_owned(),
                |ago| format!("{} ago", age(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))),
            ),
            of_sessions: match (&member.balancer, &member.route) {
                (Some(_), Some(_)) => grouped(of_sessions),
                _ => "–".to_owned(),
            },
            lbset: member.lbset,
            load_factor: member.load_factor(),
            domain: member.domain.as_deref().unwrap_or("–"),
            link: format!("{link}#{id}"),
            id,
            card: is_open.then(|| card(member, snapshot)),
            pool: pool.filter(|_| is_open).map(pool_row),
            orders: forms::of_member(member),
        }
    }
}

/// The sums over the members that are shown.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) members: usize,
    pub(super) busy: u64,
    pub(super) parked: u64,
    pub(super) rate: String,
    pub(super) requests: String,
    pub(super) errors: u64,
    pub(super) of_sessions: String,
}

impl Totals {
    pub(super) fn of<'s>(members: impl Iterator<Item = &'s Member> + Clone) -> Self {
        let sum = |of: fn(&Member) -> u64| members.clone().map(of).sum::<u64>();
        Self {
            members: members.clone().count(),
            busy: sum(|member| member.busy.into()),
            parked: sum(|member| member.parked.into()),
            rate: rate(members.clone().map(|member| member.activity.rate).sum()),
            requests: grouped(sum(|member| member.figures.requests)),
            errors: sum(|member| member.figures.failures()),
            of_sessions: grouped(sum(|member| member.activity.of_sessions)),
        }
    }
}

/// A row of the table of balancers.
pub(super) struct BalancerRow<'s> {
    pub(super) name: &'s str,
    pub(super) method: &'s str,
    pub(super) sticky: &'s str,
    pub(super) colour: &'static str,
    /// How many of its members take new sessions.
    pub(super) active: usize,
    pub(super) totals: Totals,
    /// The link to its members alone.
    pub(super) link: String,
    pub(super) orders: Orders,
}

impl<'s> BalancerRow<'s> {
    pub(super) fn new(balancer: &'s Balancer, view: &View) -> Self {
        let members = balancer.members.iter();
        let active = members.clone().filter(|m| Standing::of(m) == Standing::Active).count();
        Self {
            name: &balancer.name,
            method: &balancer.method,
            sticky: balancer.sticky.as_deref().unwrap_or("–"),
            colour: match balancer.health() {
                Health::Bad => "bad",
                _ if active < balancer.members.len() => "drain",
                _ => "good",
            },
            active,
            totals: Totals::of(members),
            link: view.but(|view| {
                let balancer = Some(balancer.name.clone());
                *view = View { refresh: view.refresh, balancer, ..View::default() };
            }),
            orders: forms::of_balancer(balancer),
        }
    }
}

/// The head of a column.
pub(super) struct Column {
    pub(super) text: &'static str,
    /// Its meaning.
    pub(super) help: &'static str,
    /// Its class.
    pub(super) class: &'static str,
    /// The link that sorts by it, if one can, and the order that it makes.
    pub(super) link: Option<String>,
    pub(super) order: &'static str,
    /// The direction in which the table is sorted by it; `None`: it is not.
    pub(super) sorted: Option<&'static str>,
}

/// The columns of the table of members: text, meaning, class, order.
const COLUMNS: [(&str, &str, &str, Option<Sort>); 16] = [
    ("Member", "Its route and its URL", "text", Some(Sort::Member)),
    ("State", "Whether it takes requests", "text", Some(Sort::State)),
    ("Balancer", "The balancer that it belongs to", "text", Some(Sort::Balancer)),
    ("In flight", "Requests to it that have not ended", "", Some(Sort::InFlight)),
    ("Max", "The most connections to it of one process of httpd", "minor", None),
    ("Per second", "Requests per second over the last minute", "", Some(Sort::Rate)),
    ("Requests", "Requests since counting began", "", Some(Sort::Requests)),
    ("Errors", "Requests that failed since counting began", "", Some(Sort::Errors)),
    ("p50", "Half of its requests took no longer", "minor", None),
    ("p95", "95 of 100 requests took no longer", "", Some(Sort::Slowness)),
    ("p99", "99 of 100 requests took no longer", "minor", None),
    ("Last request", "The end of the last request", "", Some(Sort::Last)),
    ("Sessions", "Requests of its sessions in the last five minutes", "", Some(Sort::Sessions)),
    ("lbset", "Members with the lowest one are used first", "minor", None),
    ("Factor", "loadfactor: its share of the work", "minor", None),
    ("Domain", "Members of one domain share their sessions", "minor", None),
];

/// The heads of the table of members.
pub(super) fn columns(view: &View) -> Vec<Column> {
    let column = |(text, help, class, sort): (_, _, _, Option<Sort>)| Column {
        text,
        help,
        class,
        link: sort.map(|sort| {
            view.but(|view| {
                view.sort = sort;
                view.part = 0;
            })
        }),
        order: sort.map_or("", Sort::help),
        sorted: sort.filter(|sort| *sort == view.sort).map(Sort::direction),
    };
    COLUMNS.into_iter().map(column).collect()
}
