//! mod_proxy's own part of the members of balancers, in each child.

use crate::balance::WorkerStatus;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::sys;

/// Has mod_proxy initialise the members of all balancers of this child (`ap_proxy_initialize_worker`) before its
/// threads start.
///
/// mod_proxy_balancer leaves that to the first request of a child where another child has initialised the shared
/// part. Requests at the same moment then rely on `proxy_mutex`, and that may be gone: a restart destroys it in a
/// child that was forked a moment before, and has not joined it yet (`proc_mutex_pthread_cleanup` of APR).
/// Two requests make the part at once, and one of them meets it half made.
///
/// # Safety
/// `pchild` is the pool of this child, which has no other thread yet; mod_proxy has set its workers up.
pub(crate) unsafe fn initialize(main: Server<'_>, pchild: *mut sys::apr_pool_t) {
    for conf in server_conf::all(main) {
        let members = conf.balancers().flat_map(|balancer| balancer.members());
        for member in members.filter(|member| member.is_ajp()) {
            let worker = member.as_ptr();
            // SAFETY: worker and server are live, and as the caller promises. A failure is logged by mod_proxy, and
            // the first request of the member tries it again.
            unsafe {
                let status = WorkerStatus::from_bits((*worker).local_status);
                if !status.has(WorkerStatus::INITIALIZED) {
                    sys::ap_proxy_initialize_worker(worker, conf.server().as_ptr(), pchild);
                }
            }
        }
    }
}
