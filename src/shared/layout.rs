//! The table of members that all children of one httpd share.
//!
//! ```text
//! Header    64 bytes    version, sizes, rows used so far
//! Slot     128 bytes    × slots: one per member, and as many free; what is not counted per child
//! Row       whole 64s   × rows: one per child; [pid, busy of each slot, holding of each slot]
//! ```
//!
//! # Why Rust atomics may live in shared memory
//! * Nothing but atomics is in it, so `&` references to it are sound while other processes write:
//!   that is what interior mutability means. There is no padding, and every bit pattern is a value.
//! * They are lock-free (checked below): an operation is one instruction on the memory itself,
//!   with nothing kept elsewhere, so it does not matter whether the other party is a thread or a
//!   process, nor at which address it sees the memory.
//! * Every process has the same layout: the memory is made before httpd forks, never attached by
//!   name, and the children run the library that made it. Layouts are `repr(C)`, their sizes
//!   checked below.
//! * All zeros, as the kernel hands it out, is the empty table.
//! * No process waits for another: one that is killed at any point leaves numbers, never a lock.
//!
//! # Why a row per child
//! A child that is killed never takes its requests off a common counter, and the member would be
//! busier forever. With a row per child, what it leaves behind is known and goes with its pid
//! ([`Table::child_ended`]). A row also has its cache lines for itself: counting a request touches
//! no memory of other children. The sum over the rows is read only where it is asked for.

use std::fmt;
use std::mem::offset_of;

use super::key::MemberKey;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The version of this layout; to be changed with it.
pub const VERSION: u32 = 5;

/// The head of the memory.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Header {
    version: AtomicU32,
    slots: AtomicU32,
    rows: AtomicU32,
    /// The rows from this one on were never claimed.
    rows_used: AtomicU32,
    /// The child that checks the ports of reverse connections; see [`Table::claim_ports`].
    port_checker: AtomicU64,
    reserved: [AtomicU32; 10],
}

/// The state of a member, apart from its requests in flight. Times are
/// [`Uptime`](super::Uptime).
///
/// What each request reads is in the first cache line; in the second one is what only changes with the
/// state of the member.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Slot {
    /// [`MemberKey`]; 0: free. Set once.
    pub(super) key: AtomicU64,
    /// The first of its present failures in a row, in ms; 0: the last request succeeded.
    pub(super) first_failure: AtomicU64,
    /// The last success, in seconds; 0: none.
    pub(super) last_success: AtomicU64,
    /// The attempts in a row that failed: see `failing`; 0: the last one was answered.
    pub(super) failing: AtomicU64,
    /// The end of the present probe, in ms; 0: there is none.
    pub(super) probe: AtomicU64,
    /// Its shares for the lbmethods `sessions` and `next`, by [`Account`](super::Account).
    pub(super) shares: [AtomicU64; 2],
    /// Its last turn, as a number that grows from choice to choice.
    pub(super) turn: AtomicU64,
    /// What the log has last said of the member: see `life`.
    pub(super) said: AtomicU64,
    /// The second of the last halving (upper half), and the number (lower half).
    pub(super) reply_timeouts: AtomicU64,
    /// The last error: see `failing`; 0: none.
    pub(super) last_error: AtomicU64,
    reserved: [AtomicU64; 5],
}

/// A word of a row.
const WORD: usize = size_of::<AtomicU32>();
/// A cache line, in words.
const LINE_WORDS: usize = 16;

const _: () = {
    let line = LINE_WORDS * WORD;
    assert!(size_of::<Header>() == line && align_of::<Header>() == line);
    assert!(size_of::<Slot>() == 2 * line && align_of::<Slot>() == line);
    // A success reads it.
    assert!(offset_of!(Slot, failing) < line);
};
const _: () = assert!(size_of::<AtomicU32>() == size_of::<u32>() && WORD == 4);
const _: () = assert!(size_of::<AtomicU64>() == size_of::<u64>());
// std has these types only where the processor has the instructions; no lock stands in for them.
const _: () = assert!(cfg!(target_has_atomic = "32") && cfg!(target_has_atomic = "64"));

