//! The module's record, for httpd's functions that take a module; and whether other modules are there.

use std::ffi::CStr;

use crate::ffi::sys;

// SAFETY: the definition in src/ffi/module.rs, with this name and type.
unsafe extern "C" {
    static mut proxy_ajp_module: sys::module;
}

/// The address of the record.
pub(crate) fn record() -> *mut sys::module {
    &raw mut proxy_ajp_module
}

/// Whether httpd has a module, by the name of its source file (`mod_proxy_balancer.c`).
pub(crate) fn is_loaded(name: &CStr) -> bool {
    // SAFETY: httpd compares the name with those of its modules, whose list is constant once the
    // configuration has been read.
    unsafe { !sys::ap_find_linked_module(name.as_ptr()).is_null() }
}
