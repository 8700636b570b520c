//! What the housekeeper does with idle connections beside looking at them: takes some out for a
//! while, closes chosen ones, asks for room to open new ones.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use super::acquire::{Pool, ReturnKind, close_all};
use super::lease::{Place, Vacancy};
use super::state::{Entry, IdleConnection, IdleMark, State};
use super::{CloseReason, Pooled, ReleaseOrder};

/// An idle connection taken out to be tested; it keeps its age. Dropped, it is closed.
///
/// It is in none of the `max` places, so that no request waits for the test: a new connection may
/// be opened meanwhile, and as many connections as are on loan may be open above `max`. Who lends
/// bounds that: with no more loans while earlier ones are out, and each for one ping timeout at most,
/// it is half of `max`, rounded up, for that long.
#[must_use = "dropping it closes the connection"]
pub struct BorrowedConnection<C: Pooled> {
    // Fields drop in this order: a loan counts until its connection is closed.
    entry: Box<Entry<C>>,
    mark: IdleMark,
    guard: BorrowGuard<C>,
}

impl<C: Pooled> BorrowedConnection<C> {
    /// ReturnKind to where it was, no younger than before; to the first waiter, if there is one.
    ///
    /// Closed instead where requests have taken all places meanwhile ([`CloseReason::Evicted`]), or
    /// after [`Pool::close`]. To call it is to say that the connection is clean: nothing asked on it
    /// is unanswered.
    pub fn give_back(self) {
        let Self { entry, mark, guard } = self;
        let pool = Arc::clone(&guard.pool);
        let mut state = pool.state.lock();
        if state.has_room() || !state.pending.is_empty() {
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

    /// Where in the order of releases it stands.
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
    /// Takes out those idle connections for which `wanted` says so, given since when they have been
    /// idle; oldest first, and half of all at most, so that a request still finds one.
    ///
    /// `wanted` is called with the pool locked and must not block. A single idle connection may be
    /// taken: a request that comes in that moment opens another.
    pub fn borrow_idle(
        self: &Arc<Self>,
        mut wanted: impl FnMut(&C, Instant) -> bool,
    ) -> Vec<BorrowedConnection<C>> {
        let mut state = self.state.lock();
        let half = state.idle.len().div_ceil(2);
        let taken = state.take_where(half, |_, since, connection| wanted(connection, since));
        taken
            .into_iter()
            .map(|IdleConnection { entry, mark }| {
                let guard = BorrowGuard::begin(self, &mut state);
                BorrowedConnection { entry, mark, guard }
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
        close_all(taken.into_iter().map(|idle| idle.entry).collect(), reason)
    }

    /// The right to open one more connection while there are fewer than `floor`, in use, idle or
    /// on loan.
    ///
    /// `None` too at `max` (loans counted, which shall come back), while somebody waits (who comes
    /// first), and after [`close`](Self::close).
    pub fn vacancy_below(self: &Arc<Self>, floor: usize) -> Option<Vacancy<C>> {
        let mut state = self.state.lock();
        let max = state.limits.max.map_or(usize::MAX, NonZeroUsize::get);
        let wanted = !state.shutting_down && state.waiters.is_empty();
        let open = state.total() + state.borrowed;
        (wanted && open < floor.min(max)).then(|| Vacancy { place: Place::take(self, &mut state) })
    }
}

/// A connection on loan, counted in `borrowed` until this is dropped or ended.
///
/// Must not be dropped while the pool is locked. Nobody is served at its end: who waits does so for
/// a place, and a loan has none.
struct BorrowGuard<C: Pooled> {
    pool: Arc<Pool<C>>,
    counted: bool,
}

impl<C: Pooled> BorrowGuard<C> {
    /// Counts one more on loan.
    fn begin(pool: &Arc<Pool<C>>, state: &mut State<C>) -> Self {
        state.borrowed += 1;
        Self { pool: Arc::clone(pool), counted: true }
    }

    /// Ends it within the critical section in which the connection gets a place.
    fn end(mut self, state: &mut State<C>) {
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
