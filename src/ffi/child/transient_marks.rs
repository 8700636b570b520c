//! A status without its side effect: 503 and 500 that leave the balancer member as it was.
//!
//! mod_proxy marks a balancer member when the scheme handler returns 503 or 500, and tries another
//! one only while the first is marked (`proxy_handler`). So for "busy" we let mod_proxy mark the member,
//! and unmark it as soon as we can: when the next member is about to be chosen
//! (`pre_request`, which chooses none twice), when the request has failed
//! (post_request, before mod_proxy_balancer's, which marks members for `failonstatus`), or at the
//! latest when the request's pool goes.
//!
//! Several requests of a child may pass over a member at once: the last one to be done unmarks it,
//! so that none finds it unmarked before mod_proxy has looked ([`TransientMarks`]). A member that a request
//! of this child has found at fault meanwhile stays marked.
//!
//! # Race
//! Between mark and unmark, some instructions of mod_proxy's, another thread or child can see the
//! member in error and elect a different one: harmless. If in the same moment another child unmarks
//! it, the request is not tried elsewhere and gets its failure's own status. If another child marks
//! it for a true fault, the unmarking undoes that: the next request to the member meets the fault
//! itself and marks it again.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::balance::WorkerStatus;
use crate::ffi::mod_proxy::worker::Worker;

/// Which members requests of this child are passing over at the moment.
#[derive(Debug, Default)]
pub(crate) struct TransientMarks(Mutex<HashMap<usize, Pass>>);

/// The requests that are passing over one member.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    requests: u32,
    /// The mark is there for a true fault.
    stays: bool,
}

impl TransientMarks {
    pub(crate) fn begin(&self, member: Worker<'_>) {
        let mut passes = self.0.lock();
        // A mark that is there already may be another child's passing one: it tells nothing.
        passes.entry(address(member)).or_default().requests += 1;
    }

    pub(crate) fn end(&self, member: Worker<'_>) {
        // A prefork child destroys its requests in a signal handler, which may have interrupted a
        // holder of this lock. It ends then: a mark that stays has its `retry` time.
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

    /// The member is being marked for a fault of its own.
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
