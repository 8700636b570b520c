//! A signal from one thread to another, without sleeping.

use std::sync::{Arc, Condvar, Mutex};

use super::LONG;

/// Counts how often it was given; shared by cloning.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<(Mutex<usize>, Condvar)>);

impl Signal {
    /// A signal that was not given yet.
    pub fn new() -> Signal {
        Signal::default()
    }

    /// Gives it.
    pub fn give(&self) {
        *self.0.0.lock().expect("no panic under the lock") += 1;
        self.0.1.notify_all();
    }

    /// Waits until it was given.
    pub fn wait(&self) {
        self.wait_for(1);
    }

    /// Waits until it was given `count` times.
    pub fn wait_for(&self, count: usize) {
        let given = self.0.0.lock().expect("no panic under the lock");
        let (given, timeout) =
            self.0.1.wait_timeout_while(given, LONG, |given| *given < count).expect("as above");
        drop(given);
        assert!(!timeout.timed_out(), "a signal was not given {count} times within {LONG:?}");
    }

    /// Gives it, and waits for all `count` others that meet here.
    pub fn meet(&self, count: usize) {
        self.give();
        self.wait_for(count);
    }
}
