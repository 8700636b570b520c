//! A status without its side effect: 503 and 500 that leave the balancer member as it was.
//!
//! mod_proxy marks a balancer member when the scheme handler returns 503 or 500, and tries another
//! one only while the first is marked (`proxy_handler`). So for "busy" the member is let be marked,
//! together with those that were passed over before, so that none is elected twice; and all are
//! unmarked when the next one has been chosen (its call of the scheme handler), when the request
//! has failed (post_request, before mod_proxy_balancer's, which marks members for `failonstatus`),
//! or at the latest when the request's pool goes.
//!
//! # Race
//! Between mark and unmark, some microseconds of mod_proxy's election, another thread or child can
//! see the member in error and elect a different one: harmless. If in the same moment another
//! thread marks it for a true fault, the unmarking undoes that: the next request to the member
//! meets the fault itself and marks it again. (A next member of another scheme than ajp keeps the
//! marks until the end of its request.)

use std::ffi::c_int;

use super::kept::Kept;
use super::request::Request;
use super::sys;
use super::worker::Worker;

/// The members of a balancer that did not take a request, for no fault of theirs.
#[derive(Default)]
pub(super) struct PassedOver {
    members: Vec<Worker>,
    are_marked: bool,
}

impl PassedOver {
    fn add(&mut self, worker: Worker) {
        for member in &self.members {
            member.mark_error();
        }
        self.members.push(worker);
        self.are_marked = true;
    }

    fn unmark(&mut self) {
        if std::mem::take(&mut self.are_marked) {
            for member in &self.members {
                member.clear_status(sys::PROXY_WORKER_IN_ERROR);
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
    if worker.is_member() && worker.status() & sys::PROXY_WORKER_IN_ERROR == 0 {
        // SAFETY: the reference is used for this one call.
        unsafe { Kept::of(request) }.passed_over.add(worker);
    }
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
    if *status == sys::HTTP_SERVICE_UNAVAILABLE as c_int && !request.kept().is_null() {
        // SAFETY: the reference is used for this one read.
        if let Some(instead) = unsafe { Kept::of(request) }.instead_of_503 {
            *status = instead.into();
        }
    }
}
