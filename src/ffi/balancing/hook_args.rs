//! Arguments of mod_proxy's pre_request hook.

use std::ffi::c_char;

use crate::ffi::sys;

/// mod_proxy's arguments of the hook. Places to read and to write.
pub(crate) struct Places {
    pub(crate) worker: *mut *mut sys::proxy_worker,
    pub(crate) balancer: *mut *mut sys::proxy_balancer,
    pub(crate) url: *mut *mut c_char,
}
