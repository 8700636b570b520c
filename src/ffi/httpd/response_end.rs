//! The end of a response to the client: one that was cut cannot look complete, and a whole one stays
//! whole.

use std::ffi::c_int;

use crate::ffi::httpd::connection::Connection;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;

/// Cuts a response, so that it cannot look complete: HTTP/1 gets no last chunk, and the connection is
/// closed; HTTP/2 resets the stream. If nothing has been sent yet, the client gets a page for 502.
///
/// # Safety
/// The request's filters are not at work.
pub(crate) unsafe fn cut(request: Request<'_>) {
    let r = request.as_ptr();
    // SAFETY: the request, its connection and its filters are live, on this thread; the brigade is
    // of its pool, and destroyed once. ap_proxy_backend_broke appends two buckets.
    unsafe {
        let brigade = request.new_brigade();
        // mod_sed and LuaOutputFilter drop the error and pass the end on. So the filters that frame
        // the response are told first.
        if (*r).output_filters != (*r).proto_output_filters {
            sys::ap_proxy_backend_broke(r, brigade);
            sys::ajp_shim_delete_last(brigade);
            sys::ap_pass_brigade((*r).proto_output_filters, brigade);
            sys::apr_brigade_cleanup(brigade.cast());
        }
        // Unless a page for the error has been the answer, and its end has been sent.
        let whole = whole(r);
        if (*whole).eos_sent == 0 {
            reset_client(whole);
            sys::ap_proxy_backend_broke(r, brigade);
            sys::ap_pass_brigade((*r).output_filters, brigade);
        }
        sys::apr_brigade_destroy(brigade);
    }
}

/// The request of the page that this one is a piece of, or this one.
///
/// # Safety
/// `r` is the request that this thread serves.
unsafe fn whole(r: *mut sys::request_rec) -> *mut sys::request_rec {
    // SAFETY: null, or the live request that this one is a subrequest of.
    let main = |r: &*mut sys::request_rec| Some(unsafe { (**r).main }).filter(|r| !r.is_null());
    std::iter::successors(Some(r), main).last().unwrap_or(r)
}

/// Resets the client's connection. A response to HTTP/1.0, with neither length nor chunks, ends with
/// its connection; only a reset shows that it is incomplete.
///
/// # Safety
/// `r` is the request that this thread serves, or the one of its whole page.
unsafe fn reset_client(r: *mut sys::request_rec) {
    // SAFETY: the request and its connection are live; plain fields.
    unsafe {
        let connection = (*r).connection;
        let is_framed = !(*connection).master.is_null()
            || (*r).sent_bodyct == 0
            || (*r).chunked != 0
            || (*r).proto_num >= HTTP_1_1
            || Request::from_ptr(r).headers_out().get(c"Content-Length").is_some();
        if is_framed {
            return;
        }
        if let Some(descriptor) = Connection::from_ptr(connection).descriptor() {
            let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
            libc::setsockopt(
                descriptor,
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const at_once).cast(),
                size_of::<libc::linger>() as libc::socklen_t,
            );
        }
        (*connection).aborted = 1;
    }
}

/// httpd's number of HTTP/1.1 (`HTTP_VERSION`).
const HTTP_1_1: c_int = 1001;

/// Keeps httpd from cutting ranges out of this request's response.
///
/// The filter acts only on a response that comes whole in one brigade, and removes itself after the
/// first brigade in any case.
///
/// # Safety
/// As [`cut`].
pub(crate) unsafe fn keep_from_ranges(request: Request<'_>) {
    let r = request.as_ptr();
    // SAFETY: the request and its filters are live, on this thread; the handle is a constant of
    // httpd's.
    unsafe {
        let ranges = (&raw const sys::ap_byterange_filter_handle).read();
        let mut filter = (*r).output_filters;
        while !filter.is_null() && (*filter).frec != ranges {
            filter = (*filter).next;
        }
        // A subrequest has the filter of the page that includes it.
        if !filter.is_null() && (*filter).r == r {
            sys::ap_remove_output_filter(filter);
        }
    }
}
