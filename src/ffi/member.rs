//! A status without its side effect: 503 and 500 that leave the balancer member as it was.
//!
//! mod_proxy marks a balancer member when the scheme handler returns 503 or 500, and tries another
//! one only while the first is marked (`proxy_handler`). So for "busy" the member is let be marked,
//! and unmarked when the next one has been chosen (its call of the scheme handler), when the
//! request has failed (post_request, before mod_proxy_balancer's, which marks members for
//! `failonstatus`), or at the latest when the request's pool goes.
//!
//! # Race
//! Between mark and unmark, some microseconds of mod_proxy's election, another thread or child can
//! see the member in error and elect a different one: harmless. If in the same moment another
//! thread marks it for a true fault, the unmarking undoes that: the next request to the member
//! meets the fault itself and marks it again.

use std::ffi::c_int;

use super::kept::Kept;
use super::request::Request;
use super::sys;
use super::worker::Worker;

/// A member whose mark is taken back when this is dropped.
pub(super) struct Marked(Worker);

impl Drop for Marked {
    fn drop(&mut self) {
        self.0.clear_status(sys::PROXY_WORKER_IN_ERROR);
    }
}

/// Call just before a 503 or 500 that is no fault of the member.
pub(super) fn leave_untouched(request: Request<'_>, worker: Worker) {
    if worker.is_member() && worker.status() & sys::PROXY_WORKER_IN_ERROR == 0 {
        // SAFETY: the reference is used for this one assignment.
        unsafe { Kept::of(request) }.marked = Some(Marked(worker));
    }
}

/// post_request: mod_proxy has ended the request, and asks who has something to do about it.
/// Declines, so that mod_proxy_balancer is asked next.
pub(super) fn settle(request: Request<'_>) -> c_int {
    if !request.kept().is_null() {
        // SAFETY: the reference is used for this one assignment.
        unsafe { Kept::of(request) }.marked = None;
    }
    sys::DECLINED
}
