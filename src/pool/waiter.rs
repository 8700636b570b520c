//! One thread in the queue for a place, and the slot through which it is served.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::Pooled;
use super::lease::Place;
use super::state::IdleConnection;

/// What a waiter is given: a place, and with it a connection if one was released.
pub(super) struct Handover<C: Pooled> {
    // Declared, so dropped, before the place: a place is free only once its connection is closed.
    pub(super) idle: Option<IdleConnection<C>>,
    pub(super) place: Place<C>,
}

/// What a waiter can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A released connection, or a place to open one.
    Any,
    /// A place to open a new connection only.
    Fresh,
}

/// A thread waiting in the queue.
///
/// Lock order: the pool, then the slot. The slot is filled only by who took the waiter out of the
/// queue, and while the pool is still locked.
pub(super) struct Waiter<C: Pooled> {
    pub(super) wants: Wants,
    slot: Mutex<Option<Handover<C>>>,
    served: Condvar,
    waker: Option<Waker>,
}

/// Wakes a thread that does not wait here.
pub(super) type Waker = Box<dyn Fn() + Send + Sync>;

impl<C: Pooled> Waiter<C> {
    pub(super) fn new(wants: Wants) -> Self {
        Self { wants, slot: Mutex::new(None), served: Condvar::new(), waker: None }
    }

    /// One that waits elsewhere, and is woken by a call.
    pub(super) fn with_bell(wants: Wants, waker: Waker) -> Self {
        Self { waker: Some(waker), ..Self::new(wants) }
    }

    /// Puts a hand-over into the slot; call with the pool locked, then [`Waiter::wake`] without.
    pub(super) fn serve(&self, handover: Handover<C>) {
        *self.slot.lock() = Some(handover);
    }

    /// Wakes the thread; needs no lock.
    pub(super) fn wake(&self) {
        match &self.waker {
            Some(ring) => ring(),
            None => {
                self.served.notify_one();
            }
        }
    }

    /// Sleeps until served, or until `deadline` (`None`: for ever); must not hold the pool's lock.
    ///
    /// `None` does not mean that nothing will come: see [`Pool::withdraw`](super::Pool).
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Handover<C>> {
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
    pub(super) fn take(&self) -> Option<Handover<C>> {
        self.slot.lock().take()
    }
}
