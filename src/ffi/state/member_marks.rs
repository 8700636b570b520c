//! Marks that a request leaves on members, and takes away: see
//! [`transient_marks`](crate::ffi::child::transient_marks).

use std::ffi::c_int;

use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::request_state::RequestState;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;

/// Call just before a 503 or 500 that is no fault of the member.
pub(crate) fn leave_untouched(request: Request<'_>, worker: Worker<'_>) {
    let child = ServerState::child_of(request.server());
    let (Some(child), true) = (child, worker.is_member()) else { return };
    RequestState::of(request).last_failure.mark(worker, child);
}

/// Puts a member in error for a fault of its own, whatever status mod_proxy is told.
pub(crate) fn mark_error(worker: Worker, child: &Child) {
    child.passes.found_at_fault(worker);
    worker.mark_error();
}

/// Takes away the mark that a request has left, if it has: the next member is to be chosen, or the request
/// is over.
pub(crate) fn clear_transient_mark(request: Request<'_>) {
    if let Some(state) = RequestState::existing(request) {
        state.last_failure.unmark();
    }
}

/// request_status: the end of a request no member has taken. The last one's own failure says more
/// than 503.
pub(crate) fn final_status(request: Request<'_>, status: &mut c_int) {
    // Where no member was left, post_request has not been run.
    clear_transient_mark(request);
    if *status != sys::HTTP_SERVICE_UNAVAILABLE as c_int {
        return;
    }
    let Some(state) = RequestState::existing(request) else { return };
    let last = &state.last_failure;
    match last.instead_of_503.get() {
        Some(instead) => *status = instead.into(),
        None if last.retry_soon.get() => {
            request.err_headers_out().set(c"Retry-After", c"1".as_ptr());
        }
        None => {}
    }
}
