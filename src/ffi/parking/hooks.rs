//! What happens to a connection of which a request may wait without a thread: see
//! [`connection_state`](crate::ffi::state::connection_state) for the mechanism.
//!
//! ```text
//! process_connection ─> the hooks of all modules ─> handler ─> SUSPENDED
//!        │  the state of the connection becomes ASYNC_WAITIO
//!  suspend_connection: the socket carries the set's descriptor, which the MPM polls
//!        ⋮
//!  resume_connection: it carries the client's again
//! process_connection ─> the request goes on ─> again SUSPENDED, or its end
//! ```

use std::ffi::c_int;
use std::time::Duration;

use crate::ffi::guard::guard;
use crate::ffi::httpd::connection::Connection;
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::mpm;
use crate::ffi::httpd::request::Request;
use crate::ffi::state::connection_state::ConnectionState;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;

/// process_connection, before all other modules.
///
/// # Race
/// The listener thread of a child that has been told to end goes when the child has no connection; one that it has
/// accepted just before is not counted until a thread takes it (`process_socket` of event.c), and nothing that it waited
/// for would be seen. So requests of a connection are parked only if the child had not been told when it was first
/// processed: it had been counted by then, and the MPM takes note that it ends (AP_MPMQ_STOPPING) before its
/// listener may look at the count.
pub(crate) fn process(connection: Connection<'_>) -> c_int {
    let can_park = || {
        ServerState::child_of(connection.server()).is_some_and(|child| child.can_park())
            && connection.can_wait()
            && !mpm::is_stopping()
    };
    let state = match ConnectionState::existing(connection) {
        Some(state) => state,
        None if can_park() => ConnectionState::of(connection),
        None => return sys::DECLINED,
    };
    if state.has_parked() {
        return go_on(connection, state);
    }
    if state.is_driven.replace(true) {
        return sys::DECLINED;
    }
    let status = connection.process();
    state.is_driven.set(false);
    if state.has_parked() {
        if connection.is_suspended() {
            connection.wait_for_io();
            return sys::OK as c_int;
        }
        // Another module has not passed "suspended" on, and answers itself.
        state.abandon();
    }
    status
}

/// The request that waits goes on, or ends.
#[cold]
fn go_on(connection: Connection<'_>, state: &ConnectionState) -> c_int {
    let Some((request, waiting, woken)) = state.take() else { return sys::DECLINED };
    // SAFETY: a request that ends takes its wait with it, so this one is live; this thread serves its
    // connection.
    let request = unsafe { Request::from_ptr(request) };
    state.is_driven.set(true);
    let step = || guard(INTERNAL_ERROR, || waiting.go_on(request, woken));
    let HandlerStatus(status) = request.on_this_thread(step);
    state.is_driven.set(false);
    if status == sys::SUSPENDED {
        connection.wait_for_io();
    } else {
        request.end(status);
    }
    sys::OK as c_int
}

/// suspend_connection.
pub(crate) fn suspend(connection: Connection<'_>) {
    if let Some(state) = ConnectionState::existing(connection) {
        state.suspend(connection);
    }
}

/// resume_connection.
pub(crate) fn resume(connection: Connection<'_>) {
    if let Some(state) = ConnectionState::existing(connection) {
        state.resume(connection);
    }
}

/// pre_close_connection: the MPM has polled for `Timeout` a connection on which a request waits, which it does where
/// the clock has been set, and where no thread was free to look at it in time. After this hook it closes the connection,
/// so the request waits in this thread now.
pub(crate) fn close(connection: Connection<'_>) {
    let Some(state) = ConnectionState::existing(connection) else { return };
    let Some((request, waiting, mut woken)) = state.take() else { return };
    // SAFETY: as in `go_on`.
    let request = unsafe { Request::from_ptr(request) };
    woken.client_gone |= request.is_aborted();
    // Not in the connection's own state: httpd would then send a response without chunks, whose end one could not tell
    // from a break.
    request.err_headers_out().set(c"Connection", c"close".as_ptr());
    connection.set_socket_timeout(request.timeout());
    let step = || guard(INTERNAL_ERROR, || waiting.finish(request, woken));
    let HandlerStatus(status) = request.on_this_thread(step);
    request.end(status);
    connection.set_socket_timeout(LINGERING_CLOSE);
    connection.close();
}

/// What the MPM gives a client for the last of what it is sent (`SECONDS_TO_LINGER` of event.c).
const LINGERING_CLOSE: Duration = Duration::from_secs(2);

/// After a panic.
const INTERNAL_ERROR: HandlerStatus = HandlerStatus(sys::HTTP_INTERNAL_SERVER_ERROR as c_int);
