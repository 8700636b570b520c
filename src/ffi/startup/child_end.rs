//! The end of a child, as the parent handles it.

use std::ffi::c_int;

use crate::ffi::httpd::log;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::server_state::ServerState;
use crate::messages::Message;
use crate::shared::MemberKey;
use crate::stats::StatsMemory;

/// Releases what a child has left in shared memory, however it ended. Runs in the parent; `main` is
/// httpd's main server.
pub(crate) fn child_ended(main: Server<'_>, pid: c_int) {
    let Some(state) = ServerState::of(main) else { return };
    if let (Some(stats), Ok(pid)) = (state.parent.stats.get(), u32::try_from(pid)) {
        stats.table().child_ended(pid);
    }
    let Some(memory) = state.parent.shared.get() else { return };
    // A child from before a restart had a row in memory that no longer exists, and has none in this
    // one.
    let held = |member, count| take_back(main, member, count);
    let left = u32::try_from(pid).map_or(0, |pid| memory.child_ended(pid, held));
    if left > 0 {
        log::server(
            main,
            Message::ChildEndedBusy,
            format_args!(
                "child {pid} ended with {left} AJP requests in flight; they are no longer counted"
            ),
        );
    }
}

/// Subtracts the `count` requests that a dead child left on the member. Runs in the parent.
///
/// Virtual hosts that each define the same balancer with the same member have one key for it: the first
/// that is busy is taken to be the right one. The parent does not know a member that was added at run
/// time: its count stays as the child left it.
fn take_back(main: Server<'_>, key: MemberKey, count: u32) {
    let mut left = count;
    let is_it = |w: &Worker<'_>| w.is_member() && w.is_ajp() && w.key() == key;
    for worker in server_conf::all_workers(main).filter(is_it) {
        left -= worker.take_off_busy(left);
    }
}
