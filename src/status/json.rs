//! For scripts. The fields are documented in docs/operations.md, and stay: new ones may come.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Member, Pool, Snapshot};
use crate::pool::CloseReason;
use crate::stats::{BOUNDS_MS, HistogramFigures};

/// Grows when a field goes or changes its meaning.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Report<'s> {
    format: u32,
    module: &'static str,
    version: &'static str,
    server: &'s str,
    time: f64,
    counting_since: f64,
    children: usize,
    balancers: Vec<BalancerReport<'s>>,
    workers: Vec<MemberReport<'s>>,
    pools: Vec<PoolReport<'s>>,
}

#[derive(Serialize)]
struct BalancerReport<'s> {
    name: &'s str,
    method: &'s str,
    sticky: Option<&'s str>,
    members: Vec<MemberReport<'s>>,
}

#[derive(Serialize)]
struct MemberReport<'s> {
    url: &'s str,
    route: Option<&'s str>,
    redirect: Option<&'s str>,
    domain: Option<&'s str>,
    pool: &'s str,
    usable: bool,
    activation: &'static str,
    state: &'static str,
    role: &'static str,
    lbset: i32,
    loadfactor: f64,
    busy: u32,
    busy_limit: Option<u32>,
    elected: u64,
    recovers_in: Option<f64>,
    counting_since: f64,
    requests: u64,
    sent: u64,
    retries: u64,
    failovers: u64,
    reply_timeouts: u64,
    bytes_sent: u64,
    bytes_received: u64,
    waited: f64,
    answers: Map<String, Value>,
    errors: Map<String, Value>,
    duration: Times,
    first_byte: Times,
}

#[derive(Serialize)]
struct Times {
    count: u64,
    sum: f64,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    buckets: Vec<Bucket>,
}

#[derive(Serialize)]
struct Bucket {
    /// The last one has none.
    le: Option<f64>,
    count: u64,
}

#[derive(Serialize)]
struct PoolReport<'s> {
    name: &'s str,
    dials_in: Option<DialsInReport<'s>>,
    open: u32,
    idle: u32,
    in_use: u32,
    pinged: u32,
    waiting: u32,
    created: u64,
    reused: u64,
    acquire_timeouts: u64,
    cpings: u64,
    cping_failures: u64,
    packet_size: usize,
    packet_size_source: &'static str,
    closed: Map<String, Value>,
}

#[derive(Serialize)]
struct DialsInReport<'s> {
    at: &'s str,
    waiting: Option<u32>,
    backlog: Option<u32>,
}

/// The picture as JSON.
///
/// # Errors
/// None that this could meet: the types are plain.
pub fn json(snapshot: &Snapshot) -> Result<String, serde_json::Error> {
    let since = snapshot.since_ms;
    let report = Report {
        format: FORMAT,
        module: "mod_proxy_ajp_rs",
        version: env!("CARGO_PKG_VERSION"),
        server: &snapshot.server,
        time: seconds(snapshot.now_ms),
        counting_since: seconds(since),
        children: snapshot.children,
        balancers: snapshot
            .balancers
            .iter()
            .map(|balancer| BalancerReport {
                name: &balancer.name,
                method: &balancer.method,
                sticky: balancer.sticky.as_deref(),
                members: balancer.members.iter().map(|one| member(one, since)).collect(),
            })
            .collect(),
        workers: snapshot.workers.iter().map(|one| member(one, since)).collect(),
        pools: snapshot.pools.iter().map(pool).collect(),
    };
    serde_json::to_string_pretty(&report).map(|text| text + "\n")
}

fn member(member: &Member, since_ms: u64) -> MemberReport<'_> {
    let figures = &member.figures;
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    MemberReport {
        url: &member.url,
        route: member.route.as_deref(),
        redirect: member.redirect.as_deref(),
        domain: member.domain.as_deref(),
        pool: &member.pool,
        usable: member.is_usable(),
        activation: member.activation.name(),
        state: member.state.name(),
        role: member.role.name(),
        lbset: member.lbset,
        loadfactor: f64::from(member.lbfactor) / 100.0,
        busy: member.busy,
        busy_limit: member.busy_limit,
        elected: member.elected,
        recovers_in: member.recovers_in_ms.map(seconds),
        counting_since: seconds(member.reset_ms.unwrap_or(since_ms)),
        requests: figures.requests,
        sent: figures.sent,
        retries: figures.retries,
        failovers: figures.failovers,
        reply_timeouts: figures.errors_of(crate::stats::ErrorReason::ReplyTimeout),
        bytes_sent: figures.uploaded,
        bytes_received: figures.downloaded,
        waited: micros(figures.waited_us),
        answers: counts(classes.into_iter().zip(figures.answers)),
        errors: counts(figures.errors().map(|(reason, count)| (reason.name(), count))),
        duration: times(&figures.duration),
        first_byte: times(&figures.first_byte),
    }
}

fn pool(pool: &Pool) -> PoolReport<'_> {
    let (figures, now) = (&pool.figures, pool.figures.now);
    let closed = CloseReason::ALL.into_iter().zip(figures.closed);
    PoolReport {
        name: &pool.name,
        dials_in: pool.dials_in.as_ref().map(|dials_in| DialsInReport {
            at: &dials_in.at,
            waiting: dials_in.queue.map(|(waiting, _)| waiting),
            backlog: dials_in.queue.map(|(_, backlog)| backlog),
        }),
        open: now.open(),
        idle: now.idle,
        in_use: now.in_use,
        pinged: now.borrowed,
        waiting: now.waiting,
        created: figures.created,
        reused: figures.reused,
        acquire_timeouts: figures.timed_out,
        cpings: figures.pings,
        cping_failures: figures.ping_failures,
        packet_size: figures.packet_size.bytes,
        packet_size_source: figures.packet_size.source.name(),
        closed: counts(closed.map(|(reason, count)| (reason.name(), count))),
    }
}

fn times(figures: &HistogramFigures) -> Times {
    let mut count = 0;
    let bounds = BOUNDS_MS.into_iter().map(|bound| Some(seconds(bound))).chain([None]);
    let buckets = bounds.zip(figures.buckets).map(|(le, here)| {
        count += here;
        Bucket { le, count }
    });
    let buckets = buckets.collect();
    let quantile = |part| figures.quantile(part).map(|time| time.as_secs_f64());
    Times {
        count,
        sum: micros(figures.sum_us),
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        buckets,
    }
}

fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Map<String, Value> {
    counts.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

fn seconds(ms: u64) -> f64 {
    // Below 2^53 for some hundred thousand years.
    ms as f64 / 1000.0
}

fn micros(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}
