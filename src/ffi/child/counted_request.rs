//! A request in flight on a member, while no thread serves it.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::shared::{Busy, MemberKey};

/// Counts a request in on its member for as long as it lives, whichever thread has it.
#[derive(Debug)]
pub(crate) struct CountedRequest {
    key: MemberKey,
    child: Arc<Child>,
}

impl CountedRequest {
    /// Takes over from the guard of a thread.
    pub(crate) fn new(busy: Busy<'_>, key: MemberKey, child: &Arc<Child>) -> Self {
        busy.stay_counted();
        Self { key, child: Arc::clone(child) }
    }

    /// Hands the guard back to a thread.
    pub(crate) fn with_busy<T>(&self, then: impl FnOnce(Option<&Busy<'_>>) -> T) -> T {
        let busy = self.child.member_state(self.key).map(|state| state.counted());
        let result = then(busy.as_ref());
        if let Some(busy) = busy {
            busy.stay_counted();
        }
        result
    }
}

impl Drop for CountedRequest {
    fn drop(&mut self) {
        drop(self.child.member_state(self.key).map(|state| state.counted()));
    }
}
