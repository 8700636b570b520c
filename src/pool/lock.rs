//! The lock of a pool, and the guard that notifies the observer.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::PoolGauges;
use super::state::State;
use super::stats::Counters;
use crate::sync::{Mutex, MutexGuard};

/// The pool's lock. Unlocking notifies the observer of what has changed.
pub(super) struct PoolLock<C, H> {
    state: Mutex<State<C, H>>,
    counters: Arc<Counters>,
}

impl<C, H> PoolLock<C, H> {
    pub(super) fn new(state: State<C, H>, counters: Arc<Counters>) -> Self {
        Self { state: Mutex::new(state), counters }
    }

    pub(super) fn lock(&self) -> StateGuard<'_, C, H> {
        StateGuard { state: self.state.lock(), counters: &self.counters }
    }

    #[cfg(test)]
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, State<C, H>>> {
        self.state.try_lock()
    }
}

impl<C, H> Drop for PoolLock<C, H> {
    fn drop(&mut self) {
        if let Some(observer) = self.counters.observer() {
            observer.gauges_changed(self.state.get_mut().observed, PoolGauges::default());
        }
    }
}

/// The pool's state, while it is locked.
pub(super) struct StateGuard<'p, C, H> {
    state: MutexGuard<'p, State<C, H>>,
    counters: &'p Counters,
}

impl<C, H> Deref for StateGuard<'_, C, H> {
    type Target = State<C, H>;

    fn deref(&self) -> &State<C, H> {
        &self.state
    }
}

impl<C, H> DerefMut for StateGuard<'_, C, H> {
    fn deref_mut(&mut self) -> &mut State<C, H> {
        &mut self.state
    }
}

impl<C, H> Drop for StateGuard<'_, C, H> {
    fn drop(&mut self) {
        let Some(observer) = self.counters.observer() else { return };
        let now = self.state.gauges();
        let before = std::mem::replace(&mut self.state.observed, now);
        if before != now {
            observer.gauges_changed(before, now);
        }
    }
}
