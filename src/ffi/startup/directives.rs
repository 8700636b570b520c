//! Directives and parameters of this module, as httpd and mod_proxy hand them over.

use std::ffi::{CString, c_char};

use crate::balance::WorkerStatus;
use crate::config::{Line, Maintain, ReverseListener, WorkerSettings};
use crate::ffi::apr::error_text::error_text;
use crate::ffi::apr::pool::Pool;
use crate::ffi::apr::text;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::state::server_state::ServerConfig;
use crate::ffi::sys;

/// Takes the value of `ProxyAjpMaintain`. Null: taken; else the error text.
///
/// # Safety
/// `pool`, `server` and the string are live; httpd is reading its configuration, on this thread.
pub(crate) unsafe fn maintain(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    value: *const c_char,
) -> *const c_char {
    // SAFETY: a string of the configuration.
    let value = unsafe { text::bytes(value) }.unwrap_or(b"");
    match Maintain::parse(&String::from_utf8_lossy(value)) {
        Ok(maintain) => {
            // SAFETY: as the caller promises; no reference from `of` is in use.
            unsafe { ServerConfig::of_or_new(server, pool) }.maintain = maintain;
            std::ptr::null()
        }
        // SAFETY: as the caller promises.
        Err(error) => unsafe { error_text(pool, "", &error) },
    }
}

/// Sets `edited` to what mod_proxy is to read in a line's place, and notes what the line says of a
/// balancer. Null, or an error text.
///
/// # Safety
/// Arguments as the shim passes them while httpd reads its configuration.
pub(crate) unsafe fn edit_line(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    line: &sys::ajp_shim_line,
    edited: &mut *const c_char,
) -> *const c_char {
    // A line that is no UTF-8 has none of our words.
    let text = |text: *const c_char| {
        // SAFETY: strings of the configuration, constant during this call.
        std::str::from_utf8(unsafe { text::bytes(text) }.unwrap_or(b"")).ok()
    };
    let (Some(directive), Some(arguments), Some(section)) =
        (text(line.directive), text(line.arguments), text(line.section))
    else {
        return std::ptr::null();
    };
    let ours = match (Line { directive, arguments, section, has_path: line.has_path != 0 }).edit() {
        Ok(ours) => ours,
        // SAFETY: as the caller promises.
        Err(error) => return unsafe { error_text(pool, directive, &error) },
    };
    if let Some((name, keys)) = ours.balancer {
        // SAFETY: the server is live; this is httpd's main thread, reading its configuration, and
        // no reference from `of` is in use.
        let config = unsafe { ServerConfig::of_or_new(server, pool) };
        config.add_balancer_keys(name.into_bytes().into(), keys);
    }
    if let Some(arguments) = ours.arguments {
        // SAFETY: the configuration's pool is live and ours on this thread.
        *edited = unsafe { Pool::from_ptr(pool) }.copy(arguments.as_bytes());
    }
    std::ptr::null()
}

/// Takes `key=value` of a ProxyPass, BalancerMember or ProxySet line. Null: taken; else the error
/// text, or `ajp_shim_not_ours`.
///
/// # Safety
/// Arguments as mod_proxy passes them while it reads its configuration on the main thread.
pub(crate) unsafe fn worker_param(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    worker: *mut sys::proxy_worker,
    key: *const c_char,
    value: *const c_char,
) -> *const c_char {
    let not_ours = (&raw const sys::ajp_shim_not_ours).cast::<c_char>();
    // SAFETY: strings of the configuration, constant during this call.
    let (Some(key), Some(value)) = (unsafe { (text::bytes(key), text::bytes(value)) }) else {
        return not_ours;
    };
    if worker.is_null() {
        return not_ours;
    }
    // SAFETY: the server is live; this is httpd's main thread, reading its configuration, and no
    // reference from `of` is in use.
    let config = unsafe { ServerConfig::of_or_new(server, pool) };
    // SAFETY: mod_proxy passes a live worker.
    let id = unsafe { WorkerId::of(worker) };
    let before = config.worker(id).cloned().unwrap_or_default();
    let mut settings = before.clone();
    match settings.set(&String::from_utf8_lossy(key), &String::from_utf8_lossy(value)) {
        Ok(false) => return not_ours,
        Ok(true) => {}
        // SAFETY: the configuration's pool is live and ours on this thread.
        Err(error) => return unsafe { error_text(pool, "", &error) },
    }
    // SAFETY: mod_proxy passes a live worker.
    tell_mod_proxy(unsafe { Worker::from_ptr(worker) }, &before, &settings);
    config.set_worker(id, settings);
    std::ptr::null()
}

/// What mod_proxy itself can do of our words, it does: `status` and `lbset`, where balancer-manager
/// shows and changes them.
fn tell_mod_proxy(worker: Worker, before: &WorkerSettings, after: &WorkerSettings) {
    let flags = |settings: &WorkerSettings| {
        let (activation, _) = settings.activation.unwrap_or_default().flags();
        if settings.sessions_only { activation.with(WorkerStatus::DRAIN) } else { activation }
    };
    let (before_flags, after_flags) = (flags(before), flags(after));
    if before_flags != after_flags {
        worker.clear_status(before_flags.without(after_flags));
        worker.add_status(after_flags);
    }
    if before.distance != after.distance {
        worker.set_lbset(after.distance.unwrap_or(0).into());
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
    let (name, default) = unsafe { (text::bytes(name).unwrap_or(b""), text::bytes(default)) };
    // SAFETY: as the caller promises; no reference from `of` is in use.
    let config = unsafe { ServerConfig::of_or_new(server, pool) };
    match config.sent.own_mut().add(name, default) {
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
    unsafe { ServerConfig::of_or_new(server, pool) }.sent.own_mut().set_certificate_chain(on);
    std::ptr::null()
}

/// Takes a `ProxyAjpReverse` line. Null: taken; else the error text.
///
/// # Safety
/// As [`maintain`].
pub(crate) unsafe fn reverse(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    arguments: *const c_char,
) -> *const c_char {
    // SAFETY: a string of the configuration.
    let arguments = unsafe { text::bytes(arguments) }.unwrap_or(b"");
    match ReverseListener::parse(&String::from_utf8_lossy(arguments)) {
        Ok(listener) => {
            // SAFETY: as the caller promises; no reference from `of` is in use.
            unsafe { ServerConfig::add_reverse(server, pool, listener) };
            std::ptr::null()
        }
        Err(error) => {
            let text = CString::new(format!("ProxyAjpReverse: {error}")).unwrap_or_default();
            // SAFETY: as the caller promises.
            unsafe { Pool::from_ptr(pool) }.copy(text.as_bytes())
        }
    }
}
