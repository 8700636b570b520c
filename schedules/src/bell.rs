//! What a caller that does not sleep in the pool sleeps on.

use std::sync::Arc;
use std::time::Instant;

use crate::sync::{Condvar, Mutex};

/// Rung by the thread that hands something over.
#[derive(Clone, Debug)]
pub(crate) struct Bell(Arc<(Mutex<usize>, Condvar)>);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(Arc::new((Mutex::new(0), Condvar::new())))
    }

    /// What the pool calls.
    pub(crate) fn ringer(&self) -> impl Fn() + Send + Sync + 'static {
        let Self(inner) = self.clone();
        move || {
            *inner.0.lock() += 1;
            inner.1.notify_one();
        }
    }

    /// Sleeps until it has rung once more than was heard: forever if it does not.
    pub(crate) fn hear(&self) {
        let (rings, rung) = &*self.0;
        let mut rings = rings.lock();
        while *rings == 0 {
            rung.wait(&mut rings);
        }
        *rings -= 1;
    }

    /// As [`hear`](Self::hear), until any moment.
    pub(crate) fn hear_for_a_while(&self, now: Instant) {
        let (rings, rung) = &*self.0;
        let mut rings = rings.lock();
        while *rings == 0 && !rung.wait_until(&mut rings, now).timed_out() {}
        *rings = rings.saturating_sub(1);
    }
}
