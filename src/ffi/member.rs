//! A status without its side effect: 503 and 500 that leave the balancer member as it was.
//!
//! mod_proxy marks a balancer member when the scheme handler returns 503 or 500, and tries another
//! one only while the first is marked (`proxy_handler`). So for "busy" the member is let be marked,
//! and unmarked when mod_proxy has chosen the next one, or has ended the request.
//!
//! # Race
//! Between mark and unmark, some microseconds of mod_proxy's election, another thread or child can
//! see the member in error and elect a different one: harmless. If in the same moment another
//! thread marks it for a true fault, the unmarking undoes that: the next request to the member
//! meets the fault itself and marks it again.

use std::ffi::c_int;

use super::request::Request;
use super::sys;
use super::worker::Worker;

/// Call just before a 503 or 500 that is no fault of the member.
pub(super) fn leave_untouched(request: Request<'_>, worker: Worker) {
    if worker.is_member() && worker.status() & sys::PROXY_WORKER_IN_ERROR == 0 {
        request.keep(worker.as_ptr().cast());
    }
}

/// Takes back the mark, if one was to be taken back. Called when the next member has been chosen,
/// and when the request is over.
pub(super) fn settle(request: Request<'_>) -> c_int {
    let kept = request.kept();
    if !kept.is_null() {
        request.keep(std::ptr::null_mut());
        // SAFETY: put there by leave_untouched in this request; members outlive requests.
        unsafe { Worker::from_ptr(kept.cast()) }.clear_status(sys::PROXY_WORKER_IN_ERROR);
    }
    sys::DECLINED
}
