//! Going through httpd's servers and mod_proxy's workers.

use std::sync::atomic::{Ordering, fence};

use crate::ffi::sys;

/// `main` and every virtual host.
///
/// # Safety
/// `main` is httpd's main server (or null), and no server is added or taken away meanwhile.
pub(crate) unsafe fn servers(
    main: *mut sys::server_rec,
) -> impl Iterator<Item = *mut sys::server_rec> {
    let live = |server: *mut sys::server_rec| (!server.is_null()).then_some(server);
    // SAFETY: a live server of httpd's list.
    std::iter::successors(live(main), move |server| live(unsafe { (**server).next }))
}

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

/// The places of an array's elements.
///
/// # Race
/// mod_proxy adds a member to a balancer at run time under a lock that not every reader holds
/// (`ap_proxy_sync_balancer`). It moves the elements to a larger place first, leaving the old one as it
/// was, and counts the new one last. So the count is read before the place: an old count goes with
/// either place, and a new one only with the new place.
///
/// # Safety
/// `array` is null or a live array of `T` to which elements may be added, and from which none is
/// taken, while the result is in use.
pub(crate) unsafe fn elements<T>(
    array: *const sys::apr_array_header_t,
) -> impl ExactSizeIterator<Item = *mut T> {
    let (first, count) = if array.is_null() {
        (std::ptr::null_mut(), 0)
    } else {
        // SAFETY: live, as the caller promises; plain words.
        unsafe {
            let count = (&raw const (*array).nelts).read_volatile();
            fence(Ordering::Acquire);
            let first = (&raw const (*array).elts).read_volatile().cast::<T>();
            (first, usize::try_from(count).unwrap_or(0))
        }
    };
    // SAFETY: below the number of elements.
    (0..count).map(move |at| unsafe { first.add(at) })
}
