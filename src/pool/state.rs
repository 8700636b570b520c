//! What the pool's lock guards: the idle connections, the count of places, the queue.
//!
//! Nothing here closes, checks, waits or wakes; it moves connections out for callers who do that
//! after unlocking.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::stats::Tally;
use super::waiter::{Waiter, Wants};
use super::{CloseReason, Limits, PoolGauges, Pooled};

/// A connection with what the pool knows of it; in a box from its first day to its last, so that
/// going in and out of the pool moves a pointer.
pub(super) struct Entry<C> {
    pub(super) connection: C,
    /// Counted from 1 in each pool, for log lines.
    pub(super) number: u64,
    /// Times leased, the current one included.
    pub(super) uses: u64,
    // Last: counts the connection as closed after it is.
    tally: Tally,
}

impl<C> Entry<C> {
    pub(super) fn new(connection: C, number: u64, tally: Tally) -> Box<Self> {
        Box::new(Self { connection, number, uses: 0, tally })
    }

    /// Closes the connection and counts why. Not with the pool locked.
    pub(super) fn close(mut self, reason: CloseReason) {
        self.tally.reason = reason;
    }
}

/// What one idle connection takes of memory at worst, beside what it owns itself: its box with the
/// allocator's share, and its place in the map, whose nodes are five elevenths full at least.
#[cfg(test)]
pub(crate) const fn bytes_when_idle<C>() -> usize {
    const ALLOCATOR: usize = 16;
    const PLACE: usize = size_of::<(ReleaseOrder, (Instant, Box<()>))>();
    size_of::<Entry<C>>() + ALLOCATOR + 3 * PLACE
}

/// Where in the order of releases a connection came back to the pool.
///
/// Of two idle connections the one with the smaller order was proved clean earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseOrder(pub(super) u64);

/// When a connection was released; kept while it is away on a sweep, so that being looked at
/// makes nothing younger.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleMark {
    pub(super) order: ReleaseOrder,
    pub(super) since: Instant,
}

/// A connection taken out of the idle ones, and when it had come in.
pub(super) struct IdleConnection<C> {
    pub(super) entry: Box<Entry<C>>,
    pub(super) mark: IdleMark,
}

/// Where a connection goes that is ready to be used again.
pub(super) enum Destination<C: Pooled> {
    /// Nowhere: close it.
    Close(CloseReason),
    /// To this waiter, already taken out of the queue.
    Waiter(Arc<Waiter<C>>),
    /// Among the idle ones; nobody is waiting.
    Idle,
}

/// The pool's inside.
///
/// Invariants, whenever the lock is free:
/// * Nobody seeks or waits while a connection is idle, and nobody waits while `total() < max` of the
///   last limits.
/// * In ascending [`ReleaseOrder`] the idle connections' `since` never falls, so the expired ones
///   are the first ones.
pub(super) struct State<C: Pooled> {
    /// A map and not a deque: a sweep takes any one out and puts it back where it was.
    pub(super) idle: BTreeMap<ReleaseOrder, (Instant, Box<Entry<C>>)>,
    pub(super) in_use: usize,
    /// Out on a [`BorrowedConnection`](super::BorrowedConnection): open, but in no place.
    pub(super) borrowed: usize,
    pub(super) waiters: VecDeque<Arc<Waiter<C>>>,
    /// Who have a place and no connection, and can use one that comes back.
    pub(super) pending: VecDeque<Arc<Waiter<C>>>,
    pub(super) limits: Limits,
    pub(super) shutting_down: bool,
    last: Option<IdleMark>,
    /// What the observer was last told.
    pub(super) told: PoolGauges,
}

impl<C: Pooled> State<C> {
    pub(super) fn new() -> Self {
        Self {
            idle: BTreeMap::new(),
            in_use: 0,
            borrowed: 0,
            waiters: VecDeque::new(),
            pending: VecDeque::new(),
            limits: Limits::default(),
            shutting_down: false,
            last: None,
            told: PoolGauges::default(),
        }
    }

    /// The places that are taken; a loan is in none.
    pub(super) fn total(&self) -> usize {
        self.in_use + self.idle.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.limits.max.is_none_or(|max| self.total() < max.get())
    }

    /// More places than allowed: `max` was lowered.
    pub(super) fn is_over(&self) -> bool {
        self.limits.max.map_or(usize::MAX, NonZeroUsize::get) < self.total()
    }

    /// Takes the newest idle connection out; the caller accounts for its place.
    pub(super) fn pop_newest(&mut self) -> Option<IdleConnection<C>> {
        self.idle.pop_last().map(idle)
    }

    /// Takes the oldest idle connection out; the caller accounts for its place.
    pub(super) fn pop_oldest(&mut self) -> Option<IdleConnection<C>> {
        self.idle.pop_first().map(idle)
    }

