//! A status without its side effect: 503 and 500 that leave the balancer member as it was.
//!
//! mod_proxy marks a balancer member when the scheme handler returns 503 or 500, and tries another
//! one only while the first is marked (`proxy_handler`). So for "busy" the member is let be marked,
//! together with those that were passed over before, so that none is elected twice; and all are
//! unmarked when the next one has been chosen (its call of the scheme handler), when the request
//! has failed (post_request, before mod_proxy_balancer's, which marks members for `failonstatus`),
//! or at the latest when the request's pool goes.
//!
//! Several requests of a child may pass over a member at once: the last one to be done unmarks it,
//! so that none finds it unmarked before mod_proxy has looked ([`Passes`]).
//!
//! # Race
//! Between mark and unmark, some microseconds of mod_proxy's election, another thread or child can
//! see the member in error and elect a different one: harmless. If in the same moment another
//! thread marks it for a true fault, the unmarking undoes that: the next request to the member
//! meets the fault itself and marks it again. If in the same moment another child unmarks it, that
//! request is not tried elsewhere and gets its failure's own status. (A next member of another
//! scheme than ajp keeps the marks until the end of its request.)

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::child::Child;
use super::kept::Kept;
use super::request::Request;
use super::server_config::ServerConfig;
use super::sys;
use super::worker::Worker;

/// Which members requests of this child are passing over at the moment, and how many do.
#[derive(Debug, Default)]
pub(super) struct Passes(Mutex<HashMap<usize, u32>>);

impl Passes {
    fn begin(&self, member: Worker) {
        let mut passes = self.0.lock();
        *passes.entry(member.as_ptr() as usize).or_default() += 1;
        member.mark_error();
    }

    fn end(&self, member: Worker) {
        // A prefork child destroys its requests in a signal handler, which may have interrupted a
        // holder of this lock. It ends then: a mark that stays has its `retry` time.
        let Some(mut passes) = self.0.try_lock_for(LOCK_LIMIT) else { return };
        let address = member.as_ptr() as usize;
        let left = passes.get(&address).map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            passes.insert(address, left);
        } else {
            passes.remove(&address);
            member.clear_status(sys::PROXY_WORKER_IN_ERROR);
        }
    }
}

/// The members of a balancer that did not take a request, for no fault of theirs.
#[derive(Default)]
pub(super) struct PassedOver {
    members: Vec<Worker>,
    /// Whose count they are in, while they are marked.
    marked: Option<Arc<Child>>,
}

const LOCK_LIMIT: Duration = Duration::from_millis(100);

impl PassedOver {
    pub(super) fn add(&mut self, worker: Worker, child: &Arc<Child>) {
        self.unmark();
        self.members.push(worker);
        for member in &self.members {
            child.passes.begin(*member);
        }
        self.marked = Some(Arc::clone(child));
    }

    fn unmark(&mut self) {
        if let Some(child) = self.marked.take() {
            for member in &self.members {
                child.passes.end(*member);
            }
        }
    }
}

impl Drop for PassedOver {
    fn drop(&mut self) {
        self.unmark();
    }
}

/// Call just before a 503 or 500 that is no fault of the member.
pub(super) fn leave_untouched(request: Request<'_>, worker: Worker) {
    // SAFETY: the request's server is live.
    let child = unsafe { ServerConfig::of(request.server()) }.and_then(|c| c.child.get());
    let (Some(child), true) = (child, worker.is_member()) else { return };
    // SAFETY: the reference is used for this one call.
    unsafe { Kept::of(request) }.passed_over.add(worker, child);
}

/// The next member has been chosen, or the request has failed.
pub(super) fn settle(request: Request<'_>) {
    if !request.kept().is_null() {
        // SAFETY: the reference is used for this one call.
        unsafe { Kept::of(request) }.passed_over.unmark();
    }
}

/// request_status: the end of a request no member has taken. The last one's own failure says more
/// than 503.
pub(super) fn final_status(request: Request<'_>, status: &mut c_int) {
    // Where no member was left, post_request has not been run.
    settle(request);
    if *status == sys::HTTP_SERVICE_UNAVAILABLE as c_int && !request.kept().is_null() {
        // SAFETY: the reference is used for this one read.
        if let Some(instead) = unsafe { Kept::of(request) }.instead_of_503 {
            *status = instead.into();
        }
    }
}
