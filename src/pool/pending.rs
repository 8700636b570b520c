//! Waiting in two places at once: for a connection that is released, and for one from elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::idle::IdleConnection;
use super::lease::{Acquired, Lease, Vacancy};
use super::places::Place;
use super::state::PendingWaiter;
use super::waiter::{Waiter, Wants};
use super::{Pool, Pooled};

/// A vacancy whose holder cannot open a connection at will, because the backend opens them; it takes
/// one that is released meanwhile.
///
/// Pending vacancies are served before waiters: they already own a place, and the connection moves into it.
/// Dropped, it gives up the place, and closes what it was handed.
#[must_use = "dropping it gives the place up"]
pub struct PendingVacancy<C: Pooled> {
    // Fields drop in this order: what was handed over is closed before the place is free.
    queued: QueueEntry<C>,
    place: Place<C>,
}

/// An entry in the queue of pending vacancies; dropped, it leaves the queue and closes what it was
/// handed.
struct QueueEntry<C: Pooled> {
    pool: Arc<Pool<C>>,
    waiter: PendingWaiter<C>,
}

impl<C: Pooled> Vacancy<C> {
    /// Enters the queue for a connection that is released.
    ///
    /// `wake` is called as soon as there is something to [take](PendingVacancy::take), by the thread
    /// that releases it; it must neither block nor use the pool.
    pub fn wait_for_release(self, wake: impl Fn() + Send + Sync + 'static) -> PendingVacancy<C> {
        let waiter = Arc::new(Waiter::woken_by(Wants::Any, Box::new(wake)));
        let queued = QueueEntry { pool: Arc::clone(&self.place.pool), waiter };
        queued.enqueue();
        PendingVacancy { queued, place: self.place }
    }
}

impl<C: Pooled> PendingVacancy<C> {
    /// Takes a good connection that was released to this caller.
    ///
    /// # Errors
    /// Returns self unchanged when nothing good has been handed over.
    pub fn take(mut self) -> Result<Lease<C>, Self> {
        while let Some(released) = self.queued.waiter.take() {
            let Self { queued, place } = self;
            match queued.pool.first_usable(Some(released), place, false) {
                Acquired::Reused(lease) => return Ok(lease),
                Acquired::Vacant(Vacancy { place }) => {
                    queued.enqueue();
                    self = Self { queued, place };
                }
            }
        }
        Err(self)
    }

    /// Leaves the queue, with a connection that has just been opened in the place. If one was released at the
    /// last moment, that one is leased, and the new one is for the next request, where there is room for it.
    pub fn fill(self, connection: C, now: Instant) -> Lease<C> {
        let pool = Arc::clone(&self.place.pool);
        match self.stop() {
            Acquired::Vacant(vacancy) => vacancy.fill(connection),
            Acquired::Reused(lease) => {
                if let Some(vacancy) = pool.vacancy_below(usize::MAX) {
                    vacancy.stock(connection, now);
                }
                lease
            }
        }
    }

    /// Leaves the queue: with what was released at the last moment, else with the place alone.
    pub fn stop(self) -> Acquired<C> {
        let Self { queued, place } = self;
        let released = queued.leave();
        queued.pool.first_usable(released, place, false)
    }
}

impl<C: Pooled> QueueEntry<C> {
    /// Enters the queue, unless a connection is idle: that is taken at once, so that none is idle while
    /// a vacancy is pending.
    fn enqueue(&self) {
        let mut state = self.pool.state.lock();
        match state.pop_newest() {
            Some(idle) => {
                self.waiter.serve(idle);
                drop(state);
                self.waiter.wake();
            }
            None => state.pending.push_back(Arc::clone(&self.waiter)),
        }
    }

    /// Leaves the queue; returns what has been handed over by then.
    ///
    /// The thread that takes a waiter out of the queue fills its slot before unlocking the pool, as
    /// with [`Pool::withdraw`].
    fn leave(&self) -> Option<IdleConnection<C>> {
        let mut state = self.pool.state.lock();
        state.pending.retain(|other| !Arc::ptr_eq(other, &self.waiter));
        drop(state);
        self.waiter.take()
    }
}

impl<C: Pooled> Drop for QueueEntry<C> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl<C: Pooled> fmt::Debug for PendingVacancy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingVacancy").finish_non_exhaustive()
    }
}
