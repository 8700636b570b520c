//! The shared memory of the statistics: its layout, and how a member's or pool's part is found.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::histogram::BOUNDS_MS;
use super::layout_hash::{hash, mixed};
use super::member::{MemberCounters, MemberFigures};
use super::member_gauges::MemberGauges;
use super::packet_size::KnownPacketSize;
use super::pool::{PoolCounters, PoolFigures, PoolGauges};
use super::reason::ErrorReason;
use super::recent::Recent;
use crate::pool::CloseReason;
use crate::shared::MemberKey;
use crate::shared::key_slots::{claim, find};

/// The layout of the [module](super): another one for other records, fields, reasons and bounds.
pub const STATS_VERSION: u32 = version();

const fn version() -> u32 {
    let records = [
        StatsHeader::LAYOUT,
        MemberSlot::LAYOUT,
        PoolSlot::LAYOUT,
        MemberCounters::LAYOUT,
        Recent::LAYOUT,
        PoolCounters::LAYOUT,
        PoolGauges::LAYOUT,
        MemberGauges::LAYOUT,
        hash(&words(), &[]),
    ];
    let mut all = 0;
    let mut at = 0;
    while at < records.len() {
        all = mixed(all, records[at]);
        at += 1;
    }
    at = 0;
    while at < BOUNDS_MS.len() {
        all = mixed(all, BOUNDS_MS[at]);
        at += 1;
    }
    // Never 0, which is memory that nobody has written to.
    (all ^ all >> 32) as u32 | 1
}

/// The words of the counters that are found by a number.
const fn words() -> [&'static str; ERRORS + CLOSED] {
    let mut words = [""; ERRORS + CLOSED];
    let mut at = 0;
    while at < ERRORS {
        words[at] = ErrorReason::ALL[at].name();
        at += 1;
    }
    while at < ERRORS + CLOSED {
        words[at] = CloseReason::ALL[at - ERRORS].name();
        at += 1;
    }
    words
}

const ERRORS: usize = ErrorReason::ALL.len();
const CLOSED: usize = CloseReason::ALL.len();

laid_out! {
    /// The head of the memory.
    #[repr(C, align(64))]
    #[derive(Debug, Default)]
    pub struct StatsHeader {
        version: AtomicU32,
        slots: AtomicU32,
        stripes: AtomicU32,
        rows: AtomicU32,
        rows_used: AtomicU32,
        spare: [AtomicU32; 11],
    }
}

laid_out! {
    /// The owner of the counters with this number.
    #[repr(C, align(64))]
    #[derive(Debug, Default)]
    pub struct MemberSlot {
        /// [`MemberKey`]; 0: free. Set once.
        key: AtomicU64,
        /// When they were last reset, in ms since 1970; 0: never.
        reset_ms: AtomicU64,
        spare: [AtomicU64; 6],
    }
}

/// Bytes of a pool's name; a longer one is cut off.
const NAME_BYTES: usize = 28 * 8;

laid_out! {
    /// The same for a pool, with its name: a child may have pools that no other child has.
    #[repr(C, align(64))]
    #[derive(Debug, Default)]
    pub struct PoolSlot {
        /// The [`MemberKey`] of the name; 0: free. Set once.
        key: AtomicU64,
        reset_ms: AtomicU64,
        /// Bytes of the name, plus one; 0: not written yet.
        length: AtomicU64,
        /// A [`KnownPacketSize`], written by the child that learnt last; 0: nothing is known.
        packet_size: AtomicU64,
        name: [AtomicU64; NAME_BYTES / 8],
    }
}

const _: () = assert!(size_of::<StatsHeader>() == 64);
const _: () = assert!(size_of::<MemberSlot>() == 64);
const _: () = assert!(size_of::<PoolSlot>() == 256);
// Whole cache lines, as `align` makes them: two stripes have none in common.
const _: () = assert!(size_of::<MemberCounters>() % 64 == 0 && size_of::<PoolCounters>() % 64 == 0);
const _: () = assert!(size_of::<PoolGauges>() == 16);

