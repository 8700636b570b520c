//! The pool, and the places in it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::idle::{Entry, IdleConnection, IdleMark};
use super::lock::{PoolLock, StateGuard};
use super::state::{Destination, State};
use super::stats::{CloseCounter, Counters};
use super::waiter::Waiter;
use super::{CloseReason, Limits, Observe, PoolGauges, Pooled, ReleaseOrder, Stats};

/// Connections to one backend, idle or leased; shared as `Arc<Pool<C>>`.
///
/// See the [module](super) for the promises. Leases and vacancies keep the pool alive; dropping
/// the last handle closes the idle connections.
pub struct Pool<C: Pooled> {
    pub(super) state: PoolLock<C, Handover<C>>,
    pub(super) counters: Arc<Counters>,
}

/// The handover to a waiter: a place, and with it a connection if one was released.
pub(super) struct Handover<C: Pooled> {
    // Declared, so dropped, before the place: a place is free only once its connection is closed.
    pub(super) idle: Option<IdleConnection<C>>,
    pub(super) place: Place<C>,
    /// The place was free when it was asked for; else it was waited for.
    pub(super) at_once: bool,
}

/// How a connection comes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReturnKind {
    /// After use; it becomes idle at this time.
    Used(Instant),
    /// After a check; it keeps the mark it had.
    Checked(IdleMark),
}

impl<C: Pooled> Pool<C> {
    /// Makes an empty pool; it opens nothing by itself.
    pub fn new() -> Arc<Self> {
        Self::with(Counters::default())
    }

    /// Makes an empty pool with an observer.
    pub fn observed(observer: Box<dyn Observe>) -> Arc<Self> {
        Self::with(Counters::observed(observer))
    }

    fn with(counters: Counters) -> Arc<Self> {
        let counters = Arc::new(counters);
        let state = PoolLock::new(State::new(), Arc::clone(&counters));
        Arc::new(Self { state, counters })
    }

    /// Closes every idle connection that was last used before the one with this order was.
    ///
    /// For a pooled connection whose CPING went unanswered: those that were proved good earlier
    /// are no better. Connections released since were answered since, and stay. Returns how many
    /// were closed; they count as [`CloseReason::Suspect`].
    pub fn drop_idle_older_than(&self, order: ReleaseOrder) -> usize {
        let older = self.state.lock().take_oldest_while(|other, _| other < order);
        close_all(older, CloseReason::Suspect)
    }

    /// Closes the idle connections for which `choose` returns true; returns how many those were.
    ///
    /// `choose` is called with the pool locked and must not block. The closing is done outside the lock.
    pub fn close_idle(
        &self,
        reason: CloseReason,
        mut choose: impl FnMut(&C, ReleaseOrder) -> bool,
    ) -> usize {
        let taken = {
            let mut state = self.state.lock();
            state.take_where(usize::MAX, |order, _, connection| choose(connection, order))
        };
        close_all(taken.into_iter().map(|idle| idle.entry).collect(), reason)
    }

    /// Closes the idle connections and keeps none from now on; for the end of the child.
    ///
    /// Requests in flight finish: `acquire` still returns vacancies, and waiters are served, but each
    /// connection is closed when it is released or, if [borrowed](super::BorrowedConnection), given back.
    pub fn close(&self) {
        let idle = {
            let mut state = self.state.lock();
            state.shutting_down = true;
            state.take_oldest_while(|_, _| true)
        };
        close_all(idle, CloseReason::Shutdown);
    }

    /// Returns what the pool has now, and what it has done so far.
    pub fn stats(&self) -> Stats {
        let PoolGauges { idle, in_use, borrowed, waiting } = self.state.lock().gauges();
        Stats {
            idle,
            in_use,
            borrowed,
            waiting,
            created: self.counters.created.load(Relaxed),
            reused: self.counters.reused.load(Relaxed),
            timed_out: self.counters.timed_out.load(Relaxed),
            closed: self.counters.closed(),
        }
    }

    /// Sets the limits, which hold until a call brings others. A new pool has none: whoever knows them before the
    /// first request says so, since connections may be opened without one.
    pub fn set_limits(self: &Arc<Self>, limits: &Limits) {
        let mut state = self.state.lock();
        state.limits = *limits;
        let admitted = self.admit_waiters(&mut state);
        drop(state);
        wake_all(admitted);
    }

