//! `ProxyAjpEnvVar` and `ProxyAjpCertChain`, as the servers of a configuration have them.

use std::ffi::c_char;
use std::sync::OnceLock;

use crate::config::RequestAttributes;
use crate::ffi::apr::pool;
use crate::ffi::httpd::request::Request;
use crate::ffi::state::server_state::{ServerConfig, error_text};
use crate::ffi::sys;

/// What one server sends beyond the usual.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Its own lines.
    own: RequestAttributes,
    /// With what is inherited; filled in when the whole configuration has been read.
    settled: OnceLock<RequestAttributes>,
}

impl Sent {
    /// Works out what holds: its own lines, and those of `base`. The first call counts.
    pub(crate) fn settle(&self, base: Option<&Self>) {
        self.settled.get_or_init(|| match base {
            Some(base) => self.own.over(&base.own),
            None => self.own.clone(),
        });
    }

    /// What the server of this request sends.
    pub(crate) fn of<'r>(request: Request<'r>) -> &'r RequestAttributes {
        static NOTHING: RequestAttributes = RequestAttributes::new();
        // SAFETY: the request's server is live, and its configuration stays as long as it is.
        let config: Option<&'r ServerConfig> = unsafe { ServerConfig::of(request.server()) };
        config.and_then(|config| config.sent.settled.get()).unwrap_or(&NOTHING)
    }
}

/// Takes a `ProxyAjpEnvVar`. Null: taken; else the error text.
///
/// # Safety
/// `pool`, `server` and the strings are live, `default` may be null; httpd is reading its
/// configuration, on this thread.
pub(crate) unsafe fn env_var(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    name: *const c_char,
    default: *const c_char,
) -> *const c_char {
    // SAFETY: strings of the configuration, or null.
    let (name, default) = unsafe { (pool::bytes(name).unwrap_or(b""), pool::bytes(default)) };
    // SAFETY: as the caller promises; no reference from `of` is in use.
    let config = unsafe { ServerConfig::of_or_new(server, pool) };
    match config.sent.own.add(name, default) {
        Ok(()) => std::ptr::null(),
        // SAFETY: as the caller promises.
        Err(error) => unsafe { error_text(pool, "", &error) },
    }
}

/// Takes a `ProxyAjpCertChain`. Null: taken.
///
/// # Safety
/// As [`env_var`].
pub(crate) unsafe fn cert_chain(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    on: bool,
) -> *const c_char {
    // SAFETY: as the caller promises; no reference from `of` is in use.
    unsafe { ServerConfig::of_or_new(server, pool) }.sent.own.set_certificate_chain(on);
    std::ptr::null()
}
