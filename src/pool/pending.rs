//! Looking for a connection in two places at once: among those that come back, and elsewhere.

use std::fmt;
use std::sync::Arc;

use super::Pooled;
use super::acquire::Pool;
use super::lease::{Acquired, Lease, Place, Vacancy};
use super::state::IdleConnection;
use super::waiter::{Handover, Waiter, Wants};

/// A vacancy whose holder cannot open a connection at will, and takes one that is released
/// meanwhile: where the backend opens the connections.
///
/// Those who seek come before those who wait for a place, since they had theirs first. Dropped, it
/// gives up the place, and closes what it was given.
#[must_use = "dropping it gives the place up"]
pub struct PendingVacancy<C: Pooled> {
    // Fields drop in this order: what was handed over is closed before places are free.
    queued: QueueEntry<C>,
    place: Place<C>,
}

/// A stand in the line of those who seek, left when dropped; what was handed over is closed then.
struct QueueEntry<C: Pooled> {
    pool: Arc<Pool<C>>,
    waiter: Arc<Waiter<C>>,
}

impl<C: Pooled> Vacancy<C> {
    /// Stands in line for a connection that is released. `ring` is called, by whichever thread
    /// releases one for this caller, as soon as there is something to [take](PendingVacancy::take); it must
    /// neither block nor use the pool.
    pub fn wait_for_release(self, ring: impl Fn() + Send + Sync + 'static) -> PendingVacancy<C> {
        let waiter = Arc::new(Waiter::with_bell(Wants::Any, Box::new(ring)));
        let queued = QueueEntry { pool: Arc::clone(&self.place.pool), waiter };
        queued.enqueue();
        PendingVacancy { queued, place: self.place }
    }
}

impl<C: Pooled> PendingVacancy<C> {
    /// A connection that was released to this caller and is good.
    ///
    /// # Errors
    /// There is none; one goes on pending.
    pub fn take(mut self) -> Result<Lease<C>, Self> {
        while let Some(handover) = self.queued.waiter.take() {
            let Self { queued, place } = self;
            match into_its_place(handover, place) {
                Acquired::Reused(lease) => return Ok(lease),
                Acquired::Vacant(Vacancy { place }) => {
                    queued.enqueue();
                    self = Self { queued, place };
                }
            }
        }
        Err(self)
    }

    /// Leaves the queued: with what was released in the last moment, else with the place alone.
    pub fn stop(self) -> Acquired<C> {
        let Self { queued, place } = self;
        match queued.leave() {
            Some(handover) => into_its_place(handover, place),
            None => Acquired::Vacant(Vacancy { place }),
        }
    }
}

/// Moves into the place that comes with the connection; `own` goes to whoever waits for one.
fn into_its_place<C: Pooled>(Handover { idle, place }: Handover<C>, own: Place<C>) -> Acquired<C> {
    drop(own);
    let pool = Arc::clone(&place.pool);
    pool.settle(idle, place)
}

impl<C: Pooled> QueueEntry<C> {
    /// Takes what is idle at once, so that nothing is idle while somebody seeks.
    fn enqueue(&self) {
        let mut state = self.pool.state.lock();
        match state.pop_newest() {
            // With a place of its own, as if released to us.
            Some(idle) => {
                let place = Place::take(&self.pool, &mut state);
                self.waiter.serve(Handover { idle: Some(idle), place });
                drop(state);
                self.waiter.wake();
            }
            None => state.pending.push_back(Arc::clone(&self.waiter)),
        }
    }

    /// Out of the line; what it has been given by then.
    ///
    /// Whoever takes a waiter out of the line fills its slot before unlocking the pool, as with
    /// [`Pool::withdraw`].
    fn leave(&self) -> Option<Handover<C>> {
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

impl<C: Pooled> Pool<C> {
    /// The candidate if it is good, else the next idle one in its place; none left: the place.
    pub(super) fn settle(
        self: &Arc<Self>,
        mut candidate: Option<IdleConnection<C>>,
        mut place: Place<C>,
    ) -> Acquired<C> {
        while let Some(IdleConnection { entry, mark }) = candidate {
            let mut lease = Lease { entry, mark: Some(mark), place };
            let Some(reason) = lease.check() else {
                self.count_reuse(&mut lease);
                return Acquired::Reused(lease);
            };
            let vacancy = lease.discard(reason);
            // The place is ours, so an idle connection moves into it whoever may be waiting.
            candidate = self.state.lock().pop_newest();
            place = vacancy.place;
        }
        Acquired::Vacant(Vacancy { place })
    }
}