    /// Takes the oldest idle connections out, `most` of those that came in after `done` and not after
    /// `newest`.
    pub(super) fn take_between(
        &mut self,
        done: Option<ReleaseOrder>,
        newest: ReleaseOrder,
        most: usize,
    ) -> Vec<IdleConnection<C>> {
        let first = done.map_or(ReleaseOrder(0), |done| ReleaseOrder(done.0 + 1));
        if first > newest {
            return Vec::new();
        }
        let chosen: Vec<_> =
            self.idle.range(first..=newest).take(most).map(|(order, _)| *order).collect();
        chosen.iter().filter_map(|order| self.idle.remove_entry(order).map(idle)).collect()
    }

    /// Takes out all that have been idle for `ttl` or longer. Costs one look when none has.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Box<Entry<C>>> {
        let Some(ttl) = self.limits.ttl else { return Vec::new() };
        self.take_oldest_while(|_, since| idle_for(since, now) >= ttl)
    }

    /// Takes out, from the old end, while `take` says so.
    pub(super) fn take_oldest_while(
        &mut self,
        take: impl Fn(ReleaseOrder, Instant) -> bool,
    ) -> Vec<Box<Entry<C>>> {
        let mut taken = Vec::new();
        while let Some(oldest) = self.idle.first_entry() {
            if !take(*oldest.key(), oldest.get().0) {
                break;
            }
            taken.push(oldest.remove().1);
        }
        taken
    }

    /// Takes out, from the old end, up to `most` for which `take` says so.
    pub(super) fn take_where(
        &mut self,
        most: usize,
        mut take: impl FnMut(ReleaseOrder, Instant, &C) -> bool,
    ) -> Vec<IdleConnection<C>> {
        let chosen: Vec<_> = self
            .idle
            .iter()
            .filter(|(order, (since, entry))| take(**order, *since, &entry.connection))
            .map(|(order, _)| *order)
            .take(most)
            .collect();
        chosen.iter().filter_map(|order| self.idle.remove_entry(order).map(idle)).collect()
    }

    /// Decides where a usable connection goes whose place is still counted in `in_use`.
    pub(super) fn destination(&mut self) -> Destination<C> {
        if self.shutting_down {
            return Destination::Close(CloseReason::Shutdown);
        }
        // It leaves its own place for this one, so there is one less in the end.
        if let Some(waiter) = self.pending.pop_front() {
            return Destination::Waiter(waiter);
        }
        if self.is_over() {
            return Destination::Close(CloseReason::Evicted);
        }
        match self.waiters.front().map(|waiter| waiter.wants) {
            // It wants the place and not the connection; ours is the one in the way.
            Some(Wants::Fresh) => Destination::Close(CloseReason::Evicted),
            Some(Wants::Any) => {
                self.waiters.pop_front().map_or(Destination::Idle, Destination::Waiter)
            }
            None => Destination::Idle,
        }
    }

    /// The mark of a connection that is released now.
    ///
    /// # Race
    ///
    /// ```text
    /// A: now = 10        B: now = 11
    ///                    B: release(11), idle: [11]
    /// A: release(10), idle: [11, 10]
    /// ```
    ///
    /// A's would then be taken for the newest and hide behind B's in the search for expired ones.
    /// So a release is never dated before the one before it; A's connection lives, at most, as
    /// much too long as A took from its clock to the lock.
    pub(super) fn idle_mark_from(&mut self, now: Instant) -> IdleMark {
        let mark = match self.last {
            None => IdleMark { order: ReleaseOrder(0), since: now },
            Some(last) => {
                IdleMark { order: ReleaseOrder(last.order.0 + 1), since: now.max(last.since) }
            }
        };
        self.last = Some(mark);
        mark
    }

    /// Puts a connection among the idle ones, and takes out what is then above `smax`.
    pub(super) fn insert_idle(
        &mut self,
        IdleConnection { entry, mark }: IdleConnection<C>,
    ) -> Vec<Box<Entry<C>>> {
        self.idle.insert(mark.order, (mark.since, entry));
        let keep = match self.limits {
            Limits { ttl: None, smax: Some(smax), .. } => smax,
            _ => usize::MAX,
        };
        let mut surplus = Vec::new();
        while self.idle.len() > keep {
            surplus.extend(self.pop_oldest().map(|oldest| oldest.entry));
        }
        surplus
    }
}

fn idle<C>((order, (since, entry)): (ReleaseOrder, (Instant, Box<Entry<C>>))) -> IdleConnection<C> {
    IdleConnection { entry, mark: IdleMark { order, since } }
}

/// How long a connection has been idle; zero if `now` was read before the release.
pub(super) fn idle_for(since: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(since)
}
