//! `ProxyAjpParking`, once the configuration is complete: whether it can do what it says.

use rustix::process::{Resource, getrlimit};

use crate::config::{ChildSize, ParkingRemark};
use crate::ffi::httpd::config_tree;
use crate::ffi::httpd::log;
use crate::ffi::httpd::mpm;
use crate::ffi::httpd::server::Server;
use crate::ffi::state::server_state::ServerState;
use crate::messages::Message;

/// Says in the parent, where `ProxyAjpParking` is on, that it has no effect, and why; or how many requests
/// can be parked, if that is less than one would think.
///
/// # Safety
/// `main` is httpd's main server, whose configuration has been read; this is its main thread.
pub(crate) unsafe fn check(main: Server<'_>) {
    if !is_wanted(main) {
        return;
    }
    if let Err(reason) = mpm::check_parking() {
        log::server(
            main,
            Message::ParkingImpossible,
            format_args!("ProxyAjpParking has no effect: {reason}"),
        );
        return;
    }
    // SAFETY: as the caller promises.
    let factor = unsafe { config_tree::last_line("AsyncRequestWorkerFactor") };
    let size = ChildSize::new(mpm::threads_per_child(), factor.as_deref());
    for remark in size.remarks(getrlimit(Resource::Nofile).current) {
        let message = match remark {
            ParkingRemark::FewConnections(..) => Message::ParkingFewConnections,
            ParkingRemark::FewDescriptors(..) => Message::ParkingFewDescriptors,
        };
        log::server(main, message, format_args!("ProxyAjpParking: {remark}"));
    }
}

/// Whether some server wants its requests to wait without a thread, and the MPM can do it.
pub(crate) fn is_possible(main: Server<'_>) -> bool {
    is_wanted(main) && mpm::check_parking().is_ok()
}

fn is_wanted(main: Server<'_>) -> bool {
    main.and_hosts().any(ServerState::parks)
}
