//! A backend whose doings are counted where all children see them.

use std::sync::Arc;

use super::{Backend, BackendKey, Reverse};
use crate::pool::{CloseReason, Observe, Pool, PoolGauges};
use crate::stats::{Gauges, PoolStats};

impl Backend {
    /// The name under which its pool is counted. Backends that differ in their secret, say, share it.
    #[must_use]
    pub fn name_of(key: &BackendKey) -> String {
        key.to_string()
    }

    /// As [`new`](Self::new), or, where its container dials in, [`reversed`](Self::reversed); counted
    /// with `stats`, if there are any.
    #[must_use]
    pub fn counted(
        key: BackendKey,
        reverse: Option<Arc<Reverse>>,
        stats: Option<PoolStats>,
    ) -> Self {
        let backend = match reverse {
            Some(reverse) => Self::reversed(key, reverse),
            None => Self::new(key),
        };
        let Some(stats) = stats else { return backend };
        let pool = Pool::observed(Box::new(Counted(stats.clone())));
        let backend = Self { pool, stats: Some(Arc::new(stats)), ..backend };
        if backend.key.packet_size.is_some() {
            backend.publish_packet_size();
        }
        backend
    }

    /// CPING was sent, and answered or not.
    pub(super) fn count_ping(&self, answered: bool) {
        self.count_ping_sent();
        if !answered {
            self.count_ping_failed();
        }
    }

    /// CPING was sent; its answer is yet to come.
    pub(super) fn count_ping_sent(&self) {
        if let Some(stats) = &self.stats {
            stats.counters().pings.add(1);
        }
    }

    /// A CPING that was sent was not answered as it must be.
    pub(super) fn count_ping_failed(&self) {
        if let Some(stats) = &self.stats {
            stats.counters().ping_failures.add(1);
        }
    }
}

#[derive(Debug)]
struct Counted(PoolStats);

impl Observe for Counted {
    fn created(&self) {
        self.0.counters().created.add(1);
    }

    fn reused(&self) {
        self.0.counters().reused.add(1);
    }

    fn timed_out(&self) {
        self.0.counters().timed_out.add(1);
    }

    fn closed(&self, reason: CloseReason) {
        self.0.counters().closed[reason as usize].add(1);
    }

    fn gauges_changed(&self, before: PoolGauges, now: PoolGauges) {
        self.0.gauges_changed(gauges(before), gauges(now));
    }
}

fn gauges(gauges: PoolGauges) -> Gauges {
    // A pool never has 2^32 connections.
    let word = |count: usize| count as u32;
    Gauges {
        idle: word(gauges.idle),
        in_use: word(gauges.in_use),
        borrowed: word(gauges.borrowed),
        waiting: word(gauges.waiting),
    }
}
