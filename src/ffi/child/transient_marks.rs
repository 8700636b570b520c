//! A status without its side effect: 503 and 500 that leave the balancer member unchanged.
//!
//! mod_proxy marks a balancer member when the scheme handler returns 503 or 500, and tries another
//! member only while the first is marked (`proxy_handler`). So for "busy" we let mod_proxy mark the
//! member, and clear the mark as soon as we can: when the next member is about to be chosen
//! (`pre_request`, which chooses none twice), when the request has failed (post_request, before
//! mod_proxy_balancer's, which marks members for `failonstatus`), or at the latest when the request's
//! pool is cleared.
//!
//! Several requests of a child may have a temporary mark on one member: the last of them to end clears
//! it, so that none of them finds the member unmarked before mod_proxy has looked ([`TransientMarks`]).
//! If a request of this child has found the member at fault in the meantime, the mark stays.
//!
//! # Race
//! Between marking and clearing, mod_proxy runs some instructions in which another thread or child can see the member in
//! error and elect a different one: harmless. If there is no other, the election is held again for a moment
//! (`pre_request`); it sees through the marks of its own child ([`TransientMarks::holds`]). If another child clears the
//! mark at the same moment, the request is not tried elsewhere and gets the status of its own failure. If another child
//! marks the member for a true fault, clearing undoes that: the next request to the member meets the fault itself and
//! marks it again.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::balance::WorkerStatus;
use crate::ffi::mod_proxy::worker::Worker;

/// The members on which requests of this child have a temporary mark.
#[derive(Debug, Default)]
pub(crate) struct TransientMarks(Mutex<HashMap<usize, Pass>>);

/// The requests that have a temporary mark on one member.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    requests: u32,
    /// Whether the member is marked for a true fault.
    stays: bool,
}

impl TransientMarks {
    pub(crate) fn begin(&self, member: Worker<'_>) {
        let mut passes = self.0.lock();
        // A mark that is there already may be another child's temporary one: it proves nothing.
        passes.entry(address(member)).or_default().requests += 1;
    }

    pub(crate) fn end(&self, member: Worker<'_>) {
        // A prefork child destroys its requests in a signal handler, which may have interrupted a
        // holder of this lock. Then the child ends, and a mark that stays lasts for its `retry` time.
        let Some(mut passes) = self.0.try_lock_for(LOCK_LIMIT) else { return };
        let Some(pass) = passes.get_mut(&address(member)) else { return };
        pass.requests = pass.requests.saturating_sub(1);
        if pass.requests == 0 {
            if !pass.stays {
                member.clear_status(WorkerStatus::IN_ERROR);
            }
            passes.remove(&address(member));
        }
    }

    /// Whether requests of this child have a temporary mark on the member, and none has found it at fault.
    pub(crate) fn holds(&self, member: Worker<'_>) -> bool {
        self.0.lock().get(&address(member)).is_some_and(|pass| !pass.stays)
    }

    /// Notes that the member is being marked for a fault of its own.
    pub(crate) fn found_at_fault(&self, member: Worker<'_>) {
        if let Some(pass) = self.0.lock().get_mut(&address(member)) {
            pass.stays = true;
        }
    }
}

fn address(member: Worker<'_>) -> usize {
    member.as_ptr() as usize
}

const LOCK_LIMIT: Duration = Duration::from_millis(100);
