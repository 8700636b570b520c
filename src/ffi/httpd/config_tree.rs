//! The lines of httpd's configuration, for what no function of httpd's tells.

use crate::ffi::apr::text;
use crate::ffi::sys;

/// The arguments of the last line with this directive, as they were written, without quotes around them;
/// `None`: there is no such line.
///
/// # Safety
/// This is httpd's main thread, which has read the configuration and has not cleared it.
pub(crate) unsafe fn last_line(directive: &str) -> Option<String> {
    // SAFETY: as the caller promises: null, or the first line.
    let found = unsafe { last_of((&raw const sys::ap_conftree).read(), directive) }?;
    let text = String::from_utf8_lossy(found);
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Some(bare.unwrap_or(&text).to_owned())
}

/// The same among this line, those behind it, and those in their sections. (`<IfModule>` and `Include` have
/// left no section: the lines that count stand in their place.)
///
/// # Safety
/// `line` is null or a line of the configuration, which is not cleared during `'c`.
unsafe fn last_of<'c>(mut line: *const sys::ap_directive_t, directive: &str) -> Option<&'c [u8]> {
    let mut found = None;
    while !line.is_null() {
        // SAFETY: a line of the configuration, as are the next one and the first of its section; its texts
        // are constant, and live as long.
        unsafe {
            let name = text::bytes((*line).directive).unwrap_or_default();
            if name.eq_ignore_ascii_case(directive.as_bytes()) {
                found = text::bytes((*line).args);
            }
            found = last_of((*line).first_child, directive).or(found);
            line = (*line).next;
        }
    }
    found
}
