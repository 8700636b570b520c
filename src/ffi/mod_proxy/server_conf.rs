//! mod_proxy's configuration of a server, and the workers in it.

use crate::ffi::apr::array::elements;
use crate::ffi::sys;

/// mod_proxy's configuration of a server; `None` where it has none.
///
/// # Safety
/// `server` is live. (mod_proxy is loaded, or this library could not be.)
pub(crate) unsafe fn proxy_conf(
    server: *const sys::server_rec,
) -> Option<*mut sys::proxy_server_conf> {
    // SAFETY: as the caller promises.
    let conf =
        unsafe { sys::ap_get_module_config((*server).module_config, &raw const sys::proxy_module) };
    (!conf.is_null()).then_some(conf.cast())
}

/// All workers of a server: the plain ones, then the members of its balancers.
///
/// # Safety
/// `conf` is live and its lists do not change meanwhile: while httpd starts, or a child does.
pub(crate) unsafe fn workers(conf: *const sys::proxy_server_conf) -> Vec<*mut sys::proxy_worker> {
    // SAFETY: arrays of mod_proxy's, of these types.
    unsafe {
        let mut found: Vec<_> = elements::<sys::proxy_worker>((*conf).workers).collect();
        for balancer in elements::<sys::proxy_balancer>((*conf).balancers) {
            found.extend(elements::<*mut sys::proxy_worker>((*balancer).workers).map(|m| *m));
        }
        found.retain(|worker| !worker.is_null() && !(**worker).s.is_null());
        found
    }
}
