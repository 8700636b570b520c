//! APR's socket addresses.

use crate::ffi::sys;

/// Returns the IP address of APR's record; `None` for null and for an address that is not IP.
///
/// # Safety
/// `address` is null or a live record.
pub(crate) unsafe fn ip(address: *const sys::apr_sockaddr_t) -> Option<std::net::IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: live, as the caller promises; ipaddr_ptr points to ipaddr_len bytes inside it.
    let bytes = unsafe {
        let (start, len) = ((*address).ipaddr_ptr, (*address).ipaddr_len);
        if start.is_null() {
            return None;
        }
        std::slice::from_raw_parts(start.cast::<u8>(), usize::try_from(len).unwrap_or(0))
    };
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(Into::into)
}
