//! Log lines through httpd, with its levels, its time and its request.

use std::ffi::{CString, c_int};
use std::fmt;
use std::time::Instant;

use crate::backend::{WarningKind, Warnings};
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server::Server;
use crate::ffi::sys;
use crate::proxy::Level;

/// httpd's LogLevel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warning => Self::Warning,
            Level::Info => Self::Info,
        }
    }
}

impl LogLevel {
    fn number(self) -> c_int {
        let number = match self {
            Self::Error => sys::APLOG_ERR,
            Self::Warning => sys::APLOG_WARNING,
            Self::Notice => sys::APLOG_NOTICE,
            Self::Info => sys::APLOG_INFO,
            Self::Debug => sys::APLOG_DEBUG,
        };
        number as c_int
    }
}

/// Logs a line for a request. Nothing is formatted while the level is off.
pub(crate) fn request(request: Request<'_>, level: LogLevel, text: fmt::Arguments<'_>) {
    let r = request.as_ptr();
    // SAFETY: the request is live (Request's invariant); the shim only reads its log settings.
    if unsafe { sys::ajp_shim_logs_request(r, level.number()) } == 0 {
        return;
    }
    let text = c_text(text);
    // SAFETY: as above; the text is NUL-terminated and only read during the call.
    unsafe { sys::ajp_shim_log_request(r, level.number(), text.as_ptr()) }
}

/// Logs a line for a request.
///
/// With `kind`, it is a line that a client can cause at will: one a minute is logged at `level`, with
/// the number of lines left out since the last one, and the lines in between are logged at info.
pub(crate) fn at_will(
    request: Request<'_>,
    level: LogLevel,
    kind: Option<(&Warnings, WarningKind)>,
    text: fmt::Arguments<'_>,
) {
    let Some((warnings, kind)) = kind else { return self::request(request, level, text) };
    match warnings.claim(kind, Instant::now()) {
        Some(unsaid) => self::request(request, level, format_args!("{text}{unsaid}")),
        None => self::request(request, LogLevel::Info, text),
    }
}

/// Logs a line for a server.
pub(crate) fn server(server: Server<'_>, level: LogLevel, text: fmt::Arguments<'_>) {
    let text = c_text(text);
    // SAFETY: the server is live (Server's invariant); the text is only read during the call.
    unsafe { sys::ajp_shim_log_server(server.as_ptr(), level.number(), text.as_ptr()) }
}

/// Converts text for C. A peer's text may contain a NUL, which becomes a space.
fn c_text(text: fmt::Arguments<'_>) -> CString {
    let mut bytes = fmt::format(text).into_bytes();
    bytes.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    CString::new(bytes).unwrap_or_default()
}
