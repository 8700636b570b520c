//! The marks that a request sets on members and clears: see
//! [`transient_marks`](crate::ffi::child::transient_marks).

use std::ffi::c_int;
use std::fmt;

use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_life;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::connection_state::ConnectionState;
use crate::ffi::state::request_state::RequestState;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;

/// Keeps a member unchanged by the 503 or 500 that is returned next. To be called just before that.
pub(crate) fn leave_untouched(request: Request<'_>, worker: Worker<'_>) {
    let child = ServerState::child_of(request.server());
    let (Some(child), true) = (child, worker.is_member()) else { return };
    RequestState::of(request).last_failure.mark(worker, child);
}

/// Puts a member in error for a fault of its own, whatever status mod_proxy gets.
pub(crate) fn mark_error(worker: Worker, child: &Child) {
    child.passes.found_at_fault(worker);
    worker.mark_error();
}

/// Clears the temporary mark that a request has set, if there is one: the next member is about to be
/// chosen, or the request is over.
pub(crate) fn clear_transient_mark(request: Request<'_>) {
    if let Some(state) = RequestState::existing(request) {
        state.last_failure.unmark();
    }
}

/// post_request: the end of a request, or its first wait without a thread. Then the hook of mod_proxy_balancer,
/// which runs next, has its turn at the end.
///
/// Logs that the member is in error if that hook is about to mark it.
pub(crate) fn post_request(
    request: Request<'_>,
    member: Option<(Worker<'_>, Balancer<'_>)>,
) -> c_int {
    if is_parked(request) {
        return sys::OK as c_int;
    }
    clear_transient_mark(request);
    if let Some((member, balancer)) = member {
        let status = request.status();
        if balancer.fails_on_status(status) {
            log_error(request, member, format_args!("status {status}, which failonstatus lists"));
        } else if member.fails_on_timeout() && request.notes().get(c"proxy_timedout").is_some() {
            log_error(request, member, format_args!("a timeout, with failontimeout=On"));
        }
    }
    sys::DECLINED
}

#[cold]
fn log_error(request: Request<'_>, member: Worker<'_>, why: fmt::Arguments<'_>) {
    if let Some(child) = ServerState::child_of(request.server()) {
        member_life::log_error(child, member, why);
    }
}

/// Whether mod_proxy has been told that the request goes on without it. (Its status says so during these
/// two hooks.)
fn is_parked(request: Request<'_>) -> bool {
    let state = ConnectionState::existing(request.client_connection());
    state.is_some_and(|state| state.has_parked_this(request))
}

/// Replaces the status of a request that no member has taken (the hook request_status): the last
/// member's own failure says more than 503.
pub(crate) fn final_status(request: Request<'_>, status: &mut c_int) {
    if is_parked(request) {
        return;
    }
    // If no member was left, post_request has not run.
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
