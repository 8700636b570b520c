//! The state of one member over all children: requests in flight, reply timeouts, failures in a row.
//!
//! Times are [`Uptime`]: the wall clock may be set back.

use std::fmt;
use std::time::Duration;

use super::clock::Uptime;
use super::key::MemberKey;
use super::key_slots::claim;
use super::layout::{Row, Slot, Table};
use crate::sync::atomic::{AtomicU32, Ordering};

/// The state of one member, as one child sees and changes it.
#[derive(Clone, Copy)]
pub struct MemberState<'m> {
    table: Table<'m>,
    pub(super) slot: &'m Slot,
    pub(super) at: usize,
    own: &'m AtomicU32,
    holding: &'m AtomicU32,
}

/// The member has as many requests in flight as `busylimit` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} requests are in flight over all children, as many as busylimit allows")]
pub struct AtLimit {
    /// `busylimit`.
    pub limit: u32,
}

impl<'m> MemberState<'m> {
    /// Finds the state of a member, which gets a slot if it has none. `None`: none is left.
    ///
    /// `row` is the child's own.
    pub fn find(table: Table<'m>, key: MemberKey, row: Row) -> Option<Self> {
        let at = claim(table.slots(), |slot| &slot.key, key)?;
        let [own, holding] = table.busy_and_holding(row, at);
        Some(Self { table, slot: &table.slots()[at], at, own, holding })
    }

    pub(super) fn slot(&self) -> &'m Slot {
        self.slot
    }

    /// Counts a request in, until the guard is dropped.
    ///
    /// # Errors
    /// [`AtLimit`] if there would be more than `limit` over all children.
    ///
    /// # Race
    /// Never more than `limit` are let in: each counts itself before it looks, in one order that
    /// all see. Two that meet at the last place may both be refused. Looking first keeps those that
    /// come while the member is full from adding to the crowd.
    pub fn enter(self, limit: Option<u32>) -> Result<Busy<'m>, AtLimit> {
        if let Some(limit) = limit.filter(|limit| self.is_at_limit(*limit)) {
            return Err(AtLimit { limit });
        }
        self.own.fetch_add(1, Ordering::SeqCst);
        let busy = Busy { state: self };
        match limit {
            Some(limit) if self.in_flight() > limit => Err(AtLimit { limit }),
            _ => Ok(busy),
        }
    }

    /// The guard of a request that has been counted in, and whose guard [went
    /// away](Busy::stay_counted) without counting it out.
    pub fn counted(self) -> Busy<'m> {
        Busy { state: self }
    }

    /// Notes that a request of this child holds the member (mod_proxy counts it as busy), until
    /// [`release`](Self::release).
    pub fn hold(&self) {
        self.holding.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that a request of this child no longer holds the member.
    pub fn release(&self) {
        let less = |count: u32| count.checked_sub(1);
        let _ = self.holding.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    /// Requests in flight over all children, and for an instant those that are being refused.
    /// Reads a cache line of each child.
    pub fn in_flight(&self) -> u32 {
        let rows = self.table.rows_used();
        let each = rows.map(|row| self.table.busy(row, self.at).load(Ordering::SeqCst));
        each.fold(0, u32::saturating_add)
    }

    /// Whether [`enter`](Self::enter) would refuse.
    pub fn is_at_limit(&self, limit: u32) -> bool {
        self.in_flight() >= limit
    }

    /// Counts a reply timeout. Returns how many there are with this one, halved for each whole minute
    /// since the first of them.
    pub fn count_reply_timeout(&self, now: Uptime) -> u32 {
        let mut after = Timeouts::default();
        let added = |packed| {
            after = Timeouts::unpack(packed).at(now.seconds());
            after.count = after.count.saturating_add(1);
            Some(after.pack())
        };
        // Never Err: the closure always gives a value.
        let _ = self.slot.reply_timeouts.fetch_update(Ordering::AcqRel, Ordering::Acquire, added);
        after.count
    }

    /// The reply timeouts so far, halved as above.
    pub fn reply_timeouts(&self, now: Uptime) -> u32 {
        let packed = self.slot.reply_timeouts.load(Ordering::Acquire);
        Timeouts::unpack(packed).at(now.seconds()).count
    }

    /// Forgets the reply timeouts: the member was in error, and its retry time has come.
    pub fn forget_reply_timeouts(&self) {
        if self.slot.reply_timeouts.load(Ordering::Relaxed) != 0 {
            self.slot.reply_timeouts.store(0, Ordering::Release);
        }
    }

    /// Notes a failure that is the member's fault. Returns the time since the first such failure after
    /// the last success: zero for the first.
    pub fn note_failure(&self, now: Uptime) -> Duration {
        let word = now.millis().max(1);
        let first = &self.slot.first_failure;
        match first.compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Duration::ZERO,
            Err(first) => now.since(Uptime::from_millis(first)),
        }
    }

    /// Notes a success, which ends the failures in a row. Writes at most once a second, and after a
    /// failure.
    pub fn note_success(&self, now: Uptime) {
        if self.slot.first_failure.load(Ordering::Relaxed) != 0 {
            self.slot.first_failure.store(0, Ordering::Release);
        }
        let now = u64::from(now.seconds());
        if self.slot.last_success.load(Ordering::Relaxed) != now {
            self.slot.last_success.store(now, Ordering::Relaxed);
        }
    }

    /// Whether a request succeeded in this second or the one before.
    pub fn has_just_succeeded(&self, now: Uptime) -> bool {
        let last = self.slot.last_success.load(Ordering::Relaxed);
        // 0: never. httpd does not serve in the first second of its machine.
        last != 0 && u64::from(now.seconds()).abs_diff(last) <= 1
    }
}

