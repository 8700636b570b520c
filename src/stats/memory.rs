//! How a child reaches its counters.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::layout::{MemberSlot, PoolSlot, StatsHeader, StatsSizes, StatsTable};
use super::member::MemberCounters;
use super::member_gauges::MemberGauges;
use super::packet_size::KnownPacketSize;
use super::pool::{Gauges, PoolCounters, PoolGauges};
use crate::shared::MemberKey;

/// Memory that holds counters.
pub trait StatsMemory: fmt::Debug + Send + Sync {
    /// Returns the view of it.
    fn table(&self) -> StatsTable<'_>;

    /// One of [`StatsTable::member_counters`], for the hot path.
    fn member(&self, at: usize) -> &MemberCounters;

    /// One of [`StatsTable::pool_counters`], for the hot path.
    fn pool(&self, at: usize) -> &PoolCounters;

    /// One of [`StatsTable::gauges`], for the hot path.
    fn gauges(&self, at: usize) -> &PoolGauges;

    /// One of [`StatsTable::member_gauges`].
    fn member_gauges(&self, at: usize) -> &MemberGauges;
}

/// One child's access to the counters.
#[derive(Clone, Debug)]
pub struct Counting {
    memory: Arc<dyn StatsMemory>,
    stripe: usize,
    row: Option<usize>,
}

impl Counting {
    /// Takes a row for the child with this pid. If none is left, the child counts, but without gauges.
    pub fn begin(memory: Arc<dyn StatsMemory>, pid: u32) -> Self {
        let table = memory.table();
        let row = table.child_begins(pid);
        let stripes = (table.member_counters.len() / table.sizes.slots()).max(1);
        let stripe = row.unwrap_or(0) % stripes;
        Self { memory, stripe, row }
    }

    /// The counters of a member. `None`: there is no room for it.
    pub fn member(&self, key: MemberKey) -> Option<MemberStats> {
        let table = self.memory.table();
        let slot = table.claim_member(key)?;
        let at = self.stripe * table.sizes.slots() + slot;
        let gauges = self.row.map(|row| row * table.sizes.slots() + slot);
        Some(MemberStats { memory: Arc::clone(&self.memory), at, gauges })
    }

    /// The counters of a pool, likewise. Pools of one name are counted together.
    pub fn pool(&self, name: &str) -> Option<PoolStats> {
        let table = self.memory.table();
        let slot = table.claim_pool(name)?;
        let at = self.stripe * table.sizes.slots() + slot;
        let gauges = self.row.map(|row| row * table.sizes.slots() + slot);
        Some(PoolStats { memory: Arc::clone(&self.memory), slot, at, gauges })
    }

    /// The view of the whole memory.
    pub fn table(&self) -> StatsTable<'_> {
        self.memory.table()
    }
}

/// Counters of one member, and its gauges.
#[derive(Clone, Debug)]
pub struct MemberStats {
    memory: Arc<dyn StatsMemory>,
    at: usize,
    gauges: Option<usize>,
}

impl MemberStats {
    /// The counters to add to.
    pub fn counters(&self) -> &MemberCounters {
        self.memory.member(self.at)
    }

    /// Counts a request that waits without a thread from now on, until the gauge is dropped.
    pub fn parked(&self) -> ParkedGauge {
        let gauge = ParkedGauge { memory: Arc::clone(&self.memory), at: self.gauges };
        if let Some(record) = gauge.record() {
            record.add_parked();
        }
        gauge
    }
}

/// A request to a member that waits without a thread: counted in the child's own row until this is
/// dropped, on whichever thread, or until the child is gone.
#[derive(Debug)]
#[must_use = "the request is counted as long as this is there"]
pub struct ParkedGauge {
    memory: Arc<dyn StatsMemory>,
    /// `None`: the child has no row, and the request is not counted.
    at: Option<usize>,
}

impl ParkedGauge {
    fn record(&self) -> Option<&MemberGauges> {
        self.at.map(|at| self.memory.member_gauges(at))
    }
}

impl Drop for ParkedGauge {
    fn drop(&mut self) {
        if let Some(record) = self.record() {
            record.remove_parked();
        }
    }
}

/// Counters of one pool, and its gauges.
#[derive(Clone, Debug)]
pub struct PoolStats {
    memory: Arc<dyn StatsMemory>,
    slot: usize,
    at: usize,
    gauges: Option<usize>,
}

impl PoolStats {
    /// The counters to add to.
    pub fn counters(&self) -> &PoolCounters {
        self.memory.pool(self.at)
    }

    /// Publishes the packet size that the backend is known to take.
    pub fn set_packet_size(&self, known: KnownPacketSize) {
        if let Some(slot) = self.memory.table().pools.get(self.slot) {
            slot.set_packet_size(known);
        }
    }

    /// The pool has changed. As differences: several pools of a child may have one name.
    pub fn gauges_changed(&self, before: Gauges, now: Gauges) {
        if let Some(at) = self.gauges {
            self.memory.gauges(at).change(before, now);
        }
    }
}

/// Counters in the memory of one process.
#[derive(Debug)]
pub struct PrivateStats {
    header: StatsHeader,
    members: Box<[MemberSlot]>,
    pools: Box<[PoolSlot]>,
    member_counters: Box<[MemberCounters]>,
    pool_counters: Box<[PoolCounters]>,
    pids: Box<[AtomicU32]>,
    gauges: Box<[PoolGauges]>,
    member_gauges: Box<[MemberGauges]>,
    sizes: StatsSizes,
}

impl PrivateStats {
    /// Makes counters that are all 0.
    pub fn new(sizes: StatsSizes) -> Self {
        fn many<T: Default>(count: usize) -> Box<[T]> {
            (0..count).map(|_| T::default()).collect()
        }
        let own = Self {
            header: StatsHeader::default(),
            members: many(sizes.slots()),
            pools: many(sizes.slots()),
            member_counters: many(sizes.counters()),
            pool_counters: many(sizes.counters()),
            pids: many(sizes.rows()),
            gauges: many(sizes.gauges()),
            member_gauges: many(sizes.gauges()),
            sizes,
        };
        own.table().begin();
        own
    }
}

impl StatsMemory for PrivateStats {
    fn table(&self) -> StatsTable<'_> {
        StatsTable {
            header: &self.header,
            members: &self.members,
            pools: &self.pools,
            member_counters: &self.member_counters,
            pool_counters: &self.pool_counters,
            pids: &self.pids,
            gauges: &self.gauges,
            member_gauges: &self.member_gauges,
            sizes: self.sizes,
        }
    }

    fn member(&self, at: usize) -> &MemberCounters {
        &self.member_counters[at]
    }

    fn pool(&self, at: usize) -> &PoolCounters {
        &self.pool_counters[at]
    }

    fn gauges(&self, at: usize) -> &PoolGauges {
        &self.gauges[at]
    }

    fn member_gauges(&self, at: usize) -> &MemberGauges {
        &self.member_gauges[at]
    }
}
