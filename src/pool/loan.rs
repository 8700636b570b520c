//! What the housekeeper does with idle connections beside looking at them: takes some out for a
//! while, closes chosen ones, asks for room to open new ones.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use super::acquire::{Back, Pool, close_all};
use super::lease::{Lease, Place, Vacancy};
use super::state::{Rest, Rested};
use super::{CloseReason, Pooled, ReleaseOrder};

/// An idle connection taken out to be tested; it keeps its age. Dropped, it is closed.
#[must_use = "dropping it closes the connection"]
pub struct Loan<C: Pooled> {
    lease: Lease<C>,
    rest: Rest,
}

impl<C: Pooled> Loan<C> {
    /// Back to where it was, no younger than before; to the first waiter, if there is one.
    ///
    /// To call it is to say that the connection is clean: nothing asked on it is unanswered.
    pub fn give_back(self) {
        self.lease.put_back(Back::LookedAt(self.rest));
    }

    /// Closes it.
    pub fn close(self, reason: CloseReason) {
        drop(self.lease.discard(reason));
    }

    /// Where in the order of releases it stands.
    pub fn order(&self) -> ReleaseOrder {
        self.rest.order
    }
}

impl<C: Pooled> Deref for Loan<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.lease
    }
}

impl<C: Pooled> DerefMut for Loan<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.lease
    }
}

impl<C: Pooled + fmt::Debug> fmt::Debug for Loan<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lease.fmt(f)
    }
}

impl<C: Pooled> Pool<C> {
    /// Takes out those idle connections for which `wanted` says so, given since when they have been
    /// idle; oldest first, and half of all at most, so that a request still finds one.
    ///
    /// `wanted` is called with the pool locked and must not block. A single idle connection may be
    /// taken: a request that comes in that moment is as in [`sweep`](Self::sweep)'s race.
    pub fn borrow_idle(
        self: &Arc<Self>,
        mut wanted: impl FnMut(&C, Instant) -> bool,
    ) -> Vec<Loan<C>> {
        let mut state = self.state.lock();
        let half = state.idle.len().div_ceil(2);
        let taken = state.take_where(half, |_, since, connection| wanted(connection, since));
        taken
            .into_iter()
            .map(|Rested { entry, rest }| {
                let place = Place::take(self, &mut state);
                Loan { lease: Lease { entry, rest: Some(rest), place }, rest }
            })
            .collect()
    }

    /// Closes the idle connections for which `chosen` says so; how many those were.
    ///
    /// `chosen` is called with the pool locked and must not block; the closing is done outside.
    pub fn close_idle(
        &self,
        reason: CloseReason,
        mut chosen: impl FnMut(&C, ReleaseOrder) -> bool,
    ) -> usize {
        let taken = {
            let mut state = self.state.lock();
            state.take_where(usize::MAX, |order, _, connection| chosen(connection, order))
        };
        close_all(taken.into_iter().map(|rested| rested.entry).collect(), reason)
    }

    /// The right to open one more connection while there are fewer than `floor`, in use or idle.
    ///
    /// `None` too at `max`, while somebody waits (who comes first), and after
    /// [`close`](Self::close).
    pub fn vacancy_below(self: &Arc<Self>, floor: usize) -> Option<Vacancy<C>> {
        let mut state = self.state.lock();
        let wanted = !state.shutting_down && state.waiters.is_empty() && state.total() < floor;
        (wanted && state.has_room()).then(|| Vacancy { place: Place::take(self, &mut state) })
    }
}
