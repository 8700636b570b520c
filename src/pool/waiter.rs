//! One thread that waits for a place, and the slot through which it is served.

use std::time::Instant;

use crate::sync::{Condvar, Mutex};

/// A thing that a waiter can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A released connection, or a place to open one.
    Any,
    /// A place to open a new connection only.
    Fresh,
}

/// A thread waiting in a queue of the pool for a hand-over of type `H`.
///
/// Lock order: the pool, then the slot. The slot is filled only by the thread that took the waiter out
/// of the queue, and while the pool is still locked.
pub(super) struct Waiter<H> {
    pub(super) wants: Wants,
    slot: Mutex<Option<H>>,
    served: Condvar,
    wake: Option<WakeFn>,
}

/// Wakes a thread that does not sleep in [`Waiter::wait`].
pub(super) type WakeFn = Box<dyn Fn() + Send + Sync>;

impl<H> Waiter<H> {
    pub(super) fn new(wants: Wants) -> Self {
        Self { wants, slot: Mutex::new(None), served: Condvar::new(), wake: None }
    }

    /// Makes a waiter that sleeps elsewhere, and is woken by a call of `wake`.
    pub(super) fn woken_by(wants: Wants, wake: WakeFn) -> Self {
        Self { wake: Some(wake), ..Self::new(wants) }
    }

    /// Puts a hand-over into the slot; call it with the pool locked, then [`Waiter::wake`] without.
    pub(super) fn serve(&self, handover: H) {
        *self.slot.lock() = Some(handover);
    }

    /// Wakes the thread; needs no lock.
    pub(super) fn wake(&self) {
        match &self.wake {
            Some(wake) => wake(),
            None => {
                self.served.notify_one();
            }
        }
    }

    /// Sleeps until served, or until `deadline` (`None`: forever); the caller must not hold the pool's
    /// lock.
    ///
    /// `None` does not mean that nothing will come: see `Pool::withdraw`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<H> {
        let mut slot = self.slot.lock();
        while slot.is_none() {
            match deadline {
                None => self.served.wait(&mut slot),
                Some(deadline) => {
                    if self.served.wait_until(&mut slot, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        slot.take()
    }

    /// Takes what is in the slot now.
    pub(super) fn take(&self) -> Option<H> {
        self.slot.lock().take()
    }
}