/// How many members and children a table has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    members: usize,
    rows: usize,
}

impl Sizes {
    /// Room for at least one of each, and at most 2^19 members and 2^20 children: what is beyond
    /// is per child.
    pub fn new(members: usize, children: usize) -> Self {
        const MOST: usize = 1 << 20;
        Self { members: members.clamp(1, MOST / 2), rows: children.clamp(1, MOST) }
    }

    /// The number of members that are expected.
    pub fn members(self) -> usize {
        self.members
    }

    /// The number of slots: twice as many as members, since a search
    /// ([`MemberState::find`](super::MemberState::find)) is short only while half of the places are free.
    pub fn slots(self) -> usize {
        2 * self.members
    }

    /// The number of children.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// The offset of the slots.
    pub fn slots_at(self) -> usize {
        size_of::<Header>()
    }

    /// The offset of the rows.
    pub fn rows_at(self) -> usize {
        self.slots_at() + self.slots() * size_of::<Slot>()
    }

    /// The number of words of all rows.
    pub fn row_words(self) -> usize {
        self.rows * self.row_len()
    }

    /// The size in bytes, a multiple of 64: at most 2^20 × 2^22, no overflow in 64 bits. `None`: more
    /// than a 32-bit address space has.
    pub fn bytes(self) -> Option<usize> {
        let row_words = self.rows.checked_mul(self.row_len())?;
        row_words.checked_mul(WORD)?.checked_add(self.rows_at())
    }

    /// Words of a row: the pid and two counters per slot, in whole cache lines.
    fn row_len(self) -> usize {
        (1 + 2 * self.slots()).next_multiple_of(LINE_WORDS)
    }
}

/// A child's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row(usize);

impl Row {
    /// Its number, from 1 on; there are fewer than 2^21.
    pub(super) fn number(self) -> u32 {
        u32::try_from(self.0 + 1).unwrap_or(u32::MAX)
    }
}

/// A view of the memory: a handful of references.
#[derive(Clone, Copy)]
pub struct Table<'m> {
    header: &'m Header,
    slots: &'m [Slot],
    rows: &'m [AtomicU32],
    sizes: Sizes,
}

impl<'m> Table<'m> {
    /// Makes a view of memory that was all zeros before the first call. `None`: the parts are not of
    /// these sizes, or the memory was laid out for others.
    pub fn new(
        header: &'m Header,
        slots: &'m [Slot],
        rows: &'m [AtomicU32],
        sizes: Sizes,
    ) -> Option<Self> {
        let fits = slots.len() == sizes.slots() && rows.len() == sizes.row_words();
        let numbers = [
            (&header.slots, u32::try_from(sizes.slots()).ok()?),
            (&header.rows, u32::try_from(sizes.rows).ok()?),
            (&header.version, VERSION),
        ];
        let agrees = numbers.iter().all(|(place, number)| {
            // Read first, since all children read this memory.
            let before = place.load(Ordering::Acquire);
            let set = || place.compare_exchange(0, *number, Ordering::AcqRel, Ordering::Acquire);
            before == *number || (before == 0 && set().map_or_else(|n| n == *number, |_| true))
        });
        (fits && agrees).then_some(Self { header, slots, rows, sizes })
    }

