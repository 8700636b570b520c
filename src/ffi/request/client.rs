//! httpd's request as the proxy layer's client: body in, response out.

use std::ffi::c_int;
use std::fmt;

use bytes::Bytes;

use crate::ffi::apr::buckets;
use crate::ffi::child::probe_guard::{self, ProbeGuard};
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::request_body::Body;
use crate::ffi::httpd::response_end;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::response::{self, Before};
use crate::ffi::sys;
use crate::protocol::SendHeaders;
use crate::proxy::{BodyPiece, Client, ClientError, Level, ProbeResult};

/// One request of httpd's while it is being proxied.
pub(crate) struct HttpdClient<'r> {
    request: Request<'r>,
    body: &'r mut Body,
    /// The probe, if this request finds out whether the worker has recovered.
    probe: &'r mut Option<ProbeGuard>,
    worker: Worker<'r>,
    out: *mut sys::apr_bucket_brigade,
    /// The bytes that the buckets in `out` point to, until they have been passed on.
    held: Vec<Bytes>,
    /// Whether buckets own their bytes: see [`append`](Client::append).
    gives_away: bool,
    before: Before<'r>,
    /// Whether SEND_HEADERS has been put into the response.
    has_headers: bool,
    /// Whether the backend's body is dropped, because of ProxyErrorOverride.
    is_overridden: bool,
    has_begun: bool,
}

impl<'r> HttpdClient<'r> {
    pub(crate) fn new(
        request: Request<'r>,
        body: &'r mut Body,
        probe: &'r mut Option<ProbeGuard>,
        worker: Worker<'r>,
    ) -> Self {
        // SAFETY: pool and allocator of the request's own connection, used by this thread alone.
        let out = unsafe {
            sys::apr_brigade_create(request.pool().as_ptr(), (*request.connection()).bucket_alloc)
        };
        let before = Before::of(request);
        Self {
            request,
            body,
            probe,
            worker,
            out,
            held: Vec::new(),
            gives_away: request.is_a_stream(),
            before,
            has_headers: false,
            is_overridden: false,
            has_begun: false,
        }
    }

    /// Reports what the request has found out about the worker, if it is the worker's probe and has
    /// reported nothing before.
    pub(crate) fn report_probe(&mut self, result: ProbeResult) {
        probe_guard::end(self.probe, self.worker, result);
    }

    /// Whether the request is the worker's probe, without a result so far.
    pub(crate) fn is_probe(&self) -> bool {
        probe_guard::is_probe(self.probe.as_ref(), self.worker)
    }

    /// The error status that httpd is to answer in place of the backend, if it overrides the response.
    pub(crate) fn overridden(&self) -> Option<c_int> {
        self.is_overridden.then(|| self.request.status())
    }

    /// Drops the backend's status and headers after a failure before anything was sent.
    pub(crate) fn withdraw(&self) {
        if self.has_headers {
            self.before.restore(self.request);
        }
    }

    /// Whether the backend has sent any part of a response.
    pub(crate) fn has_headers(&self) -> bool {
        self.has_headers
    }

    /// Tells httpd's filters that the backend failed after the response had begun, so that the part
    /// that has been sent cannot look complete to the client.
    pub(crate) fn cut(&self) {
        cut(self.request);
    }
}

/// As [`HttpdClient::cut`], for a request whose client is gone.
pub(crate) fn cut(request: Request<'_>) {
    // SAFETY: the request is live, on its thread, and its filters are not at work.
    unsafe { response_end::cut(request) }
}

impl HttpdClient<'_> {
    /// The error of a pass that failed. Only the connection itself shows that the client is gone: a
    /// filter may fail with a socket error of its own (of a program that it writes to, say), and the
    /// part that it has passed on must not look complete.
    #[cold]
    fn not_passed(&self, status: sys::apr_status_t) -> ClientError {
        match status {
            _ if self.request.is_aborted() => ClientError::Gone,
            sys::AP_FILTER_ERROR => ClientError::Answered,
            code => ClientError::FilterFailed { code },
        }
    }
}

impl Client for HttpdClient<'_> {
    fn read_body(&mut self, at_most: usize) -> Result<BodyPiece, ClientError> {
        self.body.read(self.request, at_most)
    }

    fn read_ahead(&mut self, at_most: usize) -> Result<(), ClientError> {
        self.body.read_ahead(self.request, at_most)
    }

    fn body(&self) -> Vec<&[u8]> {
        self.body.piece()
    }

    /// Ends the probe: other requests need not wait for the rest of the response, or of the request,
    /// which may take hours.
    fn heard(&mut self) {
        self.report_probe(ProbeResult::Recovered);
    }

    fn begin(&mut self, head: &SendHeaders) -> Result<(), ClientError> {
        self.has_headers = true;
        self.is_overridden = response::begin(self.request, head, self.before);
        Ok(())
    }

    /// When `pass` returns, httpd's filters of a connection have either sent the bytes or copied the
    /// few that the client does not accept yet. A stream of HTTP/2 keeps them for another thread, and
    /// would copy them all; so there the buckets own their bytes.
    fn append(&mut self, data: Bytes) {
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

    fn append_flush(&mut self) {
        if !self.is_overridden {
            // SAFETY: as above.
            unsafe { sys::ajp_shim_append_flush(self.out) }
        }
    }

    fn append_end(&mut self) {
        if !self.is_overridden {
            // SAFETY: as above.
            unsafe { sys::ajp_shim_append_eos(self.out) }
        }
    }

    fn pass(&mut self) -> Result<(), ClientError> {
        // SAFETY: as above.
        if unsafe { sys::ajp_shim_brigade_empty(self.out) } != 0 {
            return Ok(());
        }
        if !self.has_begun {
            response::keep_whole(self.request);
            self.has_begun = true;
        }
        // SAFETY: brigade and filters are the request's own, on its thread.
        let status = unsafe {
            let status = sys::ap_pass_brigade((*self.request.as_ptr()).output_filters, self.out);
            sys::apr_brigade_cleanup(self.out.cast());
            status
        };
        self.held.clear();
        if status == 0 && !self.request.is_aborted() {
            Ok(())
        } else {
            Err(self.not_passed(status))
        }
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn note(&self, level: Level, text: fmt::Arguments<'_>) {
        log::request(self.request, level.into(), text);
    }
}

impl Drop for HttpdClient<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `new` from the request's pool, which is still there; destroyed once.
        unsafe { sys::apr_brigade_destroy(self.out) };
    }
}
