//! Which requests may give their thread back.

use crate::ffi::request::call::Call;
use crate::ffi::state::connection_state::ConnectionState;
use crate::ffi::state::server_state::ServerState;

/// Whether a request may wait without a thread: parking is on for its server, the MPM takes its connection
/// back, and httpd itself has called the handler, so that it takes "suspended" for an answer. Others
/// wait in their thread.
pub(crate) fn can_park(call: &Call<'_>) -> bool {
    call.child.can_park() && is_parkable(call)
}

#[cold]
fn is_parkable(call: &Call<'_>) -> bool {
    let request = call.request;
    let connection = request.client_connection();
    let is_driven = ConnectionState::existing(connection).is_some_and(|state| {
        // The hooks that run are within ours, and no other request of the connection waits.
        state.is_driven.get() && !state.has_parked()
    });
    // A member that another module has chosen is followed by one that it chooses, too.
    let is_ours = !call.worker.is_member() || call.kept.balancer_url.get().is_some();
    is_driven
        && is_ours
        && ServerState::parks(request.server())
        && connection.can_wait()
        && request.is_initial()
        && !call.conf.has_remote_proxies()
}
