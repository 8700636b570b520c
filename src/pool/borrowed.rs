//! Connections for the housekeeper: idle ones borrowed to be tested, and room for new ones.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use super::idle::{Entry, IdleConnection, IdleMark};
use super::lease::Vacancy;
use super::places::{Handover, Place, ReturnKind};
use super::state::State;
use super::{CloseReason, Pool, Pooled, ReleaseOrder};

/// An idle connection taken out to be tested; it keeps its idle time. Dropped, it is closed.
///
/// It has none of the `max` places, so that no request waits for the test: a new connection may be
/// opened meanwhile, and as many connections as are borrowed may be open above `max`. The borrower
/// bounds that: if it borrows no more while earlier ones are away, and each for one ping timeout at
/// most, it is half of `max`, rounded up, for that long.
#[must_use = "dropping it closes the connection"]
pub struct BorrowedConnection<C: Pooled> {
    // Fields drop in this order: it counts as borrowed until it is closed.
    entry: Box<Entry<C>>,
    mark: IdleMark,
    guard: BorrowGuard<C>,
}

impl<C: Pooled> BorrowedConnection<C> {
    /// Gives it back: to the first pending vacancy, else to the first waiter, else to where it was among the
    /// idle ones, no younger than before.
    ///
    /// It is closed instead if requests have taken all places meanwhile and none of them is pending
    /// ([`CloseReason::Evicted`]), or after [`Pool::close`]. The caller vouches that the connection is clean:
    /// nothing asked on it is unanswered.
    pub fn give_back(self) {
        let Self { entry, mark, guard } = self;
        let pool = Arc::clone(&guard.pool);
        let mut state = pool.state.lock();
        if let Some(waiter) = state.take_pending() {
            // Into the place that this one has: no further one is taken, as there may be none.
            guard.end(&mut state);
            waiter.serve(IdleConnection { entry, mark });
            drop(state);
            waiter.wake();
            return;
        }
        if state.has_room() {
            guard.end(&mut state);
            let place = Place::take(&pool, &mut state);
            Pool::put(place, entry, ReturnKind::Checked(mark), state);
            return;
        }
        let shutting_down = state.shutting_down;
        drop(state);
        entry.close(if shutting_down { CloseReason::Shutdown } else { CloseReason::Evicted });
        drop(guard);
    }

    /// Closes it.
    pub fn close(self, reason: CloseReason) {
        self.entry.close(reason);
    }

    /// Returns its position in the order of releases.
    pub fn order(&self) -> ReleaseOrder {
        self.mark.order
    }
}

impl<C: Pooled> Deref for BorrowedConnection<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.entry.connection
    }
}

impl<C: Pooled> DerefMut for BorrowedConnection<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.entry.connection
    }
}

impl<C: Pooled + fmt::Debug> fmt::Debug for BorrowedConnection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BorrowedConnection")
            .field("connection", &self.entry.connection)
            .field("number", &self.entry.number)
            .finish_non_exhaustive()
    }
}

impl<C: Pooled> Pool<C> {
    /// Borrows the idle connections for which `choose` returns true, given since when each has been
    /// idle: oldest first, and at most half of them all, so that a request still finds one.
    ///
    /// `choose` is called with the pool locked and must not block. A single idle connection may be
    /// borrowed: a request that comes at that moment opens another.
    pub fn borrow_idle(
        self: &Arc<Self>,
        mut choose: impl FnMut(&C, Instant) -> bool,
    ) -> Vec<BorrowedConnection<C>> {
        let mut state = self.state.lock();
        let half = state.idle.len().div_ceil(2);
        let taken = state.take_where(half, |_, since, connection| choose(connection, since));
        taken
            .into_iter()
            .map(|IdleConnection { entry, mark }| {
                let guard = BorrowGuard::begin(self, &mut state);
                BorrowedConnection { entry, mark, guard }
            })
            .collect()
    }

    /// Gives the right to open one more connection while there are fewer than `floor`: in use, idle or
    /// borrowed.
    ///
    /// `None` also at `max` (counting borrowed ones, which are to come back), while a request waits
    /// (it comes first), and after [`close`](Self::close).
    pub fn vacancy_below(self: &Arc<Self>, floor: usize) -> Option<Vacancy<C>> {
        let mut state = self.state.lock();
        let max = state.limits.max.map_or(usize::MAX, NonZeroUsize::get);
        let wanted = !state.shutting_down && state.waiters.is_empty();
        let open = state.total() + state.borrowed;
        (wanted && open < floor.min(max)).then(|| Vacancy { place: Place::take(self, &mut state) })
    }
}

/// Counts one connection in `borrowed` until it is dropped or ended.
///
/// Must not be dropped while the pool is locked. No waiter is served at its end: waiters wait for a
/// place, and a borrowed connection has none.
struct BorrowGuard<C: Pooled> {
    pool: Arc<Pool<C>>,
    counted: bool,
}

impl<C: Pooled> BorrowGuard<C> {
    /// Counts one more borrowed connection.
    fn begin(pool: &Arc<Pool<C>>, state: &mut State<C, Handover<C>>) -> Self {
        state.borrowed += 1;
        Self { pool: Arc::clone(pool), counted: true }
    }

    /// Ends it in the critical section in which the connection gets a place.
    fn end(mut self, state: &mut State<C, Handover<C>>) {
        state.borrowed -= 1;
        self.counted = false;
    }
}

impl<C: Pooled> Drop for BorrowGuard<C> {
    fn drop(&mut self) {
        if self.counted {
            self.pool.state.lock().borrowed -= 1;
        }
    }
}
