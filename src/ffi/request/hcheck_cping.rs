//! `ajp_handle_cping_cpong`: the optional function with which mod_proxy_hcheck tests a member.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::backend::{PingError, cping_descriptor};
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;

/// Sends CPING over a socket that the caller owns and waits up to `timeout` for CPONG.
///
/// # Safety
/// `socket` is an open APR socket that nobody else uses during the call.
pub(crate) unsafe fn handle(
    socket: *mut sys::apr_socket_t,
    request: Request<'_>,
    timeout: sys::apr_interval_time_t,
) -> sys::apr_status_t {
    let mut descriptor = -1;
    // SAFETY: the socket is open, as the caller promises.
    let status = unsafe { sys::apr_os_sock_get(&raw mut descriptor, socket) };
    if status != 0 || descriptor < 0 {
        return sys::APR_EGENERAL as i32;
    }
    // SAFETY: the descriptor is the open socket's and stays open during this call.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let timeout = Duration::from_micros(u64::try_from(timeout).unwrap_or(0));
    match cping_descriptor(descriptor, timeout) {
        Ok(()) => sys::APR_SUCCESS as i32,
        Err(error) => {
            log::debug_request(request, format_args!("CPING failed: {error}"));
            match error {
                PingError::TimedOut { .. } => sys::APR_TIMEUP as i32,
                PingError::Closed => sys::APR_EOF as i32,
                PingError::Codec(_) | PingError::Net(_) | PingError::NotCPong => {
                    sys::APR_EGENERAL as i32
                }
            }
        }
    }
}
