//! What a caller gauges: a place in the pool, with a connection or without.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use super::acquire::{Pool, ReturnKind};
use super::state::{Entry, IdleMark, State};
use super::waiter::Handover;
use super::{CloseReason, Pooled, ReleaseOrder};

/// What [`Pool::acquire`] found.
#[derive(Debug)]
#[must_use = "dropping it closes the connection or frees the place"]
pub enum Acquired<C: Pooled> {
    /// A connection that has served before, found usable a moment ago. The peer may still close
    /// it at any time.
    Reused(Lease<C>),
    /// No connection, but the right to open one.
    Vacant(Vacancy<C>),
}

/// What to do with a connection that is clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Keep it for the next request.
    Pool,
    /// Close it all the same, for this reason: `forceclose`, a changed address.
    Close(CloseReason),
}

/// A connection out of the pool, used by one request; closes it when dropped.
///
/// Early return, `?` and panic all drop it, which is right: only who has read the answer to its
/// end holds the proof that [`release`](Self::release) asks for. Its place is free once the
/// connection is closed, and goes to the first waiter.
#[must_use = "dropping it closes the connection"]
pub struct Lease<C: Pooled> {
    // Fields drop in this order: a place is free only once its connection is closed.
    pub(super) entry: Box<Entry<C>>,
    pub(super) mark: Option<IdleMark>,
    pub(super) place: Place<C>,
}

impl<C: Pooled> Lease<C> {
    /// Gives the connection back: to the first waiter, else on top of the idle ones.
    ///
    /// `now` is when its idle time begins. Closed instead if `keep` says so, after
    /// [`Pool::close`], above a lowered `max`, or where the first waiter wants a fresh one.
    pub fn release(self, proof: C::Proof, now: Instant, keep: Keep) {
        drop(proof);
        match keep {
            Keep::Pool => self.put_back(ReturnKind::Used(now)),
            Keep::Close(reason) => drop(self.discard(reason)),
        }
    }

    /// Closes this connection but keeps its place, to open a fresh one without waiting again.
    ///
    /// For a reused connection that turned out stale, and for a CPING without answer.
    pub fn discard(self, reason: CloseReason) -> Vacancy<C> {
        let Lease { entry, place, .. } = self;
        entry.close(reason);
        Vacancy { place }
    }

    /// Whether the connection came out of the pool, so that the peer may have closed it meanwhile.
    pub fn is_reused(&self) -> bool {
        self.mark.is_some()
    }

    /// How many times it has been leased, this time included.
    pub fn uses(&self) -> u64 {
        self.entry.uses
    }

    /// Its number in this pool, counted from 1 in the order of opening; for log lines.
    pub fn number(&self) -> u64 {
        self.entry.number
    }

    /// Since when it had been idle before this lease; `None` for a new one.
    pub fn idle_since(&self) -> Option<Instant> {
        self.mark.map(|mark| mark.since)
    }

    /// Where in the order of releases it last came back, for [`Pool::drop_idle_older_than`];
    /// `None` for a new one.
    pub fn last_release(&self) -> Option<ReleaseOrder> {
        self.mark.map(|mark| mark.order)
    }

    /// Looks at the connection; says why it has to be closed, if it has to.
    pub(super) fn check(&mut self) -> Option<CloseReason> {
        self.entry.connection.check().close_reason()
    }

    pub(super) fn put_back(self, back: ReturnKind) {
        let Lease { entry, place, .. } = self;
        let pool = Arc::clone(&place.pool);
        Pool::put(place, entry, back, pool.state.lock());
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
    /// Puts the connection just opened into the place, leased to the caller.
    pub fn fill(self, connection: C) -> Lease<C> {
        let mut entry = self.place.pool.enter(connection);
        entry.uses = 1;
        Lease { entry, mark: None, place: self.place }
    }

    /// Puts the connection just opened straight into the pool, for whoever comes next.
    ///
    /// It needs no proof, as nothing was asked on it yet: the caller must not have sent anything
    /// that is still to be answered. For connections kept warm, and those the backend opened.
    pub fn stock(self, connection: C, now: Instant) {
        let entry = self.place.pool.enter(connection);
        Lease { entry, mark: None, place: self.place }.put_back(ReturnKind::Used(now));
    }
}

impl<C: Pooled> fmt::Debug for Vacancy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vacancy").finish_non_exhaustive()
    }
}

/// One of the `max` places of a pool, counted in `in_use` until dropped or given up.
///
/// Must not be dropped while the pool is locked: its end may serve a waiter.
pub(super) struct Place<C: Pooled> {
    pub(super) pool: Arc<Pool<C>>,
    counted: bool,
}

impl<C: Pooled> Place<C> {
    /// Counts one more place in use.
    pub(super) fn take(pool: &Arc<Pool<C>>, state: &mut State<C>) -> Self {
        state.in_use += 1;
        Self { pool: Arc::clone(pool), counted: true }
    }

    /// Ends the place without serving a waiter, for a connection that goes idle in the same
    /// critical section.
    pub(super) fn give_up(mut self, state: &mut State<C>) {
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
            waiter.serve(Handover { idle: None, place });
            drop(state);
            waiter.wake();
        }
    }
}
