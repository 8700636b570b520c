//! The status that a handler returns to httpd or mod_proxy.

use std::ffi::c_int;

use crate::ffi::httpd::request::Request;
use crate::ffi::sys;
use crate::proxy::Reply;

/// A handler's return value: an HTTP status, or one of httpd's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandlerStatus(pub(crate) c_int);

impl HandlerStatus {
    /// The return value for a reply. `has_headers`: the backend's status is in the response.
    pub(crate) fn of(request: Request<'_>, reply: Reply, has_headers: bool) -> Self {
        match reply {
            Reply::Status(status) => Self(status.into()),
            // mod_proxy's word for "try another".
            Reply::Elsewhere(_) => Self(sys::HTTP_SERVICE_UNAVAILABLE as c_int),
            Reply::Cut => Self(sys::DONE),
            Reply::Nothing => {
                if !has_headers {
                    // For the access log alone.
                    request.set_status(CLIENT_GONE, std::ptr::null());
                }
                Self(sys::DONE)
            }
            Reply::Answered => Self(sys::AP_FILTER_ERROR),
        }
    }
}

/// The client has closed the connection before the response began. No status of HTTP's own says so; nginx has
/// brought this one in, and programs that read access logs know it.
const CLIENT_GONE: c_int = 499;
