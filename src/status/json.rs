//! JSON, for scripts. The fields are documented in docs/operations.md and do not change; new ones may come.

use std::io;
use std::num::NonZeroUsize;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{Balancer, DialsIn, Member, Pool, Snapshot};
use crate::stats::{
    Activity, BOUNDS_MS, Figure, HistogramFigures, LastError, MEMBER_FIGURES, POOL_FIGURES, Unit,
    Value as Figured,
};

/// Grows when a field goes or changes its meaning.
const FORMAT: u32 = 1;

/// Writes the snapshot as JSON, a member at a time.
///
/// # Errors
/// Those of `out`.
pub fn json(snapshot: &Snapshot, mut out: impl io::Write) -> Result<(), serde_json::Error> {
    serde_json::to_writer_pretty(&mut out, &Report(snapshot))?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

struct Report<'s>(&'s Snapshot);

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let snapshot = self.0;
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("format", &FORMAT)?;
        out.serialize_entry("module", "mod_proxy_ajp_rs")?;
        out.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        out.serialize_entry("server", &*snapshot.server)?;
        out.serialize_entry("time", &seconds(snapshot.now_ms))?;
        out.serialize_entry("counting_since", &seconds(snapshot.since_ms))?;
        out.serialize_entry("children", &snapshot.children)?;
        out.serialize_entry("health", snapshot.health().name())?;
        let balancer = |balancer| BalancerReport(balancer, snapshot);
        out.serialize_entry("balancers", &Each(&snapshot.balancers, balancer))?;
        out.serialize_entry("workers", &Each(&snapshot.workers, |one| member(one, snapshot)))?;
        out.serialize_entry("pools", &Each(&snapshot.pools, pool))?;
        out.end()
    }
}

struct BalancerReport<'s>(&'s Balancer, &'s Snapshot);

impl Serialize for BalancerReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(balancer, snapshot) = self;
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("name", &*balancer.name)?;
        out.serialize_entry("method", &*balancer.method)?;
        out.serialize_entry("sticky", &balancer.sticky)?;
        out.serialize_entry("health", balancer.health().name())?;
        out.serialize_entry("serves_new_sessions", &balancer.serves_new_sessions())?;
        out.serialize_entry("members", &Each(&balancer.members, |one| member(one, snapshot)))?;
        out.end()
    }
}

/// A list whose elements are made one at a time, when they are written.
struct Each<'s, T, F>(&'s [T], F);

impl<'s, T, F: Fn(&'s T) -> O, O: Serialize> Serialize for Each<'s, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

fn member(member: &Member, snapshot: &Snapshot) -> Object {
    let mut out = Object::default();
    out.put("url", &*member.url);
    out.put("route", member.route.as_deref());
    out.put("redirect", member.redirect.as_deref());
    out.put("domain", member.domain.as_deref());
    out.put("pool", &*member.pool);
    out.put("usable", member.is_usable());
    out.put("takes_new_sessions", member.takes_new_sessions());
    out.put("activation", member.activation.name());
    out.put("state", member.state.name());
    out.put("role", member.role.name());
    out.put("lbset", member.lbset);
    out.put("loadfactor", member.load_factor());
    out.put("busy", member.busy);
    out.put("parked", member.parked);
    out.put("busy_limit", member.busy_limit);
    out.put("max", member.max.map(NonZeroUsize::get));
    out.put("elected", member.elected);
    out.put("recovers_in", member.recovers_in_ms.map(seconds));
    out.put("in_error_since", member.in_error_since_ms.map(seconds));
    out.put("failing_since", member.failing_since_ms.map(seconds));
    out.put_object("last_error", member.last_error.map(|error| last_error(error, snapshot)));
    out.put("counting_since", seconds(member.reset_ms.unwrap_or(snapshot.since_ms)));
    let Activity { rate, of_sessions, since_last } = member.activity;
    out.put("request_rate", (rate * 1000.0).round() / 1000.0);
    out.put("session_requests_5min", of_sessions);
    let last = since_last.map(|ago| seconds(snapshot.now_ms) - ago.as_secs_f64());
    out.put("last_request", last);
    let figures = &member.figures;
    out.put_figures(MEMBER_FIGURES, figures, |value| matches!(value, Figured::Count(_)));
    out.put_figures(MEMBER_FIGURES, figures, |value| matches!(value, Figured::ByWord(..)));
    out.put_figures(MEMBER_FIGURES, figures, |value| matches!(value, Figured::Times(_)));
    out
}

