//! The client's request body: read from httpd's input filters, piece by piece, not copied.

use std::ffi::c_int;

use crate::ffi::httpd::body_buckets::BodyBuckets;
use crate::ffi::httpd::patience::Patience;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;
use crate::proxy::{BodyPiece, ClientError, ReadyPiece};

/// Reads a request body. The bytes stay in httpd's buckets.
///
/// Kept with the request over several attempts: each method gets the request again, which is always
/// the one it was made for.
pub(crate) struct Body {
    buckets: BodyBuckets,
    /// An error that was met while reading ahead: httpd's filters report it once, and from then on the
    /// end of the body.
    failed: Option<sys::apr_status_t>,
    /// The bytes that Content-Length announced and that have not arrived yet; `None` without a valid
    /// Content-Length.
    missing: Option<u64>,
    /// A filter may have taken Content-Length away: there is one that may change the body, or there was.
    may_lose_length: bool,
}

impl Body {
    /// `announced`: the Content-Length, if there is one.
    pub(crate) fn new(request: Request<'_>, announced: Option<u64>) -> Self {
        let may_lose_length = request.has_content_input_filters();
        Self { buckets: BodyBuckets::new(), failed: None, missing: announced, may_lose_length }
    }

    /// Whether reading has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.buckets.has_begun()
    }

    /// Whether it has the length that the client announced: no input filter has taken it away.
    pub(crate) fn has_length(&self) -> bool {
        self.missing.is_some()
    }

    /// Whether the client has sent all of it, as far as is known: no further read would wait.
    pub(crate) fn is_read(&self) -> bool {
        self.buckets.has_ended() || self.missing == Some(0)
    }

    /// The next piece, of 1 to `at_most` bytes; 0 at the end.
    pub(crate) fn read(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<BodyPiece, ClientError> {
        self.buckets.drop_piece();
        let mut patience = Patience::default();
        let was_awaited = self.buckets.needs_fetch();
        while self.buckets.needs_fetch() {
            if let Some(status) = self.failed {
                return Err(refused(request, status));
            }
            self.buckets
                .fetch(request, at_most, sys::apr_read_type_e_APR_BLOCK_READ)
                .map_err(|status| refused(request, status))?;
            if self.buckets.needs_fetch() {
                patience.wait(request)?;
            }
        }
        let len = self.take(request, at_most);
        match self.missing {
            Some(missing) if len == 0 && missing > 0 => Err(ClientError::BodyTooShort { missing }),
            _ => Ok(BodyPiece { len, was_awaited }),
        }
    }

    /// The next piece, of what is there, without waiting: of several packets, where there is so much.
    ///
    /// # Errors
    /// A filter has found the body wrong and answered the client: nothing else can be answered.
    pub(crate) fn read_now(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<ReadyPiece, ClientError> {
        self.buckets.drop_piece();
        let held = self.hold(request, at_most);
        if held == 0 {
            self.unless_answered(request)?;
        }
        let len = self.take(request, at_most);
        Ok(ReadyPiece { len, is_settled: self.buckets.has_ended() || self.failed.is_some() })
    }

    /// Makes a piece of the first bytes that have been read.
    fn take(&mut self, request: Request<'_>, at_most: usize) -> usize {
        let len = self.buckets.take(at_most);
        self.may_lose_length |= request.has_content_input_filters();
        if self.may_lose_length && request.headers_in().get(c"Content-Length").is_none() {
            // An input filter changes the body, and has taken its length away while reading.
            self.missing = None;
        }
        if let Some(missing) = &mut self.missing {
            *missing = missing.saturating_sub(len as u64);
        }
        len
    }

    /// Reads what is there beyond the current piece, which is dropped; does not wait.
    ///
    /// # Errors
    /// A filter has found the body wrong and answered the client: nothing else can be answered.
    pub(crate) fn read_ahead(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<(), ClientError> {
        // A filter that changes the body need not be ready for a read that does not wait.
        let is_plain = !request.has_content_input_filters();
        if is_plain && self.buckets.needs_fetch() && self.failed.is_none() {
            self.buckets.drop_piece();
            match self.buckets.fetch(request, at_most, sys::apr_read_type_e_APR_NONBLOCK_READ) {
                Ok(()) | Err(NOTHING_YET) => {}
                Err(status) => self.failed = Some(status),
            }
        }
        self.unless_answered(request)
    }

    /// Reads what is there behind the current piece, which stays, until so many bytes lie there; does not
    /// wait.
    ///
    /// # Errors
    /// As of [`read_ahead`](Self::read_ahead).
    pub(crate) fn gather(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<(), ClientError> {
        self.hold(request, at_most);
        self.unless_answered(request)
    }

    /// Fails if a filter has found the body wrong and answered the client.
    fn unless_answered(&self, request: Request<'_>) -> Result<(), ClientError> {
        match self.failed {
            Some(sys::AP_FILTER_ERROR) => Err(refused(request, sys::AP_FILTER_ERROR)),
            _ => Ok(()),
        }
    }

    /// Has so many bytes lie behind the current piece, as far as they are there; returns how many do.
    fn hold(&mut self, request: Request<'_>, at_most: usize) -> usize {
        let mut held = self.buckets.len_ahead();
        // A filter that changes the body need not be ready for a read that does not wait.
        let is_plain = !request.has_content_input_filters();
        while is_plain && held < at_most && !self.buckets.has_ended() && self.failed.is_none() {
            match self.buckets.fetch_more(request, at_most - held) {
                Ok(0) | Err(NOTHING_YET) => break,
                Ok(more) => held += more,
                Err(status) => self.failed = Some(status),
            }
        }
        held
    }

    /// Returns the bytes that were read to the input filters, so that another module can read them:
    /// none of them has been sent.
    pub(crate) fn put_back(&mut self, request: Request<'_>) {
        self.unread();
        self.buckets.put_back(request);
    }

    /// Puts the last bytes of the present piece back, to be read again, in front of what follows.
    pub(crate) fn unread_last(&mut self, len: usize) {
        if let Some(missing) = &mut self.missing {
            *missing += len as u64;
        }
        self.buckets.unread_last(len);
    }

    /// Puts the current piece back, to be read again: it has not reached a backend.
    pub(crate) fn unread(&mut self) {
        self.unread_last(self.buckets.len());
    }

    /// The current piece.
    pub(crate) fn piece(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.buckets.piece()
    }
}

/// APR's status for a socket's errno is the errno itself.
const NOTHING_YET: sys::apr_status_t = libc::EAGAIN;

/// Maps a failure to read a body to the client's error.
pub(crate) fn refused(request: Request<'_>, status: sys::apr_status_t) -> ClientError {
    // httpd says so after a write alone.
    let connection = request.client_connection();
    if request.is_aborted() || connection.is_reset() {
        connection.abort();
        return ClientError::Gone;
    }
    // SAFETY: a pure function of httpd's.
    let status = unsafe { sys::ap_map_http_request_error(status, sys::HTTP_BAD_REQUEST as c_int) };
    match u16::try_from(status) {
        Ok(status) if status >= 400 => ClientError::BodyRefused { status },
        _ => ClientError::Answered,
    }
}
