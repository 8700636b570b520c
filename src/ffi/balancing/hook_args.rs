//! The arguments of mod_proxy's pre_request hook.

use std::ffi::c_char;

use crate::ffi::sys;

/// mod_proxy's arguments of the hook: places to read and to write.
pub(crate) struct HookArgs {
    pub(crate) worker: *mut *mut sys::proxy_worker,
    pub(crate) balancer: *mut *mut sys::proxy_balancer,
    pub(crate) url: *mut *mut c_char,
}
