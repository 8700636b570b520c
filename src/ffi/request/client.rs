//! httpd's request as the proxy layer's client: body in, response out.

use std::ffi::c_int;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::exchange::RequestBody;
use crate::ffi::child::probe_guard::{self, ProbeGuard};
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::response_end;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::response;
use crate::ffi::request::response_progress::ResponseProgress;
use crate::ffi::state::request_state::Upload;
use crate::ffi::sys;
use crate::messages::Message;
use crate::protocol::{BufferSlice, SendHeaders};
use crate::proxy::{BodyPiece, Client, ClientError, PatientClient, ProbeResult, ReadyPiece};

/// One request of httpd's while a step of it is taken.
pub(crate) struct HttpdClient<'r> {
    request: Request<'r>,
    upload: &'r mut Upload,
    /// The probe, if this request finds out whether the worker has recovered.
    probe: &'r mut Option<ProbeGuard>,
    worker: Worker<'r>,
    response: &'r mut ResponseProgress,
}

impl<'r> HttpdClient<'r> {
    pub(crate) fn new(
        request: Request<'r>,
        upload: &'r mut Upload,
        probe: &'r mut Option<ProbeGuard>,
        worker: Worker<'r>,
        response: &'r mut ResponseProgress,
    ) -> Self {
        Self { request, upload, probe, worker, response }
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
        self.response.is_overridden.then(|| self.request.status())
    }

    /// Drops the backend's status and headers after a failure before anything was sent.
    pub(crate) fn withdraw(&self) {
        if self.response.has_headers {
            self.response.before.restore(self.request);
        }
    }

    /// Whether the backend has sent any part of a response.
    pub(crate) fn has_headers(&self) -> bool {
        self.response.has_headers
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
        self.upload.body.read(self.request, at_most)
    }

    fn read_now(&mut self, at_most: usize) -> Result<ReadyPiece, ClientError> {
        self.upload.body.read_now(self.request, at_most)
    }

    fn put_back(&mut self, len: usize) {
        self.upload.body.unread_last(len);
    }

    /// A stream of HTTP/2 has none of its own; a filter may hold back what the socket has given; and a client
    /// that expects 100 Continue sends nothing before httpd is told to wait.
    fn body_socket(&self) -> Option<BorrowedFd<'_>> {
        let request = self.request;
        let is_plain = !request.is_a_stream() && !request.has_content_input_filters();
        (is_plain && !request.expects_continue()).then(|| request.client_connection().socket())?
    }

    fn patience(&self) -> Duration {
        self.request.timeout()
    }

    fn read_ahead(&mut self, at_most: usize) -> Result<(), ClientError> {
        self.upload.body.read_ahead(self.request, at_most)
    }

    fn gather(&mut self, at_most: usize) -> Result<(), ClientError> {
        self.upload.body.gather(self.request, at_most)
    }

    fn body(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.upload.body.piece()
    }

    /// Ends the probe: other requests need not wait for the rest of the response, or of the request,
    /// which may take hours.
    fn heard(&mut self) {
        self.report_probe(ProbeResult::Recovered);
    }

    fn begin(&mut self, head: &SendHeaders) -> Result<(), ClientError> {
        self.response.has_headers = true;
        let before = &mut self.response.before;
        self.response.is_overridden = response::begin(self.request, head, before);
        Ok(())
    }

    fn append(&mut self, data: BufferSlice) {
        self.response.append(data);
    }

    fn append_flush(&mut self) {
        self.response.append_flush();
    }

    fn append_end(&mut self, is_early: bool) {
        self.response.append_end(is_early);
    }

    fn pass(&mut self) -> Result<(), ClientError> {
        if self.response.is_empty() && !self.response.flush_is_due {
            return Ok(());
        }
        self.begin_to_pass();
        let out = self.response.take_out();
        // SAFETY: brigade and filters are the request's own, on its thread.
        let status = unsafe { self.request.pass(out) };
        self.response.was_passed();
        self.flush_early_end();
        self.passed(status)
    }

    fn has_begun(&self) -> bool {
        self.response.has_begun
    }

    fn note(&self, message: Message, text: fmt::Arguments<'_>) {
        log::request(self.request, message, text);
    }
}

impl HttpdClient<'_> {
    /// Before the first of the response is handed over.
    fn begin_to_pass(&mut self) {
        if !self.response.has_begun {
            response::keep_whole(self.request);
            self.response.has_begun = true;
        }
    }

    /// Has a response that ends before its request leave at once: httpd reads the rest of the body before it
    /// sends what its filters have kept. A flush among the buckets would not do: behind the end of a
    /// response some filters pass nothing on. A stream of HTTP/2 keeps nothing.
    fn flush_early_end(&self) {
        let is_stream = self.request.is_a_stream();
        if self.response.is_early && self.response.is_empty() && !is_stream {
            self.request.client_connection().flush();
        }
    }

    fn passed(&self, status: sys::apr_status_t) -> Result<(), ClientError> {
        if status == 0 && !self.request.is_aborted() {
            Ok(())
        } else {
            Err(self.not_passed(status))
        }
    }
}

impl PatientClient for HttpdClient<'_> {
    fn has_sent_all(&self) -> bool {
        self.upload.kind == RequestBody::None || self.upload.body.is_read()
    }

    /// httpd's last filter waits for the client when it holds more than 64 KiB (FlushMaxThreshold), or
    /// meets a flush: neither happens here while it holds something.
    fn pass_some(&mut self) -> Result<bool, ClientError> {
        loop {
            if self.response.is_empty() && !self.response.flush_is_due {
                return Ok(true);
            }
            if self.response.passed_since_push >= MOST_HELD && self.push()? {
                return Ok(false);
            }
            if self.response.is_empty() {
                if self.push()? {
                    return Ok(false);
                }
                self.response.put_flush();
                return self.pass().map(|()| true);
            }
            self.begin_to_pass();
            let Some(part) = self.response.take_part(self.request, MOST_PASSED) else {
                return self.pass().map(|()| true);
            };
            // SAFETY: brigade and filters are the request's own, on its thread.
            let status = unsafe { self.request.pass(part) };
            self.response.part_was_passed();
            self.flush_early_end();
            self.passed(status)?;
        }
    }

    fn push(&mut self) -> Result<bool, ClientError> {
        let connection = self.request.client_connection();
        if !connection.has_unsent_output() {
            self.response.passed_since_push = 0;
            return Ok(false);
        }
        let status = connection.push_output();
        self.passed(status)?;
        let has_rest = connection.has_unsent_output();
        if !has_rest {
            self.response.passed_since_push = 0;
        }
        Ok(has_rest)
    }
}

/// Bytes that are passed to httpd's filters at once, and what they may hold before they are asked to send it:
/// together less than what has httpd's last filter wait.
const MOST_PASSED: usize = 24 * 1024;
const MOST_HELD: usize = 24 * 1024;
