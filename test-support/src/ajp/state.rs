//! The counters of a scripted container, and the wait for them.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use super::request::ForwardRequest;
use super::socket::Socket;
use crate::process::DEADLINE;

/// What the threads of a peer share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Condvar,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stopping: bool,
    /// Connections that the peer has opened and on which no byte has come yet.
    pub(super) fresh: usize,
    pub(super) connections: usize,
    pub(super) requests: usize,
    pub(super) cpings: usize,
    pub(super) padded_cpings: usize,
    pub(super) last_request: Option<ForwardRequest>,
    pub(super) errors: Vec<String>,
    pub(super) panic: Option<Box<dyn Any + Send>>,
    pub(super) open: HashMap<usize, Weak<Socket>>,
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the threads that wait for it.
    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until the state is as wanted; `what` names it in the failure.
    #[track_caller]
    pub(super) fn wait(&self, what: &str, reached: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state();
        while !reached(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {DEADLINE:?} for {what}; errors: {:?}", state.errors);
            state = self
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
    }
}
