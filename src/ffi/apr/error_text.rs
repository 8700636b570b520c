//! Errors in lines of the configuration, as httpd wants them.

use std::ffi::{CString, c_char};
use std::fmt;

use crate::ffi::apr::pool::Pool;
use crate::ffi::sys;

/// Returns the text of an error for httpd to show, after the name of the directive where mod_proxy does
/// not add it.
///
/// # Safety
/// `pool` is a live pool of the configuration, on this thread.
pub(crate) unsafe fn error_text(
    pool: *mut sys::apr_pool_t,
    directive: &str,
    error: &dyn fmt::Display,
) -> *const c_char {
    let text = format!("{directive} {error}");
    let text = CString::new(text.trim_start()).unwrap_or_default();
    // SAFETY: as the caller promises.
    unsafe { Pool::from_ptr(pool) }.copy(text.as_bytes())
}
