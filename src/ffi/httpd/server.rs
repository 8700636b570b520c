//! httpd's servers: the main one and its virtual hosts.

use std::ffi::c_int;
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

/// Whether httpd reads its configuration for the first time, as a rehearsal: it reads it once more
/// before it starts.
pub(crate) fn is_first_reading() -> bool {
    // SAFETY: httpd reads one of its own variables.
    let state = unsafe { sys::ap_state_query(sys::AP_SQ_MAIN_STATE as c_int) };
    state == sys::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
}

/// Whether httpd, which has served, reads its configuration again.
pub(crate) fn is_restart() -> bool {
    // SAFETY: httpd reads one of its own variables. 0: the first reading; 1: the one it starts with.
    unsafe { sys::ap_state_query(sys::AP_SQ_CONFIG_GEN as c_int) > 1 }
}
