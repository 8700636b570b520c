//! How far the response of a request has come: what lasts from one step of it to the next.

use smallvec::SmallVec;

use crate::ffi::apr::buckets;
use crate::ffi::httpd::request::Request;
use crate::ffi::request::response::Before;
use crate::ffi::sys;
use crate::protocol::BufferSlice;

/// The part of a response that has not been handed over, and what has been done so far. Lives no longer
/// than the request's pool, of which its brigades are.
#[derive(Debug)]
pub(crate) struct ResponseProgress {
    out: *mut sys::apr_bucket_brigade,
    /// A part of it on its way; null until one is taken.
    part: *mut sys::apr_bucket_brigade,
    /// The bytes that the buckets in `out` point to, until they have been passed on. A small response is
    /// one piece, for which nothing is allocated.
    held: SmallVec<[BufferSlice; 2]>,
    /// Buckets own their bytes: see [`append`](Self::append).
    gives_away: bool,
    /// The response as it was before the backend's headers.
    pub(crate) before: Before,
    /// SEND_HEADERS has been put into the response.
    pub(crate) has_headers: bool,
    /// ProxyErrorOverride: the backend's body goes nowhere.
    pub(crate) is_overridden: bool,
    /// Something has been handed over.
    pub(crate) has_begun: bool,
    /// The end of the response comes before that of the request.
    pub(crate) is_early: bool,
    /// The client is never waited for: a flush is kept back until all before it has left.
    is_patient: bool,
    /// There is such a flush.
    pub(crate) flush_is_due: bool,
    /// Bytes handed over since the last time that nothing of them was left in httpd's filters.
    pub(crate) passed_since_push: usize,
}

impl ResponseProgress {
    /// Nothing so far.
    pub(crate) fn new(request: Request<'_>, is_patient: bool) -> Self {
        Self {
            out: request.new_brigade(),
            part: std::ptr::null_mut(),
            held: SmallVec::new(),
            gives_away: request.is_a_stream(),
            before: Before::of(request),
            has_headers: false,
            is_overridden: false,
            has_begun: false,
            is_early: false,
            is_patient,
            flush_is_due: false,
            passed_since_push: 0,
        }
    }

    /// Appends a part of the body.
    ///
    /// Once it has been passed on, httpd's filters of a connection have either sent the bytes or copied the
    /// few that the client does not accept yet. A stream of HTTP/2 keeps them for another thread, and
    /// would copy them all; so there the buckets own their bytes.
    pub(crate) fn append(&mut self, data: BufferSlice) {
        if self.is_overridden {
            return;
        }
        if self.gives_away {
            // SAFETY: the brigade is ours, on the request's thread.
            unsafe { buckets::append(self.out, data) }
        } else {
            // SAFETY: as above; `held` keeps the bytes in place until the brigade is empty again.
            unsafe {
                sys::ajp_shim_append_transient(self.out, data.as_ptr().cast(), data.len());
            }
            self.held.push(data);
        }
    }

    pub(crate) fn append_flush(&mut self) {
        if self.is_overridden {
        } else if self.is_patient {
            self.flush_is_due = true;
        } else {
            self.put_flush();
        }
    }

    /// Appends a flush, whatever the client has taken.
    pub(crate) fn put_flush(&mut self) {
        self.flush_is_due = false;
        // SAFETY: the brigade is ours, on the request's thread.
        unsafe { sys::ajp_shim_append_flush(self.out) }
    }

    /// Appends the end. `is_early`: it comes before that of the request.
    pub(crate) fn append_end(&mut self, is_early: bool) {
        self.is_early = is_early;
        if !self.is_overridden {
            // SAFETY: as above.
            unsafe { sys::ajp_shim_append_eos(self.out) }
        }
    }

    /// Whether there is nothing to be handed over, but perhaps a flush.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: the brigade is ours, on the request's thread.
        unsafe { sys::ajp_shim_brigade_empty(self.out) != 0 }
    }

    /// All of it, to be passed on; then [`was_passed`](Self::was_passed).
    pub(crate) fn take_out(&mut self) -> *mut sys::apr_bucket_brigade {
        if self.flush_is_due {
            self.put_flush();
        }
        self.out
    }

    /// It has been passed on.
    pub(crate) fn was_passed(&mut self) {
        // SAFETY: the brigade is ours, on the request's thread.
        unsafe { sys::apr_brigade_cleanup(self.out.cast()) };
        self.held.clear();
    }

    /// At most so many bytes of it, to be passed on; then [`part_was_passed`](Self::part_was_passed).
    /// `None`: it cannot be divided.
    pub(crate) fn take_part(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Option<*mut sys::apr_bucket_brigade> {
        if self.part.is_null() {
            self.part = request.new_brigade();
        }
        let mut bytes = 0;
        // SAFETY: both brigades are ours, on the request's thread.
        unsafe {
            let most = i64::try_from(at_most).unwrap_or(i64::MAX);
            if sys::ajp_shim_move_front(self.out, most, self.part) != 0 {
                return None;
            }
            sys::apr_brigade_length(self.part, 0, &raw mut bytes);
        }
        self.passed_since_push += usize::try_from(bytes).unwrap_or(at_most);
        Some(self.part)
    }

    /// It has been passed on.
    pub(crate) fn part_was_passed(&mut self) {
        // SAFETY: the brigade is ours, on the request's thread.
        unsafe { sys::apr_brigade_cleanup(self.part.cast()) };
        if self.is_empty() {
            self.held.clear();
        }
    }
}

impl Drop for ResponseProgress {
    fn drop(&mut self) {
        // SAFETY: made in `new` and `take_part` from the request's pool, which is still there; each is
        // destroyed once, before the bytes that it points to.
        unsafe {
            sys::apr_brigade_destroy(self.out);
            if !self.part.is_null() {
                sys::apr_brigade_destroy(self.part);
            }
        }
    }
}
