//! The parameters of the page's URL: which members it shows, in which order, how often it loads itself
//! again, and which cards are open.

use std::cmp::Reverse;

use super::standing::Standing;
use crate::status::Member;

words! {
    /// The members that are shown.
    pub(super) enum Show default All {
        /// All of them.
        All = "all",
        /// Those that do not take requests, through a fault.
        Failing = "failing",
        /// Those that an operator or the configuration has stopped.
        Stopped = "stopped",
        /// Those that take requests of their sessions only.
        Draining = "draining",
        /// Those that take all requests.
        Active = "active",
    }
}

words! {
    /// The order of the members.
    pub(super) enum Sort default State {
        /// The failing ones first.
        State = "state",
        /// By their names.
        Member = "member",
        /// By their balancers.
        Balancer = "balancer",
        /// The most requests in flight first.
        InFlight = "busy",
        /// The most requests per second first.
        Rate = "rate",
        /// The most requests first.
        Requests = "requests",
        /// The most errors first.
        Errors = "errors",
        /// The slowest first.
        Slowness = "p95",
        /// The latest request first.
        Last = "last",
        /// The most requests of sessions in the last five minutes first.
        Sessions = "sessions",
    }
}

impl Sort {
    /// The direction, as `aria-sort` has it.
    pub(super) fn direction(self) -> &'static str {
        match self {
            Self::Member | Self::Balancer => "ascending",
            Self::State => "other",
            _ => "descending",
        }
    }
}

/// What a URL of the page asks for. Each value of it is one that the page knows, or a text to be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// A part of the names of the members that are shown.
    pub(super) find: String,
    /// The balancer whose members alone are shown.
    pub(super) balancer: Option<String>,
    pub(super) show: Show,
    pub(super) sort: Sort,
    /// The part of a long table, from 0.
    pub(super) part: usize,
    /// Seconds until the page is loaded again.
    pub(super) refresh: Option<u32>,
    /// The names of the members whose cards are open.
    pub(super) cards: Vec<String>,
}

/// The times after which the page can load itself again, in seconds.
pub(super) const REFRESH: [u32; 5] = [2, 5, 10, 30, 60];

/// More cards than anyone looks at: a URL is not longer.
const MOST_CARDS: usize = 20;

impl View {
    /// Reads the query of a URL. What it does not know is left out.
    pub(super) fn of(query: &[u8]) -> Self {
        let mut view = Self::default();
        for (key, value) in form_urlencoded::parse(query) {
            match &*key {
                "find" => view.find = value.trim().to_owned(),
                "balancer" if !value.is_empty() => view.balancer = Some(value.into_owned()),
                "show" => view.show = named(&Show::ALL, Show::name, &value),
                "sort" => view.sort = named(&Sort::ALL, Sort::name, &value),
                "page" => view.part = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
                "refresh" => {
                    view.refresh = value.parse().ok().filter(|s| (1..=3600).contains(s));
                }
                "card" if view.cards.len() < MOST_CARDS => view.cards.push(value.into_owned()),
                _ => {}
            }
        }
        view
    }

    /// The query that asks for it, with its question mark: never empty, since a link to nothing keeps the
    /// query of the page that it is on.
    pub(super) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
        if !self.find.is_empty() {
            query.append_pair("find", &self.find);
        }
        if let Some(balancer) = &self.balancer {
            query.append_pair("balancer", balancer);
        }
        if self.show != Show::default() {
            query.append_pair("show", self.show.name());
        }
        if self.sort != Sort::default() {
            query.append_pair("sort", self.sort.name());
        }
        if self.part > 0 {
            query.append_pair("page", &(self.part + 1).to_string());
        }
        if let Some(seconds) = self.refresh {
            query.append_pair("refresh", &seconds.to_string());
        }
        for card in &self.cards {
            query.append_pair("card", card);
        }
        query.finish()
    }

    /// The query of a view that differs in this.
    pub(super) fn but(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut view = self.clone();
        change(&mut view);
        view.query()
    }

    /// The order, if it is not the usual one.
    pub(super) fn own_sort(&self) -> Option<&'static str> {
        Some(self.sort.name()).filter(|_| self.sort != Sort::default())
    }

    /// Whether it leaves members out.
    pub(super) fn is_filtered(&self) -> bool {
        !self.find.is_empty() || self.balancer.is_some() || self.show != Show::All
    }

    /// The members that it shows, in its order.
    pub(super) fn select<'s>(&self, members: impl Iterator<Item = &'s Member>) -> Vec<&'s Member> {
        let find = self.find.to_lowercase();
        let mut found: Vec<_> =
            members.filter(|member| self.shows(member) && has_name(member, &find)).collect();
        // Each keeps the order of the configuration among equals.
        match self.sort {
            Sort::State => found.sort_by_key(|member| Standing::of(member)),
            Sort::Member => found.sort_by_cached_key(|member| member.short_name().to_lowercase()),
            Sort::Balancer => found.sort_by_key(|member| member.balancer.as_deref()),
            Sort::InFlight => found.sort_by_key(|member| Reverse(member.busy)),
            Sort::Rate => found.sort_by(|a, b| b.activity.rate.total_cmp(&a.activity.rate)),
            Sort::Requests => found.sort_by_key(|member| Reverse(member.figures.requests)),
            Sort::Errors => found.sort_by_cached_key(|member| Reverse(member.figures.failures())),
            Sort::Slowness => {
                found.sort_by_cached_key(|member| Reverse(member.figures.duration.quantile(0.95)));
            }
            Sort::Last => found.sort_by_key(|member| {
                (member.activity.since_last.is_none(), member.activity.since_last)
            }),
            Sort::Sessions => found.sort_by_key(|member| Reverse(member.activity.of_sessions)),
        }
        found
    }

    fn shows(&self, member: &Member) -> bool {
        if self.balancer.is_some() && self.balancer != member.balancer {
            return false;
        }
        let standing = Standing::of(member);
        match self.show {
            Show::All => true,
            Show::Failing => standing == Standing::Failing,
            Show::Stopped => standing == Standing::Stopped,
            Show::Draining => standing == Standing::Draining,
            Show::Active => standing == Standing::Active,
        }
    }
}

/// Whether any name of a member has this text, which is in lower case.
fn has_name(member: &Member, find: &str) -> bool {
    let others = [&member.route, &member.domain].into_iter().flatten();
    find.is_empty()
        || member.name().to_lowercase().contains(find)
        || others.into_iter().any(|name| name.to_lowercase().contains(find))
}

fn named<T: Copy + Default>(all: &[T], name: fn(T) -> &'static str, wanted: &str) -> T {
    all.iter().copied().find(|one| name(*one) == wanted).unwrap_or_default()
}
