//! The module's record, for httpd's functions that take a module; and whether other modules are there.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::ffi::sys;

// SAFETY: the definition in src/ffi/module.rs, with this name and type.
unsafe extern "C" {
    static mut proxy_ajp_module: sys::module;
}

/// The address of the record.
pub(crate) fn record() -> *mut sys::module {
    &raw mut proxy_ajp_module
}

/// What a module keeps in a vector of httpd's; null: nothing. httpd's own way to it is a macro of the same kind
/// (`ap_get_module_config`, http_config.h).
///
/// # Safety
/// The vector is live, and `module` is the record of a module that httpd has loaded.
#[inline]
pub(crate) unsafe fn config_in(
    vector: *const sys::ap_conf_vector_t,
    module: *const sys::module,
) -> *mut c_void {
    // SAFETY: a vector is an array with a place for each module that is loaded; as the caller promises.
    unsafe { *vector.cast::<*mut c_void>().offset((*module).module_index as isize) }
}

/// Whether httpd has a module, by the name of its source file (`mod_proxy_balancer.c`).
pub(crate) fn is_loaded(name: &CStr) -> bool {
    find(name).is_some()
}

/// The record of a module of this name.
pub(crate) fn find(name: &CStr) -> Option<NonNull<sys::module>> {
    // SAFETY: httpd compares the name with those of its modules, whose list is constant once the
    // configuration has been read.
    NonNull::new(unsafe { sys::ap_find_linked_module(name.as_ptr()) })
}

/// The program or library that this address of httpd's or a module's lies in, as the address at which it begins.
pub(crate) fn file_of(address: *const c_void) -> Option<NonNull<c_void>> {
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address may be asked for; the record is filled in where the result says so.
    let info = unsafe {
        let known = libc::dladdr(address, found.as_mut_ptr()) != 0;
        known.then(|| found.assume_init())
    };
    NonNull::new(info?.dli_fbase)
}
