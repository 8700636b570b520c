//! `ProxyAjpParking`, once the configuration is complete: whether it can do what it says.

use crate::ffi::httpd::log::{self, LogLevel};
use crate::ffi::httpd::mpm;
use crate::ffi::httpd::server::Server;
use crate::ffi::state::server_state::ServerState;

/// Says once, in the parent, if `ProxyAjpParking On` has no effect, and why.
pub(crate) fn check(main: Server<'_>) {
    if !is_wanted(main) {
        return;
    }
    if let Err(reason) = mpm::check_parking() {
        let text = format_args!("ProxyAjpParking has no effect: {reason}");
        log::server(main, LogLevel::Warning, text);
    }
}

/// Whether some server wants its requests to wait without a thread, and the MPM can do it.
pub(crate) fn is_possible(main: Server<'_>) -> bool {
    is_wanted(main) && mpm::check_parking().is_ok()
}

fn is_wanted(main: Server<'_>) -> bool {
    main.and_hosts().any(ServerState::parks)
}
