//! OpenMetrics, for Prometheus. The names are documented in docs/operations.md and do not change.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::{Balancer, Member, Pool, Snapshot, State};
use crate::balance::Activation;
use crate::stats::{
    BOUNDS_MS, Figure, HistogramFigures, MEMBER_FIGURES, POOL_FIGURES, Unit as Counts, Value,
};

/// The media type of [`openmetrics`].
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes the snapshot as OpenMetrics text, a sample at a time.
///
/// # Errors
/// Those of `out`.
pub fn openmetrics(snapshot: Arc<Snapshot>, out: &mut impl fmt::Write) -> fmt::Result {
    let mut registry = Registry::with_prefix("ajp");
    registry.register_collector(Box::new(SnapshotCollector(snapshot)));
    text::encode(out, &registry)
}

#[derive(Debug)]
struct SnapshotCollector(Arc<Snapshot>);

impl Collector for SnapshotCollector {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let snapshot = &*self.0;
        let mut out = Out(encoder);
        out.server(snapshot)?;
        out.balancers(&snapshot.balancers)?;
        out.members(snapshot)?;
        out.pools(&snapshot.pools)
    }
}

type Labels<'s> = Vec<(&'static str, &'s str)>;

struct Out<'e>(DescriptorEncoder<'e>);

impl Out<'_> {
    fn server(&mut self, snapshot: &Snapshot) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.0
            .encode_descriptor("module", "The module that serves ajp", None, MetricType::Info)?
            .encode_info(&version)?;
        self.gauge(
            "children",
            "Child processes of httpd",
            [(Vec::new(), snapshot.children as i64)],
        )?;
        let since = snapshot.since_ms as f64 / 1000.0;
        let help = "Start of counting: the last start or restart of httpd";
        let mut metric = self.0.encode_descriptor(
            "counting_start_time",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        metric.encode_gauge(&since)
    }

    fn members(&mut self, snapshot: &Snapshot) -> fmt::Result {
        let members = || snapshot.members();
        let now = |value: fn(&Member) -> i64| {
            members().map(move |member| (labels(member), value(member)))
        };
        self.gauge(
            "worker_usable",
            "1 if the member takes requests",
            now(|m| m.is_usable().into()),
        )?;
        self.gauge(
            "worker_accepts_new_sessions",
            "1 if the member takes requests that belong to no session: it is usable and active",
            now(|m| m.takes_new_sessions().into()),
        )?;
        self.gauge(
            "worker_failing",
            "1 if the last three requests to the worker have failed, 0 after the next answer",
            now(|m| m.is_failing().into()),
        )?;
        self.last_errors(snapshot)?;
        let activations = members().flat_map(|member| {
            Activation::ALL.map(|one| {
                (with(member, ("activation", one.name())), i64::from(member.activation == one))
            })
        });
        self.gauge(
            "worker_activation",
            "Activation of the member: 1 for the current value",
            activations,
        )?;
        let states = members().flat_map(|member| {
            State::ALL
                .map(|one| (with(member, ("state", one.name())), i64::from(member.state == one)))
        });
        self.gauge("worker_state", "State of the member: 1 for the current value", states)?;
        self.gauge("worker_busy", "Requests in flight", now(|m| m.busy.into()))?;
        let help = "Requests in flight that wait without a thread";
        self.gauge("worker_parked", help, now(|m| m.parked.into()))?;
        let elected = members().map(|member| (labels(member), member.elected));
        self.counter("elected", "Times a balancer chose the member", None, elected)?;
        let sums = || members().map(|member| (labels(member), &member.figures));
        self.figures("", MEMBER_FIGURES, sums)
    }

    fn balancers(&mut self, balancers: &[Balancer]) -> fmt::Result {
        let serves = balancers.iter().map(|balancer| {
            (vec![("balancer", &*balancer.name)], i64::from(balancer.serves_new_sessions()))
        });
        let help = "1 if a member takes requests that belong to no session, and does not fail";
        self.gauge("balancer_serves_new_sessions", help, serves)
    }

    fn last_errors(&mut self, snapshot: &Snapshot) -> fmt::Result {
        let (name, help) = ("worker_last_error_time", "Time of the last request that failed");
        let unit = Some(&Unit::Seconds);
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for member in snapshot.members() {
            if let Some(error) = member.last_error {
                let at = error.at_ms(snapshot.now_ms) as f64 / 1000.0;
                metric.encode_family(&labels(member))?.encode_gauge(&at)?;
            }
        }
        Ok(())
    }

    fn pools<'s>(&mut self, pools: &'s [Pool]) -> fmt::Result {
        let named = |pool: &'s Pool| vec![("pool", &*pool.name)];
        let connections = pools.iter().flat_map(|pool| {
            let now = pool.figures.now;
            [("idle", now.idle), ("in_use", now.in_use), ("pinged", now.borrowed)].map(
                |(state, count)| {
                    let mut labels = named(pool);
                    labels.push(("state", state));
                    (labels, i64::from(count))
                },
            )
        });
        self.gauge("pool_connections", "Open connections", connections)?;
        let waiting = pools.iter().map(|pool| (named(pool), i64::from(pool.figures.now.waiting)));
        self.gauge("pool_waiting", "Requests waiting for a connection", waiting)?;
        let queued = pools.iter().filter_map(|pool| {
            let (waiting, _) = pool.dials_in.as_ref()?.queue?;
            Some((named(pool), i64::from(waiting)))
        });
        let help = "Connections opened by containers that no request uses yet";
        self.gauge("pool_dialled_in", help, queued)?;
        let sums = || pools.iter().map(|pool| (named(pool), &pool.figures));
        self.figures("pool_", POOL_FIGURES, sums)?;
        let sizes = pools.iter().map(|pool| {
            let known = pool.figures.packet_size;
            let mut labels = named(pool);
            labels.push(("source", known.source.name()));
            (labels, i64::try_from(known.bytes).unwrap_or(i64::MAX))
        });
        let help = "Largest request packet that the backend is known to accept";
        self.gauge("pool_packet_size_bytes", help, sizes)
    }

    /// Writes the figures that have a name in OpenMetrics, each for all of `sums`.
    fn figures<'s, F: Default + 's, I: Iterator<Item = (Labels<'s>, &'s F)>>(
        &mut self,
        prefix: &str,
        list: &[Figure<F>],
        sums: impl Fn() -> I,
    ) -> fmt::Result {
        for figure in list {
            let Some(name) = figure.shown.metric else { continue };
            let name = format!("{prefix}{name}");
            if matches!((figure.value)(&F::default()), Value::Times(_)) {
                let times = sums().filter_map(|(labels, sums)| match (figure.value)(sums) {
                    Value::Times(figures) => Some((labels, figures)),
                    Value::Count(_) | Value::ByWord(..) => None,
                });
                self.histogram(&name, figure.help, times)?;
                continue;
            }
            let counts = sums().flat_map(|(labels, sums)| match (figure.value)(sums) {
                Value::Count(count) => vec![(labels, count)],
                Value::ByWord(label, words) => {
                    let with = |word| [&labels[..], &[(label, word)]].concat();
                    words.into_iter().map(|(word, count)| (with(word), count)).collect()
                }
                Value::Times(_) => Vec::new(),
            });
            match figure.shown.unit {
                Counts::Things => self.counter(&name, figure.help, None, counts)?,
                Counts::Bytes => {
                    self.counter(&name, figure.help, Some(&Unit::Bytes), counts)?;
                }
                Counts::Microseconds => {
                    let seconds = counts.map(|(labels, us)| (labels, us as f64 / 1_000_000.0));
                    self.counter(&name, figure.help, Some(&Unit::Seconds), seconds)?;
                }
            }
        }
        Ok(())
    }

    fn gauge<'s>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'s>, i64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counter<'s, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = (Labels<'s>, V)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (labels, value) in samples {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, V, f64>(&value, None)?;
        }
        Ok(())
    }

    fn histogram<'s>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'s>, &'s HistogramFigures)>,
    ) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (labels, figures) in samples {
            let bounds = BOUNDS_MS.map(|bound| bound as f64 / 1000.0);
            let bounds = bounds.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(figures.buckets).collect();
            let (sum, count) = (figures.sum_us as f64 / 1_000_000.0, figures.count());
            let mut metric = metric.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

fn labels(member: &Member) -> Labels<'_> {
    fn text(text: &Option<String>) -> &str {
        text.as_deref().unwrap_or("")
    }
    vec![
        ("balancer", text(&member.balancer)),
        ("worker", &member.url),
        ("route", text(&member.route)),
    ]
}

fn with<'s>(member: &'s Member, label: (&'static str, &'s str)) -> Labels<'s> {
    let mut labels = labels(member);
    labels.push(label);
    labels
}
