//! ProxyBlock: hosts that must not be connected to.

use std::ffi::{CString, c_int};

use crate::backend::{Backend, ConnectSettings};
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::sys;

/// Lets mod_proxy compare the backend's name and addresses with ProxyBlock; only the name, if a
/// ProxyRemote is connected to instead.
///
/// # Errors
/// 403, with mod_proxy's own page, for a blocked host.
pub(crate) fn check(
    request: Request<'_>,
    conf: ProxyConf<'_>,
    host: &[u8],
    resolved: Option<(&Backend, &ConnectSettings)>,
) -> Result<(), c_int> {
    let conf = conf.as_ptr();
    // SAFETY: mod_proxy's configuration is live and constant; the list is never null.
    if unsafe { (*(*conf).noproxies).nelts } == 0 {
        return Ok(());
    }
    let pool = request.pool();
    let host_text = pool.copy(host);
    let mut address = std::ptr::null_mut();
    // A name that cannot be resolved fails later, when connecting.
    let first = resolved.and_then(|(backend, settings)| {
        let first = *backend.resolve(settings.address_ttl).ok()?.first()?;
        Some((first, CString::new(first.ip().to_string()).ok()?))
    });
    if let Some((first, ip)) = first {
        // SAFETY: the pool is the request's; the text is a numeric address, so nothing is looked
        // up; a failure leaves the pointer null.
        unsafe {
            sys::apr_sockaddr_info_get(
                &raw mut address,
                ip.as_ptr(),
                sys::APR_UNSPEC as i32,
                first.port(),
                0,
                pool.as_ptr(),
            );
        }
    }
    // SAFETY: request and configuration are live; strings and address are in the request's pool.
    unsafe {
        if sys::ajp_shim_checkproxyblock(request.as_ptr(), conf, host_text, address) == 0 {
            return Ok(());
        }
        Err(sys::ap_proxyerror(
            request.as_ptr(),
            sys::HTTP_FORBIDDEN as c_int,
            c"Connect to remote machine blocked".as_ptr(),
        ))
    }
}
