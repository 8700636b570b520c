//! For Prometheus. The names are documented in docs/operations.md, and stay.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::{Member, Pool, Snapshot, State};
use crate::balance::Activation;
use crate::pool::CloseReason;
use crate::stats::{BOUNDS_MS, HistogramFigures};

/// The media type of [`openmetrics`].
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The picture as OpenMetrics text.
///
/// # Errors
/// None that this could meet: a `String` takes all.
pub fn openmetrics(snapshot: Arc<Snapshot>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("ajp");
    registry.register_collector(Box::new(Picture(snapshot)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Picture(Arc<Snapshot>);

impl Collector for Picture {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let snapshot = &*self.0;
        let mut out = Out(encoder);
        out.server(snapshot)?;
        out.members(&snapshot.members().collect::<Vec<_>>())?;
        out.pools(&snapshot.pools)
    }
}

type Labels = Vec<(&'static str, String)>;

struct Out<'e>(DescriptorEncoder<'e>);

impl Out<'_> {
    fn server(&mut self, snapshot: &Snapshot) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.0
            .encode_descriptor("module", "The module that serves ajp", None, MetricType::Info)?
            .encode_info(&version)?;
        self.gauge(
            "children",
            "Processes of httpd that serve",
            [(Vec::new(), snapshot.children as i64)],
        )?;
        let since = snapshot.since_ms as f64 / 1000.0;
        let help = "Since when it is counted: the last start or restart of httpd";
        let mut metric = self.0.encode_descriptor(
            "counting_start_time",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        metric.encode_gauge(&since)
    }

    fn members(&mut self, members: &[&Member]) -> fmt::Result {
        let each = |value: fn(&Member) -> u64| {
            members.iter().map(move |member| (labels(member), value(member)))
        };
        let now = |value: fn(&Member) -> i64| {
            members.iter().map(move |member| (labels(member), value(member)))
        };
        self.gauge("worker_usable", "1: it may be given requests", now(|m| m.is_usable().into()))?;
        let activations = members.iter().flat_map(|member| {
            Activation::ALL.map(|one| {
                (with(member, ("activation", one.name())), i64::from(member.activation == one))
            })
        });
        self.gauge(
            "worker_activation",
            "What it is to be used for: 1 for one of them",
            activations,
        )?;
        let states = members.iter().flat_map(|member| {
            State::ALL
                .map(|one| (with(member, ("state", one.name())), i64::from(member.state == one)))
        });
        self.gauge("worker_state", "How it is: 1 for one of them", states)?;
        self.gauge("worker_busy", "Requests in flight", now(|m| m.busy.into()))?;
        self.counter("elected", "Times a balancer has chosen it", each(|m| m.elected))?;
        self.counter("requests", "Requests it was given", each(|m| m.figures.requests))?;
        let help = "Times a request was sent to it, each attempt for itself";
        self.counter("sent", help, each(|m| m.figures.sent))?;
        let help = "Attempts after the first of a request, on a new connection";
        self.counter("retries", help, each(|m| m.figures.retries))?;
        let help = "Requests that another member was given after it";
        self.counter("failovers", help, each(|m| m.figures.failovers))?;
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let answers = members.iter().flat_map(|member| {
            let each = classes.into_iter().zip(member.figures.answers);
            each.map(|(class, count)| (with(member, ("class", class)), count))
        });
        self.counter("responses", "Whole responses, by status", answers)?;
        let errors = members.iter().flat_map(|member| {
            let each = member.figures.errors();
            each.map(|(reason, count)| (with(member, ("reason", reason.name())), count))
        });
        self.counter("errors", "Requests that failed, by reason", errors)?;
        let (bytes, seconds) = (Some(&Unit::Bytes), Some(&Unit::Seconds));
        let sent = each(|m| m.figures.uploaded);
        self.counter_in("request_body", "Request bodies sent to it", bytes, sent)?;
        let received = each(|m| m.figures.downloaded);
        self.counter_in("response_body", "Response bodies received from it", bytes, received)?;
        let waited = members.iter().map(|m| (labels(m), m.figures.waited_us as f64 / 1_000_000.0));
        let help = "Time that requests waited for a connection to it";
        self.counter_in("connection_wait", help, seconds, waited)?;
        let help = "From the request to the end of its response, of requests that were sent";
        self.histogram("request_duration", help, members, |m| &m.figures.duration)?;
        let help = "From the request to the headers of its response";
        self.histogram("first_byte", help, members, |m| &m.figures.first_byte)
    }

    fn pools(&mut self, pools: &[Pool]) -> fmt::Result {
        let named = |pool: &Pool| vec![("pool", pool.name.clone())];
        let each = |value: fn(&Pool) -> u64| {
            pools.iter().map(move |pool| (vec![("pool", pool.name.clone())], value(pool)))
        };
        let connections = pools.iter().flat_map(|pool| {
            let now = pool.figures.now;
            [("idle", now.idle), ("in_use", now.in_use), ("pinged", now.borrowed)].map(
                |(state, count)| {
                    let mut labels = named(pool);
                    labels.push(("state", state.to_owned()));
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
        let help = "Connections that containers have opened and no request has taken";
        self.gauge("pool_dialled_in", help, queued)?;
        self.counter("pool_created", "Connections opened", each(|p| p.figures.created))?;
        let help = "Times an idle connection served a request";
        self.counter("pool_reused", help, each(|p| p.figures.reused))?;
        let closed = pools.iter().flat_map(|pool| {
            CloseReason::ALL.into_iter().zip(pool.figures.closed).map(move |(reason, count)| {
                (vec![("pool", pool.name.clone()), ("reason", reason.name().to_owned())], count)
            })
        });
        self.counter("pool_closed", "Connections closed, by reason", closed)?;
        let help = "Requests that got no connection within acquire";
        self.counter("pool_acquire_timeouts", help, each(|p| p.figures.timed_out))?;
        self.counter("pool_cpings", "CPINGs sent", each(|p| p.figures.pings))?;
        let help = "CPINGs without a proper answer";
        self.counter("pool_cping_failures", help, each(|p| p.figures.ping_failures))?;
        let sizes = pools.iter().map(|pool| {
            let known = pool.figures.packet_size;
            let mut labels = named(pool);
            labels.push(("source", known.source.name().to_owned()));
            (labels, i64::try_from(known.bytes).unwrap_or(i64::MAX))
        });
        let help = "Largest request packet that the backend is known to take";
        self.gauge("pool_packet_size_bytes", help, sizes)
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, i64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) -> fmt::Result {
        self.counter_in(name, help, None, samples)
    }

    fn counter_in<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (labels, value) in samples {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, V, f64>(&value, None)?;
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        members: &[&Member],
        figures: fn(&Member) -> &HistogramFigures,
    ) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for member in members {
            let figures = figures(member);
            let bounds = BOUNDS_MS.map(|bound| bound as f64 / 1000.0);
            let bounds = bounds.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(figures.buckets).collect();
            let (sum, count) = (figures.sum_us as f64 / 1_000_000.0, figures.count());
            let labels = labels(member);
            let mut metric = metric.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

fn labels(member: &Member) -> Labels {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        ("balancer", text(&member.balancer)),
        ("worker", member.url.clone()),
        ("route", text(&member.route)),
    ]
}

fn with(member: &Member, (key, value): (&'static str, &str)) -> Labels {
    let mut labels = labels(member);
    labels.push((key, value.to_owned()));
    labels
}
