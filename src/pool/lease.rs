//! Places in the hands of a caller: a lease has a connection in it, a vacancy has none.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use super::idle::{Entry, IdleConnection, IdleMark};
use super::places::{Place, ReturnKind};
use super::{CloseReason, Pool, Pooled, ReleaseOrder};

/// A result of [`Pool::acquire`].
#[derive(Debug)]
#[must_use = "dropping it closes the connection or frees the place"]
pub enum Acquired<C: Pooled> {
    /// A connection that has served before and was usable a moment ago. The peer may still close it at
    /// any time.
    Reused(Lease<C>),
    /// No connection, but the right to open one.
    Vacant(Vacancy<C>),
}

/// Whether a clean connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Keep it for the next request.
    Pool,
    /// Close it nevertheless, for this reason: `forceclose`, a changed address.
    Close(CloseReason),
}

/// The right of one request to a connection of the pool; dropped, it closes the connection.
///
/// Early return, `?` and panic all drop it, which is right: the proof that
/// [`release`](Self::release) takes exists only once the response has been read to its end. The place
/// is free once the connection is closed, and goes to the first waiter.
#[must_use = "dropping it closes the connection"]
pub struct Lease<C: Pooled> {
    // Fields drop in this order: a place is free only once its connection is closed.
    pub(super) entry: Box<Entry<C>>,
    pub(super) mark: Option<IdleMark>,
    pub(super) place: Place<C>,
    at_once: bool,
}

impl<C: Pooled> Lease<C> {
    pub(super) fn new(entry: Box<Entry<C>>, mark: Option<IdleMark>, place: Place<C>) -> Self {
        Self { entry, mark, place, at_once: false }
    }

    /// Gives the connection back: to the first waiter, else to the pool as its newest idle one.
    ///
    /// Its idle time begins at `now`. It is closed instead if `keep` says so, after [`Pool::close`],
    /// above a lowered `max`, or if the first waiter wants a fresh one.
    pub fn release(self, proof: C::Proof, now: Instant, keep: Keep) {
        drop(proof);
        match keep {
            Keep::Pool => self.put_back(ReturnKind::Used(now)),
            Keep::Close(reason) => drop(self.discard(reason)),
        }
    }

    /// Closes this connection but keeps its place, to open a fresh one without waiting again.
    ///
    /// For a reused connection that turned out to be stale, or did not answer CPING.
    pub fn discard(self, reason: CloseReason) -> Vacancy<C> {
        let Lease { entry, place, .. } = self;
        entry.close(reason);
        Vacancy { place }
    }

    /// Whether the connection came out of the pool, so that the peer may have closed it meanwhile.
    pub fn is_reused(&self) -> bool {
        self.mark.is_some()
    }

    /// Whether it was given without waiting: the place was free, and an idle connection was good.
    pub fn was_at_once(&self) -> bool {
        self.at_once
    }

    /// Returns how many times it has been leased, this time included.
    pub fn uses(&self) -> u64 {
        self.entry.uses
    }

    /// Returns its number in this pool, counted from 1 in the order of opening; for log lines.
    pub fn number(&self) -> u64 {
        self.entry.number
    }

    /// Returns since when it had been idle before this lease; `None` for a new one.
    pub fn idle_since(&self) -> Option<Instant> {
        self.mark.map(|mark| mark.since)
    }

    /// Returns its position in the order of releases, for [`Pool::drop_idle_older_than`]; `None` for a
    /// new one.
    pub fn last_release(&self) -> Option<ReleaseOrder> {
        self.mark.map(|mark| mark.order)
    }

    /// Closes every idle connection of the pool that was last used before this one was; see
    /// [`Pool::drop_idle_older_than`]. Returns how many; none for a new connection.
    pub fn drop_older_idle(&self) -> usize {
        self.mark.map_or(0, |mark| self.place.pool.drop_idle_older_than(mark.order))
    }

    /// Checks the connection; returns why it has to be closed, if it has to.
    pub(super) fn check(&mut self) -> Option<CloseReason> {
        self.entry.connection.check().close_reason()
    }

    /// Gives the connection back as clean.
    pub(super) fn put_back(self, kind: ReturnKind) {
        let Lease { entry, place, .. } = self;
        let pool = Arc::clone(&place.pool);
        Pool::put(place, entry, kind, pool.state.lock());
    }
}

impl<C: Pooled> Deref for Lease<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.entry.connection
    }
}

impl<C: Pooled> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.entry.connection
    }
}

impl<C: Pooled + fmt::Debug> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("connection", &self.entry.connection)
            .field("number", &self.entry.number)
            .field("uses", &self.entry.uses)
            .finish_non_exhaustive()
    }
}

/// The right to open one connection; dropped, its place goes to the first waiter.
#[must_use = "dropping it frees the place"]
pub struct Vacancy<C: Pooled> {
    pub(super) place: Place<C>,
}

impl<C: Pooled> Vacancy<C> {
    /// Puts a connection that has just been opened into the place; it is leased to the caller.
    pub fn fill(self, connection: C) -> Lease<C> {
        let mut entry = self.place.pool.register(connection);
        entry.uses = 1;
        Lease::new(entry, None, self.place)
    }

    /// Puts a connection that has just been opened into the pool, for the next request.
    ///
    /// It needs no proof, as nothing has been asked on it yet: the caller must not have sent anything
    /// that is still to be answered. For connections that are kept warm, or opened by the backend.
    pub fn stock(self, connection: C, now: Instant) {
        let entry = self.place.pool.register(connection);
        Lease::new(entry, None, self.place).put_back(ReturnKind::Used(now));
    }
}

impl<C: Pooled> fmt::Debug for Vacancy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vacancy").finish_non_exhaustive()
    }
}

impl<C: Pooled> Pool<C> {
    /// Leases the candidate if it is good, else the next idle connection that is, in this place.
    /// Returns the place alone when none is left. `at_once`: it was not waited for.
    pub(super) fn first_usable(
        self: &Arc<Self>,
        mut candidate: Option<IdleConnection<C>>,
        mut place: Place<C>,
        at_once: bool,
    ) -> Acquired<C> {
        while let Some(IdleConnection { entry, mark }) = candidate {
            let mut lease = Lease { entry, mark: Some(mark), place, at_once };
            let Some(reason) = lease.check() else {
                lease.entry.uses += 1;
                self.counters.count_reused();
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