    /// Gives a child its row, all zeros. `None`: none is left.
    ///
    /// To be called once, before the child serves.
    pub fn child_begins(&self, pid: u32) -> Option<Row> {
        // Left by a dead one, whose number has come round.
        self.child_ended(pid, |_, _| {});
        let row = (0..self.sizes.rows).map(Row).find(|row| {
            let word = self.pid_of(*row);
            word.compare_exchange(0, pid, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })?;
        self.counters_of(row).iter().for_each(|counter| counter.store(0, Ordering::SeqCst));
        self.header.rows_used.fetch_max(row.number(), Ordering::SeqCst);
        Some(row)
    }

    /// Clears the row of a child that has ended, in whatever way, and returns its requests in flight.
    /// Calls `held` with each member that its requests held, and how many of them did.
    pub fn child_ended(&self, pid: u32, mut held: impl FnMut(MemberKey, u32)) -> u32 {
        let mut left = 0_u32;
        for row in self.rows_used() {
            if self.pid_of(row).load(Ordering::Acquire) == pid {
                for (at, slot) in self.slots.iter().enumerate() {
                    let busy = self.busy(row, at).swap(0, Ordering::SeqCst);
                    left = left.saturating_add(busy);
                    let holding = self.holding(row, at).swap(0, Ordering::SeqCst);
                    let key = MemberKey::in_slot(slot.key.load(Ordering::Acquire));
                    if let Some(key) = key.filter(|_| holding > 0) {
                        held(key, holding);
                    }
                }
                self.release_ports(row);
                // Last: the next owner of the row finds it clean.
                self.pid_of(row).store(0, Ordering::Release);
            }
        }
        left
    }

    pub(super) fn port_checker(&self) -> &'m AtomicU64 {
        &self.header.port_checker
    }

    pub(super) fn slots(&self) -> &'m [Slot] {
        self.slots
    }

    /// Both counters of one child for the member of a slot: [`busy`](Self::busy) and [`holding`](Self::holding).
    pub(super) fn busy_and_holding(&self, row: Row, slot: usize) -> [&'m AtomicU32; 2] {
        let words = self.words_of(row);
        [&words[1 + slot], &words[1 + self.slots.len() + slot]]
    }

    /// The requests of one child in flight on the member of a slot.
    pub(super) fn busy(&self, row: Row, slot: usize) -> &'m AtomicU32 {
        &self.words_of(row)[1 + slot]
    }

    /// The requests of one child that hold the member of a slot ([`MemberState::hold`](super::MemberState::hold)).
    pub(super) fn holding(&self, row: Row, slot: usize) -> &'m AtomicU32 {
        &self.words_of(row)[1 + self.slots.len() + slot]
    }

    pub(super) fn rows_used(&self) -> impl Iterator<Item = Row> + use<> {
        let used = self.header.rows_used.load(Ordering::SeqCst);
        (0..usize::try_from(used).unwrap_or(usize::MAX).min(self.sizes.rows)).map(Row)
    }

    fn words_of(&self, row: Row) -> &'m [AtomicU32] {
        let len = self.sizes.row_len();
        &self.rows[row.0 * len..][..len]
    }

    fn pid_of(&self, row: Row) -> &'m AtomicU32 {
        &self.words_of(row)[0]
    }

    fn counters_of(&self, row: Row) -> &'m [AtomicU32] {
        &self.words_of(row)[1..]
    }
}

impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

/// A table in the memory of one process, for members that found no room in the shared one.
#[derive(Debug)]
pub struct PrivateTable {
    header: Header,
    slots: Box<[Slot]>,
    rows: Box<[AtomicU32]>,
    sizes: Sizes,
}

impl PrivateTable {
    /// Makes an empty table.
    pub fn new(sizes: Sizes) -> Self {
        Self {
            header: Header::default(),
            slots: (0..sizes.slots()).map(|_| Slot::default()).collect(),
            rows: (0..sizes.row_words()).map(|_| AtomicU32::new(0)).collect(),
            sizes,
        }
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&Header, &[Slot], &[AtomicU32]) {
        (&self.header, &self.slots, &self.rows)
    }

    /// Returns the view of it.
    pub fn table(&self) -> Option<Table<'_>> {
        Table::new(&self.header, &self.slots, &self.rows, self.sizes)
    }
}
