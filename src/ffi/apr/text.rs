//! C strings, and the texts of APR's errors.

use std::ffi::{CStr, c_char};

use crate::ffi::sys;

/// The bytes of a C string, without the NUL; `None` for a null pointer.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that nobody changes during `'a`.
pub(crate) unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    unsafe { c_str(text) }.map(CStr::to_bytes)
}

/// The C string itself; `None` for a null pointer.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn c_str<'a>(text: *const c_char) -> Option<&'a CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and terminated and constant for 'a as the caller promises.
    Some(unsafe { CStr::from_ptr(text) })
}

/// The text of an APR error.
pub(crate) fn of_status(status: sys::apr_status_t) -> String {
    let mut text: [c_char; 200] = [0; 200];
    // SAFETY: the buffer has the length that is said; APR terminates what it writes.
    let text = unsafe {
        bytes(sys::apr_strerror(status, text.as_mut_ptr(), text.len() as sys::apr_size_t))
    };
    String::from_utf8_lossy(text.unwrap_or(b"")).into_owned()
}
