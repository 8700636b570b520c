//! The state behind the pool's lock: the idle connections, the count of places, the queues.
//!
//! Nothing here closes, checks, waits or wakes: connections are moved out, for the caller to do that
//! after unlocking.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::idle::{Entry, Idle, IdleConnection, IdleMark, ReleaseOrder, idle_for};
use super::waiter::{Waiter, Wants};
use super::{CloseReason, Limits, PoolGauges};

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
    pub(super) idle: Idle<C>,
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
            idle: Idle::new(),
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
        self.idle.pop_newest()
    }

    /// The same, with these limits, where nothing else is to be done: none has expired, and nobody waits.
    pub(super) fn take_newest_alone(
        &mut self,
        now: Instant,
        limits: &Limits,
    ) -> Option<IdleConnection<C>> {
        let oldest = self.idle.oldest()?;
        let is_due = limits.ttl.is_some_and(|ttl| has_expired(oldest.since, now, ttl));
        if is_due || !self.waiters.is_empty() {
            return None;
        }
        self.limits = *limits;
        self.pop_newest()
    }

    /// Takes the oldest idle connection out; the caller accounts for its place.
    pub(super) fn pop_oldest(&mut self) -> Option<IdleConnection<C>> {
        self.idle.pop_oldest()
    }

    /// Takes out the oldest idle connections that came in after `done` and not after `newest`, at most
    /// `limit` of them.
    pub(super) fn take_between(
        &mut self,
        done: Option<ReleaseOrder>,
        newest: ReleaseOrder,
        limit: usize,
    ) -> Vec<IdleConnection<C>> {
        let is_due = |order| done.is_none_or(|done| order > done) && order <= newest;
        self.idle.take_where(limit, |mark, _| is_due(mark.order))
    }

    /// Takes out all connections that have been idle for `ttl` or longer. Costs one look-up when there
    /// are none.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Box<Entry<C>>> {
        let Some(ttl) = self.limits.ttl else { return Vec::new() };
        self.take_oldest_while(|_, since| has_expired(since, now, ttl))
    }

    /// Takes out the oldest connections, as long as `take` returns true.
    pub(super) fn take_oldest_while(
        &mut self,
        take: impl Fn(ReleaseOrder, Instant) -> bool,
    ) -> Vec<Box<Entry<C>>> {
        let mut taken = Vec::new();
        while self.idle.oldest().is_some_and(|mark| take(mark.order, mark.since)) {
            taken.extend(self.idle.pop_oldest().map(|oldest| oldest.entry));
        }
        taken
    }

    /// Takes out the oldest connections for which `take` returns true, at most `limit` of them.
    pub(super) fn take_where(
        &mut self,
        limit: usize,
        mut take: impl FnMut(ReleaseOrder, Instant, &C) -> bool,
    ) -> Vec<IdleConnection<C>> {
        self.idle.take_where(limit, |mark, entry| take(mark.order, mark.since, &entry.connection))
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
    pub(super) fn insert_idle(&mut self, connection: IdleConnection<C>) -> Vec<Box<Entry<C>>> {
        self.idle.insert(connection);
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

/// Whether a connection that became idle then has been so for `ttl` or longer.
fn has_expired(since: Instant, now: Instant, ttl: Duration) -> bool {
    idle_for(since, now) >= ttl
}
