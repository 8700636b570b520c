//! The counters of a pool, and its gauges.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::figure::{Count, Value, shown};
use super::packet_size::KnownPacketSize;
use crate::pool::CloseReason;

counters! {
    /// One stripe of the counters of a pool.
    struct PoolCounters;

    /// The sums of a pool over all children, also those that have ended; and its gauges.
    struct PoolFigures {
        /// The gauges, over all children that run.
        now: Gauges,
        /// The largest packet that the backend is known to take.
        packet_size: KnownPacketSize,
    }

    /// The figures of a pool.
    const POOL_FIGURES;

    /// Connections opened.
    created: Count, shown("created").auto("Created");
    /// Times an idle connection served a request.
    reused: Count, shown("reused").auto("Reused");
    /// Connections closed, by reason.
    closed: [Count; CloseReason::ALL.len()] = |figures| closed(figures), shown("closed");
    /// Requests that got no connection within acquire.
    timed_out: Count, shown("acquire_timeouts");
    /// CPINGs sent.
    pings: Count, shown("cpings").page("CPING", "sent");
    /// CPINGs without a proper answer.
    ping_failures: Count, shown("cping_failures").page("CPING", "failed");
}

fn closed(figures: &PoolFigures) -> Value<'static> {
    let words = CloseReason::ALL.into_iter().map(CloseReason::name);
    Value::ByWord("reason", words.zip(figures.closed).collect())
}

/// The gauges of a pool at one moment, in one child or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections waiting for a request.
    pub idle: u32,
    /// Connections serving one, being opened, or being looked at.
    pub in_use: u32,
    /// Connections out to be pinged.
    pub borrowed: u32,
    /// Requests waiting for a connection.
    pub waiting: u32,
}

impl Gauges {
    /// Connections that are open, or about to be.
    pub fn open(self) -> u32 {
        self.idle.saturating_add(self.in_use).saturating_add(self.borrowed)
    }
}

laid_out! {
    /// One child's [`Gauges`] of a pool, in shared memory.
    #[repr(C)]
    #[derive(Debug, Default)]
    pub struct PoolGauges {
        idle: AtomicU32,
        in_use: AtomicU32,
        borrowed: AtomicU32,
        waiting: AtomicU32,
    }
}

const _: () = assert!(size_of::<PoolGauges>() == 16);

impl PoolGauges {
    /// As differences: several pools of a child may have one name.
    pub(super) fn change(&self, before: Gauges, now: Gauges) {
        let change = |gauge: &AtomicU32, before: u32, now: u32| {
            if before != now {
                gauge.fetch_add(now.wrapping_sub(before), Relaxed);
            }
        };
        change(&self.idle, before.idle, now.idle);
        change(&self.in_use, before.in_use, now.in_use);
        change(&self.borrowed, before.borrowed, now.borrowed);
        change(&self.waiting, before.waiting, now.waiting);
    }

    pub(super) fn add_to(&self, sum: &mut Gauges) {
        sum.idle = sum.idle.wrapping_add(self.idle.load(Relaxed));
        sum.in_use = sum.in_use.wrapping_add(self.in_use.load(Relaxed));
        sum.borrowed = sum.borrowed.wrapping_add(self.borrowed.load(Relaxed));
        sum.waiting = sum.waiting.wrapping_add(self.waiting.load(Relaxed));
    }

    pub(super) fn clear(&self) {
        let Self { idle, in_use, borrowed, waiting } = self;
        [idle, in_use, borrowed, waiting].into_iter().for_each(|gauge| gauge.store(0, Relaxed));
    }
}
