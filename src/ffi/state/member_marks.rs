//! A status without its side effect: 503 and 500 that leave the balancer member as it was.
//!
//! mod_proxy marks a balancer member when the scheme handler returns 503 or 500, and tries another
//! one only while the first is marked (`proxy_handler`). So for "busy" the member is let be marked,
//! and is unmarked at the first chance after that: when the next one is about to be chosen
//! (`election`, which sees to it that none is chosen twice), when the request has failed
//! (post_request, before mod_proxy_balancer's, which marks members for `failonstatus`), or at the
//! latest when the request's pool goes.
//!
//! Several requests of a child may pass over a member at once: the last one to be done unmarks it,
//! so that none finds it unmarked before mod_proxy has looked ([`Passes`]). A member that a request
//! of this child has found at fault meanwhile stays marked.
//!
//! # Race
//! Between mark and unmark, some instructions of mod_proxy's, another thread or child can see the
//! member in error and elect a different one: harmless. If in the same moment another child unmarks
//! it, the request is not tried elsewhere and gets its failure's own status. If another child marks
//! it for a true fault, the unmarking undoes that: the next request to the member meets the fault
//! itself and marks it again.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::balance::WorkerStatus;
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::request_state::Kept;
use crate::ffi::state::server_state::ServerConfig;
use crate::ffi::sys;

/// Which members requests of this child are passing over at the moment.
#[derive(Debug, Default)]
pub(crate) struct Passes(Mutex<HashMap<usize, Pass>>);

/// The requests that are passing over one member.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    requests: u32,
    /// The mark is there for a true fault.
    stays: bool,
}

impl Passes {
    fn begin(&self, member: Worker) {
        let mut passes = self.0.lock();
        // A mark that is there already may be another child's passing one: it tells nothing.
        passes.entry(address(member)).or_default().requests += 1;
    }

    fn end(&self, member: Worker) {
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
    pub(crate) fn found_at_fault(&self, member: Worker) {
        if let Some(pass) = self.0.lock().get_mut(&address(member)) {
            pass.stays = true;
        }
    }
}

fn address(member: Worker) -> usize {
    member.as_ptr() as usize
}

/// The member that has just not taken a request, for no fault of its own.
#[derive(Default)]
pub(crate) struct PassedOver(Option<(Worker, Arc<Child>)>);

const LOCK_LIMIT: Duration = Duration::from_millis(100);

impl PassedOver {
    pub(crate) fn set(&mut self, worker: Worker, child: &Arc<Child>) {
        self.unmark();
        child.passes.begin(worker);
        worker.note_error_time();
        self.0 = Some((worker, Arc::clone(child)));
    }

    fn unmark(&mut self) {
        if let Some((member, child)) = self.0.take() {
            child.passes.end(member);
        }
    }
}

impl Drop for PassedOver {
    fn drop(&mut self) {
        self.unmark();
    }
}

/// Call just before a 503 or 500 that is no fault of the member.
pub(crate) fn leave_untouched(request: Request<'_>, worker: Worker) {
    // SAFETY: the request's server is live.
    let child = unsafe { ServerConfig::of(request.server()) }.and_then(|c| c.child.get());
    let (Some(child), true) = (child, worker.is_member()) else { return };
    // SAFETY: the reference is used for this one call.
    unsafe { Kept::of(request) }.passed_over.set(worker, child);
}

/// The next member is to be chosen, or the request has failed.
pub(crate) fn settle(request: Request<'_>) {
    if !request.kept().is_null() {
        // SAFETY: the reference is used for this one call.
        unsafe { Kept::of(request) }.passed_over.unmark();
    }
}

/// request_status: the end of a request no member has taken. The last one's own failure says more
/// than 503.
pub(crate) fn final_status(request: Request<'_>, status: &mut c_int) {
    // Where no member was left, post_request has not been run.
    settle(request);
    if *status == sys::HTTP_SERVICE_UNAVAILABLE as c_int && !request.kept().is_null() {
        // SAFETY: the reference is used for these two reads.
        let kept = unsafe { Kept::of(request) };
        match kept.instead_of_503 {
            Some(instead) => *status = instead.into(),
            None if kept.retry_soon => {
                request.err_headers_out().set(c"Retry-After", c"1".as_ptr());
            }
            None => {}
        }
    }
}