fn last_error(error: LastError, snapshot: &Snapshot) -> Object {
    let mut out = Object::default();
    out.put("time", seconds(error.at_ms(snapshot.now_ms)));
    out.put("reason", error.reason.name());
    out.put("text", error.to_string());
    out
}

fn pool(pool: &Pool) -> Object {
    let (figures, now) = (&pool.figures, pool.figures.now);
    let mut out = Object::default();
    out.put("name", &*pool.name);
    out.put_object("dials_in", pool.dials_in.as_ref().map(dials_in));
    out.put("open", now.open());
    out.put("idle", now.idle);
    out.put("in_use", now.in_use);
    out.put("pinged", now.borrowed);
    out.put("waiting", now.waiting);
    out.put_figures(POOL_FIGURES, figures, |value| matches!(value, Figured::Count(_)));
    out.put("packet_size", figures.packet_size.bytes);
    out.put("packet_size_source", figures.packet_size.source.name());
    out.put_figures(POOL_FIGURES, figures, |value| !matches!(value, Figured::Count(_)));
    out
}

fn dials_in(dials_in: &DialsIn) -> Object {
    let mut out = Object::default();
    out.put("at", &*dials_in.at);
    out.put("waiting", dials_in.queue.map(|(waiting, _)| waiting));
    out.put("backlog", dials_in.queue.map(|(_, backlog)| backlog));
    out
}

fn times(figures: &HistogramFigures) -> Object {
    let mut count = 0;
    let bounds = BOUNDS_MS.into_iter().map(|bound| Some(seconds(bound))).chain([None]);
    let buckets = bounds.zip(figures.buckets).map(|(le, here)| {
        count += here;
        let mut bucket = Object::default();
        // The last one has no bound.
        bucket.put("le", le);
        bucket.put("count", count);
        bucket
    });
    let buckets = buckets.collect();
    let quantile = |part| figures.quantile(part).map(|time| time.as_secs_f64());
    let mut out = Object::default();
    out.put("count", count);
    out.put("sum", micros(figures.sum_us));
    out.put("p50", quantile(0.5));
    out.put("p95", quantile(0.95));
    out.put("p99", quantile(0.99));
    out.put_all("buckets", buckets);
    out
}

/// An object whose fields stay in the order in which they are put.
#[derive(Default)]
struct Object(Vec<(&'static str, Field)>);

enum Field {
    Value(Value),
    Object(Object),
    Objects(Vec<Object>),
}

impl Object {
    fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.push((key, Field::Value(value.into())));
    }

    fn put_object(&mut self, key: &'static str, object: Option<Object>) {
        self.0.push((key, object.map_or(Field::Value(Value::Null), Field::Object)));
    }

    fn put_all(&mut self, key: &'static str, objects: Vec<Object>) {
        self.0.push((key, Field::Objects(objects)));
    }

    /// Puts the figures that have a name in JSON, as far as `is_wanted` says so of their values.
    fn put_figures<F>(
        &mut self,
        list: &[Figure<F>],
        sums: &F,
        is_wanted: impl Fn(&Figured<'_>) -> bool,
    ) {
        for figure in list {
            let value = (figure.value)(sums);
            let Some(key) = figure.shown.json.filter(|_| is_wanted(&value)) else { continue };
            match value {
                Figured::Count(us) if figure.shown.unit == Unit::Microseconds => {
                    self.put(key, micros(us));
                }
                Figured::Count(count) => self.put(key, count),
                Figured::ByWord(_, counts) => self.put(key, by_word(counts)),
                Figured::Times(figures) => self.put_object(key, Some(times(figures))),
            }
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, field) in &self.0 {
            match field {
                Field::Value(value) => map.serialize_entry(key, value)?,
                Field::Object(object) => map.serialize_entry(key, object)?,
                Field::Objects(objects) => map.serialize_entry(key, objects)?,
            }
        }
        map.end()
    }
}

fn by_word(counts: Vec<(&'static str, u64)>) -> Map<String, Value> {
    counts.into_iter().map(|(word, count)| (word.to_owned(), count.into())).collect()
}

fn seconds(ms: u64) -> f64 {
    // Below 2^53 for some hundred thousand years.
    ms as f64 / 1000.0
}

fn micros(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}