    /// Serves waiters while there is room, since a raised `max` may have made some; wake those returned
    /// after unlocking.
    pub(super) fn admit_waiters(
        self: &Arc<Self>,
        state: &mut State<C, Handover<C>>,
    ) -> Vec<Arc<Waiter<Handover<C>>>> {
        let mut admitted = Vec::new();
        while state.has_room() {
            let Some(waiter) = state.waiters.pop_front() else { break };
            let place = Place::take(self, state);
            waiter.serve(Handover { idle: None, place, at_once: false });
            admitted.push(waiter);
        }
        admitted
    }

    /// Takes back a usable connection: gives it to the first that can use it, else makes it idle.
    ///
    /// `state` is the locked state of the pool that `place` belongs to; it is unlocked in here.
    pub(super) fn put(
        place: Place<C>,
        entry: Box<Entry<C>>,
        kind: ReturnKind,
        // Last, so dropped first should this panic: the others must not be dropped under the lock.
        mut state: StateGuard<'_, C, Handover<C>>,
    ) {
        match state.take_destination() {
            Destination::Close(reason) => {
                drop(state);
                // In this order: the place is free once the connection is closed.
                entry.close(reason);
                drop(place);
            }
            Destination::Pending(waiter) => {
                let mark = kind.mark(&mut state);
                waiter.serve(IdleConnection { entry, mark });
                drop(state);
                waiter.wake();
                drop(place);
            }
            Destination::Waiter(waiter) => {
                let mark = kind.mark(&mut state);
                let idle = Some(IdleConnection { entry, mark });
                waiter.serve(Handover { idle, place, at_once: false });
                drop(state);
                waiter.wake();
            }
            Destination::Idle => {
                let mark = kind.mark(&mut state);
                place.give_up(&mut state);
                let surplus = state.insert_idle(IdleConnection { entry, mark });
                drop(state);
                close_all(surplus, CloseReason::Evicted);
            }
        }
    }

    /// Wraps a connection that has just been opened, and counts it.
    pub(super) fn register(&self, connection: C) -> Box<Entry<C>> {
        let (number, counter) = CloseCounter::start(&self.counters);
        Entry::new(connection, number, counter)
    }
}

impl ReturnKind {
    fn mark<C: Pooled>(self, state: &mut State<C, Handover<C>>) -> IdleMark {
        match self {
            ReturnKind::Used(now) => state.new_mark(now),
            ReturnKind::Checked(mark) => mark,
        }
    }
}

/// One of the `max` places of a pool, counted in `in_use` until it is dropped or given up.
///
/// Must not be dropped while the pool is locked: its end may serve a waiter.
pub(super) struct Place<C: Pooled> {
    pub(super) pool: Arc<Pool<C>>,
    counted: bool,
}

impl<C: Pooled> Place<C> {
    /// Counts one more place in use.
    pub(super) fn take(pool: &Arc<Pool<C>>, state: &mut State<C, Handover<C>>) -> Self {
        state.in_use += 1;
        Self { pool: Arc::clone(pool), counted: true }
    }

    /// Ends the place without serving a waiter, for a connection that becomes idle in the same
    /// critical section.
    pub(super) fn give_up(mut self, state: &mut State<C, Handover<C>>) {
        state.in_use -= 1;
        self.counted = false;
    }
}

impl<C: Pooled> Drop for Place<C> {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let mut state = self.pool.state.lock();
        let next = if state.is_over() { None } else { state.waiters.pop_front() };
        state.in_use -= 1;
        if let Some(waiter) = next {
            let place = Place::take(&self.pool, &mut state);
            waiter.serve(Handover { idle: None, place, at_once: false });
            drop(state);
            waiter.wake();
        }
    }
}

/// Closes these connections, counting each; returns how many. The pool must not be locked.
#[inline]
pub(super) fn close_all<C>(entries: Vec<Box<Entry<C>>>, reason: CloseReason) -> usize {
    let count = entries.len();
    each_of_some(entries, |entry| entry.close(reason));
    count
}

/// Wakes those that have been served. The pool must not be locked.
#[inline]
pub(super) fn wake_all<H>(waiters: Vec<Arc<Waiter<H>>>) {
    each_of_some(waiters, |waiter| waiter.wake());
}

/// Does it for each of a list, which hardly ever has any.
#[inline]
fn each_of_some<T>(list: Vec<T>, act: impl FnMut(T)) {
    if list.capacity() > 0 {
        list.into_iter().for_each(act);
    } else {
        // It owns no memory, so that nothing is lost.
        std::mem::forget(list);
    }
}

impl<C: Pooled> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