impl fmt::Debug for MemberState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, at, .. } = self;
        let mut text = f.debug_struct("MemberState");
        text.field("at", at).field("in_flight", &self.in_flight()).field("slot", slot).finish()
    }
}

/// The guard of a request in flight, which counts it out when dropped.
#[derive(Debug)]
pub struct Busy<'m> {
    state: MemberState<'m>,
}

impl<'m> Busy<'m> {
    /// The state of the member.
    pub fn state(&self) -> MemberState<'m> {
        self.state
    }

    /// The request stays counted in: another guard is made for it [later](MemberState::counted).
    pub fn stay_counted(self) {
        std::mem::forget(self);
    }

    /// The other requests in flight on the member, over all children.
    pub fn others_busy(&self) -> u32 {
        self.state.in_flight().saturating_sub(1)
    }

    /// Notes that the request failed and that it is the member's fault. Returns whether the member is to
    /// be marked as in error ([`marks_in_error`]).
    pub fn note_failure(&self, escalation: Option<Duration>, now: Uptime) -> bool {
        let since_first = self.state.note_failure(now);
        // Without escalation the rows of other children are not read.
        let others =
            escalation.is_some() && (self.others_busy() > 0 || self.state.has_just_succeeded(now));
        marks_in_error(escalation, others, since_first)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // Not below 0, which would read as full: whatever happened to the row meanwhile.
        let less = |count: u32| count.checked_sub(1);
        let _ = self.state.own.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }
}

/// Whether a failure of its own (no connection, no CPONG) puts a member in error.
///
/// It does, except within `escalation` (mod_jk's `error_escalation_time`): as long as others use the
/// member (requests are in flight on it, or one has just succeeded) and its first failure in a row is
/// younger than that, only the failed request goes to another member.
pub fn marks_in_error(
    escalation: Option<Duration>,
    others_use_it: bool,
    since_first: Duration,
) -> bool {
    !escalation.is_some_and(|escalation| others_use_it && since_first < escalation)
}

/// Reply timeouts, in one word so that count and time change together.
#[derive(Clone, Copy, Debug, Default)]
struct Timeouts {
    halved: u32,
    count: u32,
}

impl Timeouts {
    fn unpack(packed: u64) -> Self {
        // The halves of a word: nothing is lost.
        Self { halved: (packed >> 32) as u32, count: packed as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.halved) << 32 | u64::from(self.count)
    }

    /// The same at a later time.
    fn at(self, now: u32) -> Self {
        const MINUTE: u32 = 60;
        // 0: another process has read the clock after this one.
        let minutes = now.saturating_sub(self.halved) / MINUTE;
        let count = self.count.checked_shr(minutes).unwrap_or(0);
        let halved = self.halved.saturating_add(minutes.saturating_mul(MINUTE)).min(now);
        Self { count, halved: if count == 0 { now } else { halved } }
    }
}
