//! In the parent: a child has ended, in whatever way.

use std::ffi::c_int;

use crate::ffi::httpd::log::{self, LogLevel};
use crate::ffi::httpd::server;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::server_state::ServerConfig;
use crate::ffi::sys;
use crate::shared::MemberKey;
use crate::stats::StatsMemory;

/// In the parent: what a child left in shared memory is taken back, however it ended.
///
/// # Safety
/// `server` is httpd's main server.
pub(crate) unsafe fn child_ended(server: *mut sys::server_rec, pid: c_int) {
    // SAFETY: null or live.
    let config = if server.is_null() { None } else { unsafe { ServerConfig::of(server) } };
    if let (Some(stats), Ok(pid)) =
        (config.and_then(|config| config.stats.get()), u32::try_from(pid))
    {
        stats.table().child_ended(pid);
    }
    let Some(memory) = config.and_then(|config| config.shared.get()) else { return };
    // A child of before a restart had a row in memory that is gone, and has none in this.
    // SAFETY: httpd's main server, on its main thread.
    let held = |member, count| unsafe { take_back(server, member, count) };
    let left = u32::try_from(pid).map_or(0, |pid| memory.child_ended(pid, held));
    if left > 0 {
        // SAFETY: the server is live.
        unsafe {
            log::server(
                server,
                LogLevel::Info,
                format_args!(
                    "child {pid} ended with {left} AJP requests in flight: no longer counted"
                ),
            );
        }
    }
}

/// In the parent: a dead child held the member with `count` requests.
///
/// Virtual hosts that each define the same balancer with the same member have one key for it: the
/// first that is busy is taken for the one. A member that was added at run time is not known to the
/// parent, and keeps what the child has left.
///
/// # Safety
/// `main` is httpd's main server; this is its main thread, in the parent.
unsafe fn take_back(main: *mut sys::server_rec, key: MemberKey, count: u32) {
    let mut left = count;
    // SAFETY: as the caller promises; the parent changes none of these lists while it serves.
    for conf in unsafe { server::servers(main) }
        // SAFETY: a live server.
        .filter_map(|server| unsafe { server_conf::proxy_conf(server) })
    {
        // SAFETY: as above.
        for raw in unsafe { server_conf::workers(conf) } {
            // SAFETY: a live worker of mod_proxy's.
            let worker = unsafe { Worker::from_ptr(raw) };
            if worker.is_member() && worker.is_ajp() && worker.key() == key {
                left -= worker.take_off_busy(left);
            }
        }
    }
}
