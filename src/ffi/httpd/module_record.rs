//! The module's record, for httpd's functions that take a module.

use crate::ffi::sys;

// SAFETY: the definition in src/ffi/module.rs, with this name and type.
unsafe extern "C" {
    static mut proxy_ajp_module: sys::module;
}

/// The address of the record.
pub(crate) fn record() -> *mut sys::module {
    &raw mut proxy_ajp_module
}