impl PoolSlot {
    /// Writes the name unless it is there. Another child that does so at the same time writes the same.
    fn set_name(&self, name: &str) {
        if self.length.load(Ordering::Acquire) != 0 {
            return;
        }
        let mut end = name.len().min(NAME_BYTES);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        for (word, bytes) in self.name.iter().zip(name.as_bytes()[..end].chunks(8)) {
            let mut eight = [0; 8];
            eight[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
        self.length.store(end as u64 + 1, Ordering::Release);
    }

    /// Notes the packet size that a child has learnt.
    pub(super) fn set_packet_size(&self, known: KnownPacketSize) {
        self.packet_size.store(known.to_word(), Ordering::Relaxed);
    }

    fn name(&self) -> Option<String> {
        let length = self.length.load(Ordering::Acquire).checked_sub(1)?;
        let words = self.name.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
        let bytes: Vec<u8> = words.take(usize::try_from(length).ok()?).collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// How many members, pools and children the memory has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsSizes {
    slots: usize,
    stripes: usize,
    rows: usize,
}

impl StatsSizes {
    /// So many children never share a stripe. With more of them, two hardly ever meet: that takes two
    /// processors that count at the same moment.
    const MOST_STRIPES: usize = 16;

    /// Makes room for so many members, as many pools, and so many children; at least one of each.
    pub fn new(members: usize, children: usize) -> Self {
        let members = crate::shared::Sizes::new(members, children);
        let (slots, rows) = (members.slots(), members.rows());
        Self { slots, rows, stripes: rows.min(Self::MOST_STRIPES) }
    }

    /// The number of slots for members, and of those for pools.
    pub fn slots(self) -> usize {
        self.slots
    }

    /// The number of counter records of members, and of those of pools.
    pub fn counters(self) -> usize {
        self.slots * self.stripes
    }

    /// The number of children.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// The number of gauge records of pools, and of those of members: one for each slot and child.
    pub fn gauges(self) -> usize {
        self.rows * self.slots
    }

    /// The offsets of the parts, in the order of the [module](super)'s table, and of their end.
    /// `None`: more than can be addressed.
    pub fn offsets(self) -> Option<[usize; 9]> {
        let lengths = [
            Some(size_of::<StatsHeader>()),
            self.slots.checked_mul(size_of::<MemberSlot>()),
            self.slots.checked_mul(size_of::<PoolSlot>()),
            self.counters().checked_mul(size_of::<MemberCounters>()),
            self.counters().checked_mul(size_of::<PoolCounters>()),
            self.rows.checked_mul(size_of::<AtomicU32>()),
            self.gauges().checked_mul(size_of::<PoolGauges>()),
            self.gauges().checked_mul(size_of::<MemberGauges>()),
        ];
        let mut offsets = [0_usize; 9];
        for (at, length) in lengths.into_iter().enumerate() {
            offsets[at + 1] = offsets[at].checked_add(length?)?.checked_next_multiple_of(64)?;
        }
        Some(offsets)
    }
}

/// A view of the memory: a handful of references.
#[derive(Clone, Copy)]
pub struct StatsTable<'m> {
    /// The head.
    pub header: &'m StatsHeader,
    /// [`StatsSizes::slots`] of them.
    pub members: &'m [MemberSlot],
    /// [`StatsSizes::slots`] of them.
    pub pools: &'m [PoolSlot],
    /// [`StatsSizes::counters`] of them.
    pub member_counters: &'m [MemberCounters],
    /// [`StatsSizes::counters`] of them.
    pub pool_counters: &'m [PoolCounters],
    /// The ids of the processes that have a row of gauges: [`StatsSizes::rows`] of them.
    pub pids: &'m [AtomicU32],
    /// [`StatsSizes::gauges`] of them, child by child.
    pub gauges: &'m [PoolGauges],
    /// Likewise, of members.
    pub member_gauges: &'m [MemberGauges],
    /// The sizes of this memory.
    pub sizes: StatsSizes,
}

impl<'m> StatsTable<'m> {
    /// Writes version and sizes into new memory. `false`: it was not all zeros.
    pub fn begin(&self) -> bool {
        let sizes = self.sizes;
        let numbers = [sizes.slots, sizes.stripes, sizes.rows].map(u32::try_from);
        let [Ok(slots), Ok(stripes), Ok(rows)] = numbers else { return false };
        let fresh = self.header.version.swap(STATS_VERSION, Ordering::AcqRel) == 0;
        self.header.slots.store(slots, Ordering::Relaxed);
        self.header.stripes.store(stripes, Ordering::Relaxed);
        self.header.rows.store(rows, Ordering::Relaxed);
        fresh
    }

    /// Gives a child a row for its gauges. `None`: none is left.
    pub fn child_begins(&self, pid: u32) -> Option<usize> {
        self.child_ended(pid);
        let row = (0..self.sizes.rows).find(|row| {
            let word = &self.pids[*row];
            word.compare_exchange(0, pid, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })?;
        self.clear_row(row);
        let used = u32::try_from(row + 1).unwrap_or(u32::MAX);
        self.header.rows_used.fetch_max(used, Ordering::AcqRel);
        Some(row)
    }

    /// Clears the gauges of a child that has ended. What it counted stays.
    pub fn child_ended(&self, pid: u32) {
        for (row, word) in self.used().iter().enumerate() {
            if word.load(Ordering::Acquire) == pid {
                self.clear_row(row);
                word.store(0, Ordering::Release);
            }
        }
    }

    /// The number of children that have a row.
    pub fn children(&self) -> usize {
        self.used().iter().filter(|pid| pid.load(Ordering::Relaxed) != 0).count()
    }

    /// Finds the slot of a member, which gets one if it has none. `None`: none is left.
    pub(super) fn claim_member(&self, key: MemberKey) -> Option<usize> {
        claim(self.members, |slot| &slot.key, key)
    }

    /// Finds the slot of a pool, likewise.
    pub(super) fn claim_pool(&self, name: &str) -> Option<usize> {
        let at = claim(self.pools, |slot| &slot.key, pool_key(name))?;
        self.pools[at].set_name(name);
        Some(at)
    }

    /// Sums up the counters of a member: all 0 if it is unknown.
    pub fn member_figures(&self, key: MemberKey) -> MemberFigures {
        let mut sum = MemberFigures::default();
        if let Some(at) = find(self.members, |slot| &slot.key, key) {
            self.member_stripes(at).for_each(|stripe| stripe.add_to(&mut sum));
        }
        sum
    }

    /// The requests to a member that wait without a thread, over all children that run.
    pub fn member_parked(&self, key: MemberKey) -> u32 {
        let Some(at) = find(self.members, |slot| &slot.key, key) else { return 0 };
        let each = (0..self.used().len()).map(|row| self.member_row(row)[at].parked());
        each.fold(0, u32::saturating_add)
    }

    /// Sums up the counters and gauges of a pool: all 0 if it is unknown.
    pub fn pool_figures(&self, name: &str) -> PoolFigures {
        let at = find(self.pools, |slot| &slot.key, pool_key(name));
        at.map(|at| self.pool_at(at)).unwrap_or_default()
    }

    /// The names of all pools since counting began.
    pub fn pool_names(&self) -> Vec<String> {
        self.pools.iter().filter_map(PoolSlot::name).collect()
    }

    /// Resets the counters of a member.
    pub fn reset_member(&self, key: MemberKey, now_ms: u64) {
        if let Some(at) = find(self.members, |slot| &slot.key, key) {
            self.member_stripes(at).for_each(MemberCounters::clear);
            self.members[at].reset_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Resets the counters of a pool; its connections stay as they are.
    pub fn reset_pool(&self, name: &str, now_ms: u64) {
        if let Some(at) = find(self.pools, |slot| &slot.key, pool_key(name)) {
            self.pool_stripes(at).for_each(PoolCounters::clear);
            self.pools[at].reset_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// The time of the last reset of a member's counters, in ms since 1970.
    pub fn member_reset_ms(&self, key: MemberKey) -> Option<u64> {
        let at = find(self.members, |slot| &slot.key, key)?;
        Some(self.members[at].reset_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }

    fn pool_at(&self, at: usize) -> PoolFigures {
        let mut sum = PoolFigures::default();
        self.pool_stripes(at).for_each(|stripe| stripe.add_to(&mut sum));
        (0..self.used().len()).for_each(|row| self.row(row)[at].add_to(&mut sum.now));
        sum.packet_size =
            KnownPacketSize::from_word(self.pools[at].packet_size.load(Ordering::Relaxed));
        sum
    }

    fn member_stripes(&self, at: usize) -> impl Iterator<Item = &'m MemberCounters> + use<'m> {
        self.member_counters.iter().skip(at).step_by(self.sizes.slots)
    }

    fn pool_stripes(&self, at: usize) -> impl Iterator<Item = &'m PoolCounters> + use<'m> {
        self.pool_counters.iter().skip(at).step_by(self.sizes.slots)
    }

    fn clear_row(&self, row: usize) {
        self.row(row).iter().for_each(PoolGauges::clear);
        self.member_row(row).iter().for_each(MemberGauges::clear);
    }

    fn member_row(&self, row: usize) -> &'m [MemberGauges] {
        &self.member_gauges[row * self.sizes.slots..][..self.sizes.slots]
    }

    fn row(&self, row: usize) -> &'m [PoolGauges] {
        &self.gauges[row * self.sizes.slots..][..self.sizes.slots]
    }

    /// The pids of the rows that were ever claimed; 0 where the child has ended.
    fn used(&self) -> &'m [AtomicU32] {
        let used = usize::try_from(self.header.rows_used.load(Ordering::Acquire)).unwrap_or(0);
        &self.pids[..used.min(self.pids.len())]
    }
}

impl fmt::Debug for StatsTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatsTable").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

fn pool_key(name: &str) -> MemberKey {
    MemberKey::of(&[name.as_bytes()])
}
