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

/// Whether a C string begins so, in any case; not if it is a null pointer. No byte behind is read.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn begins_with(text: *const c_char, prefix: &[u8]) -> bool {
    let is_there = |(at, byte): (usize, &u8)| {
        // SAFETY: not null; the bytes before this one are not the NUL, so that the text has one more.
        let found = unsafe { text.add(at).read() } as u8;
        found != 0 && found.eq_ignore_ascii_case(byte)
    };
    !text.is_null() && prefix.iter().enumerate().all(is_there)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_with_what_it_has_up_to_its_end_in_any_case() {
        // SAFETY: C strings, or null.
        let begins = |text: Option<&CStr>, prefix: &[u8]| unsafe {
            begins_with(text.map_or(std::ptr::null(), CStr::as_ptr), prefix)
        };
        for text in [c"AJP_", c"AJP_x", c"ajp_"] {
            assert!(begins(Some(text), b"AJP_"), "{text:?}");
        }
        for text in [c"", c"A", c"AJP", c"AJP-x", c"xAJP_"] {
            assert!(!begins(Some(text), b"AJP_"), "{text:?}");
        }
        assert!(!begins(Some(c"AJP"), b"AJP\0"));
        assert!(begins(Some(c""), b"") && !begins(None, b""));
    }
}
