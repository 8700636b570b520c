//! The lines of httpd's configuration, for what no function of httpd's tells.

use crate::config::{ConfigLine, LinePlace};
use crate::ffi::apr::text;
use crate::ffi::sys;

/// Copies all lines of the configuration.
///
/// # Safety
/// This is httpd's main thread, which has read the configuration and has not cleared it.
pub(crate) unsafe fn lines() -> Vec<ConfigLine> {
    // SAFETY: as the caller promises: null, or the first line.
    unsafe { lines_from((&raw const sys::ap_conftree).read()) }
}

/// Copies this line, those behind it, and those in their sections.
///
/// # Safety
/// As [`last_of`].
unsafe fn lines_from(mut line: *const sys::ap_directive_t) -> Vec<ConfigLine> {
    let mut all = Vec::new();
    while !line.is_null() {
        // SAFETY: a line of the configuration, as are the next one and the first of its section.
        unsafe {
            all.push(ConfigLine {
                directive: copied((*line).directive),
                arguments: copied((*line).args),
                place: place(line),
                lines: lines_from((*line).first_child),
            });
            line = (*line).next;
        }
    }
    all
}

/// The place of a line.
///
/// # Safety
/// `line` is a line of the configuration, which is not cleared during this call.
pub(crate) unsafe fn place(line: *const sys::ap_directive_t) -> LinePlace {
    // SAFETY: as the caller promises.
    unsafe {
        let number = u32::try_from((*line).line_num).unwrap_or(0);
        LinePlace { file: copied((*line).filename), number }
    }
}

/// # Safety
/// `text` is null or a text of the configuration's.
unsafe fn copied(text: *const std::ffi::c_char) -> String {
    // SAFETY: as the caller promises; it is constant during this call.
    String::from_utf8_lossy(unsafe { text::bytes(text) }.unwrap_or_default()).into_owned()
}

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
