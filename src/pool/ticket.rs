//! Waiting for a place without a thread.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::idle::IdleConnection;
use super::lease::{Acquired, Vacancy};
use super::places::{Handover, ReturnKind};
use super::waiter::{Waiter, Wants};
use super::{AcquireError, CloseReason, Limits, Pool, Pooled};

/// A turn in the queue for a place. Dropped, it is given up, and what was handed over goes on to the
/// next waiter.
#[must_use = "dropping it gives the turn up"]
pub struct QueueTicket<C: Pooled> {
    pool: Arc<Pool<C>>,
    waiter: Arc<Waiter<Handover<C>>>,
    limits: Limits,
}

impl<C: Pooled> Pool<C> {
    /// As [`acquire`](Self::acquire), for a caller that does not sleep here: where it would wait, it
    /// enters the queue instead.
    ///
    /// `waker` makes what is called as soon as there is something to [take](QueueTicket::take), by the
    /// thread that releases it; neither may block or use the pool. The caller watches the time that
    /// `limits` allow.
    ///
    /// # Errors
    /// No place is free: the turn in the queue, or `None` where there is no waker.
    pub fn acquire_or_queue<W: Fn() + Send + Sync + 'static>(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        waker: impl FnOnce() -> Option<W>,
    ) -> Result<Acquired<C>, Option<QueueTicket<C>>> {
        self.queue(now, limits, Wants::Any, waker)
    }

    /// As [`acquire_fresh`](Self::acquire_fresh), for a caller that does not sleep here; see
    /// [`acquire_or_queue`](Self::acquire_or_queue).
    ///
    /// # Errors
    /// No place is free: the turn in the queue, or `None` where there is no waker.
    pub fn acquire_fresh_or_queue<W: Fn() + Send + Sync + 'static>(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        waker: impl FnOnce() -> Option<W>,
    ) -> Result<Acquired<C>, Option<QueueTicket<C>>> {
        self.queue(now, limits, Wants::Fresh, waker)
    }

    fn queue<W: Fn() + Send + Sync + 'static>(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        wants: Wants,
        waker: impl FnOnce() -> Option<W>,
    ) -> Result<Acquired<C>, Option<QueueTicket<C>>> {
        let waiter = || Some(Arc::new(Waiter::woken_by(wants, Box::new(waker()?))));
        match self.claim_or_queue(now, limits, wants, waiter) {
            Ok(found) => Ok(self.hand_out(found, wants)),
            Err(waiter) => Err(waiter.map(|waiter| {
                let pool = Arc::clone(self);
                QueueTicket { pool, waiter, limits: *limits }
            })),
        }
    }

    /// Makes of a hand-over what the caller can use.
    fn hand_out(
        self: &Arc<Self>,
        Handover { idle, place, at_once }: Handover<C>,
        wants: Wants,
    ) -> Acquired<C> {
        match (wants, idle) {
            (Wants::Any, idle) => self.first_usable(idle, place, at_once),
            (Wants::Fresh, idle) => {
                if let Some(IdleConnection { entry, .. }) = idle {
                    entry.close(CloseReason::Evicted);
                }
                Acquired::Vacant(Vacancy { place })
            }
        }
    }
}

impl<C: Pooled> QueueTicket<C> {
    /// Takes the place that has come free.
    ///
    /// # Errors
    /// Returns self unchanged when nothing has been handed over.
    pub fn take(self) -> Result<Acquired<C>, Self> {
        match self.waiter.take() {
            Some(found) => Ok(self.pool.hand_out(found, self.waiter.wants)),
            None => Err(self),
        }
    }

    /// Leaves the queue when the time is up: with what was handed over at the last moment.
    ///
    /// # Errors
    /// [`AcquireError::Busy`] when that is nothing.
    pub fn give_up(self) -> Result<Acquired<C>, AcquireError> {
        match self.pool.withdraw(&self.waiter) {
            Some(found) => Ok(self.pool.hand_out(found, self.waiter.wants)),
            None => Err(self.pool.busy(&self.limits)),
        }
    }
}

impl<C: Pooled> Drop for QueueTicket<C> {
    fn drop(&mut self) {
        match self.pool.withdraw(&self.waiter) {
            Some(Handover { idle: Some(IdleConnection { entry, mark }), place, .. }) => {
                let pool = Arc::clone(&self.pool);
                Pool::put(place, entry, ReturnKind::Checked(mark), pool.state.lock());
            }
            unused => drop(unused),
        }
    }
}

impl<C: Pooled> fmt::Debug for QueueTicket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueTicket").finish_non_exhaustive()
    }
}
