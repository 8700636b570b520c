//! The pool, and how a place in it is got.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::lease::{Acquired, Lease, Place, Vacancy};
use super::observe::{Guarded, StateGuard};
use super::state::{Destination, Entry, IdleConnection, IdleMark, State};
use super::stats::{Counters, Tally};
use super::waiter::{Handover, Waiter, Wants};
use super::{CloseReason, Limits, Observe, Pooled, ReleaseOrder, Stats, Wait};

/// Why there is no place in the pool for this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AcquireError {
    /// All places stayed taken for as long as the caller was allowed to wait.
    #[error("all {max} connections are in use and none came free within {waited:?}")]
    Busy {
        /// The `max` of the call.
        max: usize,
        /// The wait of the call; zero if it was to look once.
        waited: Duration,
    },
}

/// Connections to one backend, idle or leased; shared as `Arc<Pool<C>>`.
///
/// See the [module](super) for the promises. Leases and vacancies keep the pool alive; dropping
/// the last handle closes what is idle.
pub struct Pool<C: Pooled> {
    pub(super) state: Guarded<C>,
    counters: Arc<Counters>,
}

impl<C: Pooled> Pool<C> {
    /// Makes an empty pool; it opens nothing by itself.
    pub fn new() -> Arc<Self> {
        Self::with(Counters::default())
    }

    /// The same, with somebody who is told of what happens.
    pub fn observed(observer: Box<dyn Observe>) -> Arc<Self> {
        Self::with(Counters::observed(observer))
    }

    fn with(counters: Counters) -> Arc<Self> {
        let counters = Arc::new(counters);
        let state = Guarded::new(State::new(), Arc::clone(&counters));
        Arc::new(Self { state, counters })
    }

    /// Gives the most recently used connection that is still good, or the right to open one.
    ///
    /// First closes every idle connection of this pool that has idle for `ttl` or longer. Then
    /// each candidate is [checked](Pooled::check), newest first; a bad one is closed and counted
    /// by what was found. None left: a [`Vacancy`] below `max`; else the caller waits its turn,
    /// until `now + wait`. A waiter is given either a connection just released or a vacancy.
    ///
    /// Costs no look at the idle connections that are neither expired nor a candidate.
    ///
    /// # Errors
    /// [`AcquireError::Busy`] when no place came free in time.
    pub fn acquire(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
    ) -> Result<Acquired<C>, AcquireError> {
        let Handover { idle, place } = self.claim(now, limits, Wants::Any)?;
        Ok(self.settle(idle, place))
    }

    /// A pooled connection is used once more.
    pub(super) fn count_reuse(&self, lease: &mut Lease<C>) {
        lease.entry.uses += 1;
        self.counters.count_reused();
    }

