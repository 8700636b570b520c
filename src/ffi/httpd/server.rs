//! httpd's servers: the main one and its virtual hosts.

use std::ptr::NonNull;

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

/// httpd's main server; `None` before httpd has one.
pub(crate) fn main() -> Option<NonNull<sys::server_rec>> {
    // SAFETY: a pointer that httpd sets before any child exists, and that is constant in a child.
    NonNull::new(unsafe { (&raw const sys::ap_server_conf).read() })
}
