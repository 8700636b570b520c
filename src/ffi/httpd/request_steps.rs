//! What httpd does with a request beside calling handlers: brigades through its filters, a step on another
//! thread, its end.

use std::ffi::c_int;

use crate::ffi::httpd::request::Request;
use crate::ffi::sys;

impl Request<'_> {
    /// Runs a step of a request that httpd's own thread has left, as httpd itself runs the first one
    /// (`ap_process_async_request`).
    pub(crate) fn on_this_thread<T>(self, step: impl FnOnce() -> T) -> T {
        let r = self.as_ptr();
        // SAFETY: the request, its connection and its lock, which httpd has made and let go of, are live
        // on this thread. Nobody unwinds through this: the steps have a guard of their own.
        unsafe {
            sys::ap_update_child_status(
                (*self.connection()).sbh.cast(),
                sys::SERVER_BUSY_WRITE as c_int,
                r,
            );
            let lock = (*r).invoke_mtx;
            if !lock.is_null() {
                sys::apr_thread_mutex_lock(lock);
            }
            let result = step();
            if !lock.is_null() {
                sys::apr_thread_mutex_unlock(lock);
            }
            result
        }
    }

    /// Ends it with a handler's status, as httpd does where a handler has returned it. It is gone then.
    pub(crate) fn end(self, status: c_int) {
        let r = self.as_ptr();
        // SAFETY: the request is live, on its thread, and nothing of it is used from here on.
        unsafe {
            if status != sys::OK as c_int && status != sys::DONE {
                // No error within an error: the handler's is the first.
                (*r).status = sys::HTTP_OK as c_int;
            }
            sys::ap_die(status, r);
            sys::ap_process_request_after_handler(r);
        }
    }

    /// An empty brigade of its pool.
    pub(crate) fn new_brigade(self) -> *mut sys::apr_bucket_brigade {
        // SAFETY: pool and allocator of the request's own connection, used by this thread alone.
        unsafe { sys::apr_brigade_create(self.pool().as_ptr(), (*self.connection()).bucket_alloc) }
    }

    /// Passes a brigade to its output filters.
    ///
    /// # Safety
    /// It is a live brigade, and the filters are not at work.
    pub(crate) unsafe fn pass(self, brigade: *mut sys::apr_bucket_brigade) -> sys::apr_status_t {
        // SAFETY: the filters are the request's own, on its thread; the caller vouches for the rest.
        unsafe { sys::ap_pass_brigade((*self.as_ptr()).output_filters, brigade) }
    }
}
