//! Acquiring: how a request gets a place in the pool, with a connection or without.

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::idle::IdleConnection;
use super::lease::{Acquired, Vacancy};
use super::places::{Handover, Place, close_all, wake_all};
use super::state::State;
use super::waiter::{Waiter, Wants};
use super::{CloseReason, Limits, Pool, Pooled, Wait};

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

/// A waiter, shared with the queue that it is in.
pub(super) type QueuedWaiter<C> = Arc<Waiter<Handover<C>>>;

impl<C: Pooled> Pool<C> {
    /// Leases the most recently used connection that is still good, or gives the right to open one.
    ///
    /// First closes every connection of this pool that has been idle for `ttl` or longer. Then each
    /// candidate is [checked](Pooled::check), newest first; a bad one is closed and counted by what the
    /// check found. When none is left, the result is a [`Vacancy`], below `max`; at `max` the caller
    /// waits in turn until `now + wait`. A waiter gets either a connection just released or a vacancy.
    ///
    /// Idle connections that are neither expired nor a candidate cost nothing.
    ///
    /// # Errors
    /// [`AcquireError::Busy`] when no place came free in time.
    pub fn acquire(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
    ) -> Result<Acquired<C>, AcquireError> {
        if let Some(acquired) = self.acquire_idle(now, limits) {
            return Ok(acquired);
        }
        let Handover { idle, place, at_once } = self.claim(now, limits, Wants::Any)?;
        Ok(self.first_usable(idle, place, at_once))
    }

    /// As [`acquire`](Self::acquire), where it takes no more than the newest idle connection: there is one, none
    /// has expired, and nobody waits. `None`: else; nothing has changed.
    pub fn acquire_idle(self: &Arc<Self>, now: Instant, limits: &Limits) -> Option<Acquired<C>> {
        let mut state = self.state.lock();
        let idle = state.take_newest_alone(now, limits)?;
        let place = Place::take(self, &mut state);
        drop(state);
        Some(self.first_usable(Some(idle), place, true))
    }

    /// Gives the right to open a new connection, even if there are idle ones.
    ///
    /// For a request that no longer trusts the idle ones. At `max`, the oldest idle connection is
    /// closed to make room; if none is idle, the caller waits in turn as in
    /// [`acquire`](Self::acquire), and a connection that is released to it is closed. A caller that
    /// still holds the lease that failed uses [`Lease::discard`](super::Lease::discard) instead, and
    /// never waits.
    ///
    /// # Errors
    /// [`AcquireError::Busy`] when no place came free in time.
    pub fn acquire_fresh(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
    ) -> Result<Vacancy<C>, AcquireError> {
        let Handover { idle, place, .. } = self.claim(now, limits, Wants::Fresh)?;
        if let Some(IdleConnection { entry, .. }) = idle {
            entry.close(CloseReason::Evicted);
        }
        Ok(Vacancy { place })
    }

    /// Takes a place, with the newest idle connection in it if there is one; waits if necessary.
    ///
    /// The connection is unchecked. For [`Wants::Fresh`] it is to be closed.
    #[cold]
    fn claim(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        wants: Wants,
    ) -> Result<Handover<C>, AcquireError> {
        let look_once = limits.wait == Wait::For(Duration::ZERO);
        let waiter = match self.claim_or_queue(now, limits, wants, || {
            (!look_once).then(|| Arc::new(Waiter::new(wants)))
        }) {
            Ok(found) => return Ok(found),
            Err(waiter) => waiter,
        };
        let deadline = limits.wait.time().and_then(|wait| now.checked_add(wait));
        let found =
            waiter.and_then(|waiter| waiter.wait(deadline).or_else(|| self.withdraw(&waiter)));
        found.ok_or_else(|| self.busy(limits))
    }

    /// Takes a place that is free, or enters the queue with this waiter, if there is one.
    pub(super) fn claim_or_queue(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        wants: Wants,
        waiter: impl FnOnce() -> Option<QueuedWaiter<C>>,
    ) -> Result<Handover<C>, Option<QueuedWaiter<C>>> {
        let mut state = self.state.lock();
        state.limits = *limits;
        let expired = state.take_expired(now);
        let admitted = self.admit_waiters(&mut state);
        let found = self.claim_now(&mut state, wants).ok_or_else(|| {
            let waiter = waiter();
            state.waiters.extend(waiter.clone());
            waiter
        });
        drop(state);

        wake_all(admitted);
        close_all(expired, CloseReason::Expired);
        found
    }

    /// Counts that no place came free in time.
    #[cold]
    pub(super) fn busy(&self, limits: &Limits) -> AcquireError {
        self.counters.count_timed_out();
        AcquireError::Busy {
            max: limits.max.map_or(usize::MAX, |max| max.get()),
            waited: limits.wait.time().unwrap_or(Duration::MAX),
        }
    }

    /// Takes a place that is free right now.
    fn claim_now(
        self: &Arc<Self>,
        state: &mut State<C, Handover<C>>,
        wants: Wants,
    ) -> Option<Handover<C>> {
        // While a thread waits, nothing is idle and no place is free. Checked nevertheless, so that no
        // request can overtake the queue.
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
        Some(Handover { idle, place: Place::take(self, state), at_once: true })
    }

    /// Leaves the queue when the time is up, unless served at the last moment.
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
    /// The thread that takes a waiter out of the queue fills its slot before unlocking the pool. So a
    /// waiter that is no longer in the queue has been served, and takes what is there: late by the
    /// time a lock takes, but nothing is lost. One that is still in the queue is removed under the same
    /// lock, and can no longer be served.
    pub(super) fn withdraw(&self, waiter: &Arc<Waiter<Handover<C>>>) -> Option<Handover<C>> {
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
}
