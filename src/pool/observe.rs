//! Who is told of what happens to a pool, and the lock that tells it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::state::State;
use super::stats::Counters;
use super::{CloseReason, Pooled};

/// What a pool has at one moment: the part of [`Stats`](super::Stats) that also falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolGauges {
    /// See [`Stats`](super::Stats).
    pub idle: usize,
    /// See [`Stats`](super::Stats).
    pub in_use: usize,
    /// See [`Stats`](super::Stats).
    pub borrowed: usize,
    /// See [`Stats`](super::Stats).
    pub waiting: usize,
}

/// Is told of each event of a pool as it happens, on the thread that it happens on: for counters that
/// outlive the process.
///
/// Some of it with the pool locked, so none of it may block, or call the pool.
pub trait Observe: fmt::Debug + Send + Sync {
    /// A connection was put into the pool for the first time.
    fn created(&self);
    /// An idle connection was leased.
    fn reused(&self);
    /// An acquire ended without a place.
    fn timed_out(&self);
    /// A connection was closed.
    fn closed(&self, reason: CloseReason);
    /// What the pool has is no longer `before` but `now`. At its end it has nothing.
    fn gauges_changed(&self, before: PoolGauges, now: PoolGauges);
}

/// The pool's lock. Unlocking tells the observer what has changed.
pub(super) struct Guarded<C: Pooled> {
    state: Mutex<State<C>>,
    counters: Arc<Counters>,
}

impl<C: Pooled> Guarded<C> {
    pub(super) fn new(state: State<C>, counters: Arc<Counters>) -> Self {
        Self { state: Mutex::new(state), counters }
    }

    pub(super) fn lock(&self) -> StateGuard<'_, C> {
        StateGuard { state: self.state.lock(), counters: &self.counters }
    }

    #[cfg(test)]
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, State<C>>> {
        self.state.try_lock()
    }
}

impl<C: Pooled> Drop for Guarded<C> {
    fn drop(&mut self) {
        if let Some(observer) = self.counters.observer() {
            observer.gauges_changed(self.state.get_mut().told, PoolGauges::default());
        }
    }
}

/// The pool's inside, for as long as this is there.
pub(super) struct StateGuard<'p, C: Pooled> {
    state: MutexGuard<'p, State<C>>,
    counters: &'p Counters,
}

impl<C: Pooled> Deref for StateGuard<'_, C> {
    type Target = State<C>;

    fn deref(&self) -> &State<C> {
        &self.state
    }
}

impl<C: Pooled> DerefMut for StateGuard<'_, C> {
    fn deref_mut(&mut self) -> &mut State<C> {
        &mut self.state
    }
}

impl<C: Pooled> Drop for StateGuard<'_, C> {
    fn drop(&mut self) {
        let Some(observer) = self.counters.observer() else { return };
        let now = PoolGauges {
            idle: self.state.idle.len(),
            in_use: self.state.in_use,
            borrowed: self.state.borrowed,
            waiting: self.state.waiters.len() + self.state.pending.len(),
        };
        let before = std::mem::replace(&mut self.state.told, now);
        if before != now {
            observer.gauges_changed(before, now);
        }
    }
}
