//! Log lines through httpd, with its levels, its time and its request.

use std::ffi::{CString, c_int};
use std::fmt;
use std::time::Instant;

use crate::backend::{WarningKind, Warnings};
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server::Server;
use crate::ffi::sys;
use crate::messages::{Level, Message};

/// Logs a line for a request, at the message's level. Nothing is formatted while the level is off.
pub(crate) fn request(request: Request<'_>, message: Message, text: fmt::Arguments<'_>) {
    of_request(request, number(message.level()), Some(message), text);
}

/// Logs a line for a request.
///
/// With `kind`, it is a line that a client can cause at will: one a minute is logged at the message's
/// level, with the number of lines left out since the last one, and the lines in between are logged at
/// info.
pub(crate) fn at_will(
    request: Request<'_>,
    message: Message,
    kind: Option<(&Warnings, WarningKind)>,
    text: fmt::Arguments<'_>,
) {
    let Some((warnings, kind)) = kind else { return self::request(request, message, text) };
    match warnings.claim(kind, Instant::now()) {
        Some(unsaid) => self::request(request, message, format_args!("{text}{unsaid}")),
        None => of_request(request, number(Level::Info), Some(message), text),
    }
}

/// Logs a line for a request at level debug, which has no message.
pub(crate) fn debug_request(request: Request<'_>, text: fmt::Arguments<'_>) {
    of_request(request, DEBUG, None, text);
}

/// Logs a line for a server, at the message's level.
pub(crate) fn server(server: Server<'_>, message: Message, text: fmt::Arguments<'_>) {
    of_server(server, number(message.level()), Some(message), text);
}

/// Logs a line while httpd reads its configuration and no server has its log yet: httpd shows it where it
/// shows its own errors in lines.
pub(crate) fn reading(message: Message, text: fmt::Arguments<'_>) {
    let text = c_text(Some(message), text);
    // SAFETY: httpd takes no server for one that has no log yet; the text is only read during the call.
    unsafe {
        sys::ajp_shim_log_server(std::ptr::null(), number(message.level()), text.as_ptr());
    }
}

/// Logs a line for a server at level debug, which has no message.
pub(crate) fn debug_server(server: Server<'_>, text: fmt::Arguments<'_>) {
    of_server(server, DEBUG, None, text);
}

const DEBUG: c_int = sys::APLOG_DEBUG as c_int;

/// httpd's number of a level.
fn number(level: Level) -> c_int {
    let number = match level {
        Level::Error => sys::APLOG_ERR,
        Level::Warning => sys::APLOG_WARNING,
        Level::Notice => sys::APLOG_NOTICE,
        Level::Info => sys::APLOG_INFO,
    };
    number as c_int
}

fn of_request(
    request: Request<'_>,
    level: c_int,
    message: Option<Message>,
    text: fmt::Arguments<'_>,
) {
    let r = request.as_ptr();
    // SAFETY: the request is live (Request's invariant); the shim only reads its log settings.
    if unsafe { sys::ajp_shim_logs_request(r, level) } == 0 {
        return;
    }
    let text = c_text(message, text);
    // SAFETY: as above; the text is NUL-terminated and only read during the call.
    unsafe { sys::ajp_shim_log_request(r, level, text.as_ptr()) }
}

fn of_server(server: Server<'_>, level: c_int, message: Option<Message>, text: fmt::Arguments<'_>) {
    let text = c_text(message, text);
    // SAFETY: the server is live (Server's invariant); the text is only read during the call.
    unsafe { sys::ajp_shim_log_server(server.as_ptr(), level, text.as_ptr()) }
}

/// Converts a line for C: `AJP0101: text`. A peer's text may contain a NUL, which becomes a space.
fn c_text(message: Option<Message>, text: fmt::Arguments<'_>) -> CString {
    let line = match message {
        Some(message) => format!("{}: {text}", message.number()),
        None => fmt::format(text),
    };
    let mut bytes = line.into_bytes();
    bytes.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    CString::new(bytes).unwrap_or_default()
}
