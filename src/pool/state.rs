//! The state behind the pool's lock: the idle connections, the count of places, the queues.
//!
//! Nothing here closes, checks, waits or wakes: connections are moved out, for the caller to do that
//! after unlocking.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::stats::CloseCounter;
use super::waiter::{Waiter, Wants};
use super::{CloseReason, Limits, PoolGauges};

/// A connection with what the pool knows of it. It stays in one box for life, so that going into the
/// pool and out of it moves a pointer.
pub(super) struct Entry<C> {
    pub(super) connection: C,
    /// Counted from 1 in each pool, for log lines.
    pub(super) number: u64,
    /// How many times it was leased, the current lease included.
    pub(super) uses: u64,
    // Last: the connection is counted as closed after it is.
    counter: CloseCounter,
}

impl<C> Entry<C> {
    pub(super) fn new(connection: C, number: u64, counter: CloseCounter) -> Box<Self> {
        Box::new(Self { connection, number, uses: 0, counter })
    }

    /// Closes the connection and counts why. The pool must not be locked.
    pub(super) fn close(mut self, reason: CloseReason) {
        self.counter.reason = reason;
    }
}

/// Returns the memory that one idle connection takes at worst, besides what it owns itself: its box
/// with the allocator's overhead, and its place in the map, whose nodes are at least five elevenths
/// full.
#[cfg(test)]
pub(crate) const fn bytes_when_idle<C>() -> usize {
    const ALLOCATOR: usize = 16;
    const PLACE: usize = size_of::<(ReleaseOrder, (Instant, Box<()>))>();
    size_of::<Entry<C>>() + ALLOCATOR + 3 * PLACE
}

/// The position of a connection in the order of releases.
///
/// Of two idle connections, the one with the smaller order was proved clean earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseOrder(pub(super) u64);

/// When a connection became idle. It keeps the mark while it is away to be checked, so that a check
/// makes no connection younger.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleMark {
    pub(super) order: ReleaseOrder,
    pub(super) since: Instant,
}

/// A connection taken out of the idle ones, with the mark it had there.
pub(super) struct IdleConnection<C> {
    pub(super) entry: Box<Entry<C>>,
    pub(super) mark: IdleMark,
}

/// The next owner of a connection that is ready to be used again.
pub(super) enum Destination<C, H> {
    /// None: close it.
    Close(CloseReason),
    /// This holder of a place without a connection, already taken out of its queue.
    Pending(PendingWaiter<C>),
    /// This waiter, already taken out of its queue.
    Waiter(Arc<Waiter<H>>),
    /// The pool: it becomes idle, as no one is waiting.
    Idle,
}

/// A waiter that has a place, and is handed a connection alone.
pub(super) type PendingWaiter<C> = Arc<Waiter<IdleConnection<C>>>;

/// The pool's state; `H` is what a waiter without a place is handed.
///
/// Invariants, whenever the lock is free:
/// * Both queues are empty while a connection is idle, and `waiters` is empty while `total() < max` of
///   the last limits.
/// * In ascending [`ReleaseOrder`] the idle connections' `since` never falls, so the expired ones
///   are the first ones.
pub(super) struct State<C, H> {
    /// A map and not a deque: a sweep takes out any connection and puts it back where it was.
    pub(super) idle: BTreeMap<ReleaseOrder, (Instant, Box<Entry<C>>)>,
    pub(super) in_use: usize,
    /// [Borrowed](super::BorrowedConnection) connections: open, but without a place.
    pub(super) borrowed: usize,
    /// Waiters for a place.
    pub(super) waiters: VecDeque<Arc<Waiter<H>>>,
    /// Waiters that have a place and no connection, and can use one that comes back.
    pub(super) pending: VecDeque<PendingWaiter<C>>,
    pub(super) limits: Limits,
    pub(super) shutting_down: bool,
    last: Option<IdleMark>,
    /// The gauges of which the observer was last notified.
    pub(super) observed: PoolGauges,
}