    /// Gives the right to open a new connection, though there may be idle ones.
    ///
    /// For a request that no longer trusts the idle ones. At `max`, the oldest idle connection is
    /// closed to make room; where none is idle the caller waits its turn as in
    /// [`acquire`](Self::acquire), and if a connection is released to it, that one is closed.
    /// Who still holds the lease that failed uses [`Lease::discard`] instead, and never waits.
    ///
    /// # Errors
    /// [`AcquireError::Busy`] when no place came free in time.
    pub fn acquire_fresh(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
    ) -> Result<Vacancy<C>, AcquireError> {
        let Handover { idle, place } = self.claim(now, limits, Wants::Fresh)?;
        if let Some(IdleConnection { entry, .. }) = idle {
            entry.close(CloseReason::Evicted);
        }
        Ok(Vacancy { place })
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

    /// Closes what is idle and keeps nothing from now on; for the end of the child.
    ///
    /// Requests in flight finish: `acquire` goes on giving vacancies, and waiters are served, but
    /// each connection is closed when it is released, or given back from a [`BorrowedConnection`](super::BorrowedConnection).
    pub fn close(&self) {
        let idle = {
            let mut state = self.state.lock();
            state.shutting_down = true;
            state.take_oldest_while(|_, _| true)
        };
        close_all(idle, CloseReason::Shutdown);
    }

    /// What the pool holds now and has done so far.
    pub fn stats(&self) -> Stats {
        let (idle, in_use, borrowed, waiting) = {
            let state = self.state.lock();
            (
                state.idle.len(),
                state.in_use,
                state.borrowed,
                state.waiters.len() + state.pending.len(),
            )
        };
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

    /// Takes a place, with the newest idle connection in it if there is one; waits if need be.
    ///
    /// The connection is unchecked. For [`Wants::Fresh`] it is one to be closed.
    fn claim(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        wants: Wants,
    ) -> Result<Handover<C>, AcquireError> {
        let deadline = match limits.wait {
            Wait::Forever => None,
            Wait::For(wait) => now.checked_add(wait),
        };
        let look_once = limits.wait == Wait::For(Duration::ZERO);

        let mut state = self.state.lock();
        state.limits = *limits;
        let expired = state.take_expired(now);
        let admitted = self.admit_waiters(&mut state);
        let found = self.claim_now(&mut state, wants);
        let waiter = (found.is_none() && !look_once).then(|| {
            let waiter = Arc::new(Waiter::new(wants));
            state.waiters.push_back(Arc::clone(&waiter));
            waiter
        });
        drop(state);

        admitted.iter().for_each(|waiter| waiter.wake());
        close_all(expired, CloseReason::Expired);

        let found = found.or_else(|| {
            let waiter = waiter?;
            waiter.wait(deadline).or_else(|| self.withdraw(&waiter))
        });
        found.ok_or_else(|| {
            self.counters.count_timed_out();
            AcquireError::Busy {
                max: limits.max.map_or(usize::MAX, |max| max.get()),
                waited: match limits.wait {
                    Wait::Forever => Duration::MAX,
                    Wait::For(wait) => wait,
                },
            }
        })
    }

    /// Takes a place that is there right now.
    fn claim_now(self: &Arc<Self>, state: &mut State<C>, wants: Wants) -> Option<Handover<C>> {
        // While someone waits nothing is idle and no place is free; asked all the same, so that
        // nobody can get ahead of the queue.
        if !state.waiters.is_empty() {
            return None;
        }
        let idle = match wants {
            Wants::Any => state.pop_newest(),
            Wants::Fresh if state.has_room() => None,
            Wants::Fresh => state.pop_oldest(),
        };
        if idle.is_none() && !state.has_room() {
            return None;
        }
        Some(Handover { idle, place: Place::take(self, state) })
    }

    /// Serves those waiting for whom a raised `max` has made room; wake them after unlocking.
    pub(super) fn admit_waiters(self: &Arc<Self>, state: &mut State<C>) -> Vec<Arc<Waiter<C>>> {
        let mut admitted = Vec::new();
        while state.has_room() {
            let Some(waiter) = state.waiters.pop_front() else { break };
            waiter.serve(Handover { idle: None, place: Place::take(self, state) });
            admitted.push(waiter);
        }
        admitted
    }

    /// Leaves the queue after the time is up, unless served in the last moment.
    ///
    /// # Race
    ///
    /// ```text
    /// waiter                          releaser
    /// wait: time is up, slot empty
    ///                                 locks the pool, takes the waiter out of the queue,
    ///                                 fills the slot, unlocks, wakes nobody
    /// withdraw: locks the pool,
    /// is not in the queue
    /// ```
    ///
    /// Whoever takes a waiter out of the queue fills its slot before unlocking the pool. So a
    /// waiter that does not find itself queued has been served, and takes what is there: late by
    /// the time a lock takes, but nothing is lost. Found, it is removed under the same lock, and
    /// nobody can serve it any more.
    pub(super) fn withdraw(&self, waiter: &Arc<Waiter<C>>) -> Option<Handover<C>> {
        let mut state = self.state.lock();
        match state.waiters.iter().position(|other| Arc::ptr_eq(other, waiter)) {
            Some(position) => {
                state.waiters.remove(position);
                None
            }
            None => {
                drop(state);
                waiter.take()
            }
        }
    }

    /// Takes a usable connection in: to the first waiter, else among the idle ones.
    ///
    /// `state` is the pool that `place` is one of, locked; unlocked in here.
    pub(super) fn put(
        place: Place<C>,
        entry: Box<Entry<C>>,
        back: ReturnKind,
        // Last, so dropped first should this panic: the others must not be dropped under the lock.
        mut state: StateGuard<'_, C>,
    ) {
        match state.destination() {
            Destination::Close(reason) => {
                drop(state);
                // In this order: the place is free once the connection is closed.
                entry.close(reason);
                drop(place);
            }
            Destination::Waiter(waiter) => {
                let mark = back.mark(&mut state);
                waiter.serve(Handover { idle: Some(IdleConnection { entry, mark }), place });
                drop(state);
                waiter.wake();
            }
            Destination::Idle => {
                let mark = back.mark(&mut state);
                place.give_up(&mut state);
                let surplus = state.insert_idle(IdleConnection { entry, mark });
                drop(state);
                close_all(surplus, CloseReason::Evicted);
            }
        }
    }

    /// Wraps a connection just opened.
    pub(super) fn enter(&self, connection: C) -> Box<Entry<C>> {
        let (number, tally) = Tally::start(&self.counters);
        Entry::new(connection, number, tally)
    }
}

/// How a connection comes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReturnKind {
    /// After use, released at this time.
    Used(Instant),
    /// After a look; as old as it was.
    Checked(IdleMark),
}

impl ReturnKind {
    fn mark<C: Pooled>(self, state: &mut State<C>) -> IdleMark {
        match self {
            ReturnKind::Used(now) => state.idle_mark_from(now),
            ReturnKind::Checked(mark) => mark,
        }
    }
}

/// Closes these connections, counting each; call it with the pool unlocked.
pub(super) fn close_all<C>(entries: Vec<Box<Entry<C>>>, reason: CloseReason) -> usize {
    let count = entries.len();
    entries.into_iter().for_each(|entry| entry.close(reason));
    count
}

impl<C: Pooled> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