impl<C, H> State<C, H> {
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
            observed: PoolGauges::default(),
        }
    }

    /// Returns the gauges at this moment.
    pub(super) fn gauges(&self) -> PoolGauges {
        PoolGauges {
            idle: self.idle.len(),
            in_use: self.in_use,
            borrowed: self.borrowed,
            waiting: self.waiters.len() + self.pending.len(),
        }
    }

    /// Returns how many places are taken; a borrowed connection has none.
    pub(super) fn total(&self) -> usize {
        self.in_use + self.idle.len()
    }

    /// Whether a place is free.
    pub(super) fn has_room(&self) -> bool {
        self.limits.max.is_none_or(|max| self.total() < max.get())
    }

    /// Whether more places are taken than allowed, since `max` was lowered.
    pub(super) fn is_over(&self) -> bool {
        self.limits.max.map_or(usize::MAX, NonZeroUsize::get) < self.total()
    }

    /// Takes the newest idle connection out; the caller accounts for its place.
    pub(super) fn pop_newest(&mut self) -> Option<IdleConnection<C>> {
        self.idle.pop_last().map(idle_connection)
    }

    /// Takes the oldest idle connection out; the caller accounts for its place.
    pub(super) fn pop_oldest(&mut self) -> Option<IdleConnection<C>> {
        self.idle.pop_first().map(idle_connection)
    }

    /// Takes out the oldest idle connections that came in after `done` and not after `newest`, at most
    /// `limit` of them.
    pub(super) fn take_between(
        &mut self,
        done: Option<ReleaseOrder>,
        newest: ReleaseOrder,
        limit: usize,
    ) -> Vec<IdleConnection<C>> {
        let first = done.map_or(ReleaseOrder(0), |done| ReleaseOrder(done.0 + 1));
        if first > newest {
            return Vec::new();
        }
        let chosen: Vec<_> =
            self.idle.range(first..=newest).take(limit).map(|(order, _)| *order).collect();
        chosen
            .iter()
            .filter_map(|order| self.idle.remove_entry(order).map(idle_connection))
            .collect()
    }

    /// Takes out all connections that have been idle for `ttl` or longer. Costs one look-up when there
    /// are none.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Box<Entry<C>>> {
        let Some(ttl) = self.limits.ttl else { return Vec::new() };
        self.take_oldest_while(|_, since| idle_for(since, now) >= ttl)
    }

    /// Takes out the oldest connections, as long as `take` returns true.
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

    /// Takes out the oldest connections for which `take` returns true, at most `limit` of them.
    pub(super) fn take_where(
        &mut self,
        limit: usize,
        mut take: impl FnMut(ReleaseOrder, Instant, &C) -> bool,
    ) -> Vec<IdleConnection<C>> {
        let chosen: Vec<_> = self
            .idle
            .iter()
            .filter(|(order, (since, entry))| take(**order, *since, &entry.connection))
            .map(|(order, _)| *order)
            .take(limit)
            .collect();
        chosen
            .iter()
            .filter_map(|order| self.idle.remove_entry(order).map(idle_connection))
            .collect()
    }

    /// Takes the first holder of a place without a connection out of its queue; none once the pool has been
    /// closed.
    pub(super) fn take_pending(&mut self) -> Option<PendingWaiter<C>> {
        if self.shutting_down { None } else { self.pending.pop_front() }
    }

    /// Decides who gets a usable connection whose place is still counted in `in_use`; takes a waiter
    /// out of its queue.
    pub(super) fn take_destination(&mut self) -> Destination<C, H> {
        if self.shutting_down {
            return Destination::Close(CloseReason::Shutdown);
        }
        // Also above `max`: the connection leaves its place for one that is taken already.
        if let Some(waiter) = self.take_pending() {
            return Destination::Pending(waiter);
        }
        if self.is_over() {
            return Destination::Close(CloseReason::Evicted);
        }
        match self.waiters.front().map(|waiter| waiter.wants) {
            // It wants the place and not the connection, which is in the way.
            Some(Wants::Fresh) => Destination::Close(CloseReason::Evicted),
            Some(Wants::Any) => {
                self.waiters.pop_front().map_or(Destination::Idle, Destination::Waiter)
            }
            None => Destination::Idle,
        }
    }

    /// Makes the mark of a connection that is released now.
    ///
    /// # Race
    ///
    /// ```text
    /// A: now = 10        B: now = 11
    ///                    B: release(11), idle: [11]
    /// A: release(10), idle: [11, 10]
    /// ```
    ///
    /// A's connection would then count as the newest, and hide behind B's in the search for expired
    /// ones. So a release is never dated before the previous one; A's connection lives too long by
    /// at most the time that A took from reading the clock to the lock.
    pub(super) fn new_mark(&mut self, now: Instant) -> IdleMark {
        let mark = match self.last {
            None => IdleMark { order: ReleaseOrder(0), since: now },
            Some(last) => {
                IdleMark { order: ReleaseOrder(last.order.0 + 1), since: now.max(last.since) }
            }
        };
        self.last = Some(mark);
        mark
    }

    /// Makes a connection idle, and takes out those that are then above `smax`.
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

fn idle_connection<C>(
    (order, (since, entry)): (ReleaseOrder, (Instant, Box<Entry<C>>)),
) -> IdleConnection<C> {
    IdleConnection { entry, mark: IdleMark { order, since } }
}

/// Returns how long a connection has been idle; zero if `now` was read before the release.
pub(super) fn idle_for(since: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(since)
}
