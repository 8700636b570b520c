//! The client's request body: read from httpd's input filters, piece by piece, not copied.

use std::collections::VecDeque;
use std::ffi::c_int;

use crate::ffi::httpd::patience::Patience;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;
use crate::proxy::{BodyPiece, ClientError};

/// Reads a request body. The bytes stay in httpd's buckets.
///
/// Kept with the request over several attempts: each method gets the request again, which is always
/// the one it was made for.
pub(crate) struct Body {
    /// Belongs to the request's pool, which destroys it; null until something is read.
    brigade: *mut sys::apr_bucket_brigade,
    /// The bytes that the brigade holds beyond the current piece.
    ahead: VecDeque<Slice>,
    piece: Vec<Slice>,
    ended: bool,
    /// An error that was met while reading ahead: httpd's filters report it once, and from then on the
    /// end of the body.
    failed: Option<sys::apr_status_t>,
    /// The bytes that Content-Length announced and that have not arrived yet; `None` without a valid
    /// Content-Length.
    missing: Option<u64>,
}

/// Bytes of a bucket in the brigade, which stay in place until the brigade is cleaned.
#[derive(Clone, Copy)]
struct Slice {
    start: *const u8,
    len: usize,
}

impl Body {
    /// `announced`: the Content-Length, if there is one.
    pub(crate) fn new(announced: Option<u64>) -> Self {
        let (brigade, ahead, piece) = (std::ptr::null_mut(), VecDeque::new(), Vec::new());
        Self { brigade, ahead, piece, ended: false, failed: None, missing: announced }
    }

    /// Whether reading has begun.
    pub(crate) fn has_begun(&self) -> bool {
        !self.brigade.is_null()
    }

    /// Whether the client has sent all of it, as far as is known: no further read would wait.
    pub(crate) fn is_read(&self) -> bool {
        self.ended || self.missing == Some(0)
    }

    /// The next piece, of 1 to `at_most` bytes; 0 at the end.
    pub(crate) fn read(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<BodyPiece, ClientError> {
        self.piece.clear();
        let mut patience = Patience::default();
        let was_awaited = self.ahead.is_empty() && !self.ended;
        while self.ahead.is_empty() && !self.ended {
            if let Some(status) = self.failed {
                return Err(refused(request, status));
            }
            self.fetch(request, at_most, sys::apr_read_type_e_APR_BLOCK_READ)
                .map_err(|status| refused(request, status))?;
            if self.ahead.is_empty() && !self.ended {
                patience.wait(request)?;
            }
        }
        let mut room = at_most;
        while room > 0 {
            let Some(slice) = self.ahead.front_mut() else { break };
            let len = slice.len.min(room);
            self.piece.push(Slice { start: slice.start, len });
            room -= len;
            if len == slice.len {
                self.ahead.pop_front();
            } else {
                // SAFETY: len is below slice.len, so this stays inside the bucket's bytes.
                slice.start = unsafe { slice.start.add(len) };
                slice.len -= len;
            }
        }
        let len = at_most - room;
        if request.headers_in().get(c"Content-Length").is_none() {
            // An input filter changes the body, and has taken its length away while reading.
            self.missing = None;
        }
        match &mut self.missing {
            Some(missing) if len == 0 && *missing > 0 => {
                Err(ClientError::BodyTooShort { missing: *missing })
            }
            Some(missing) => {
                *missing = missing.saturating_sub(len as u64);
                Ok(BodyPiece { len, was_awaited })
            }
            None => Ok(BodyPiece { len, was_awaited }),
        }
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
        if is_plain && self.ahead.is_empty() && !self.ended && self.failed.is_none() {
            self.piece.clear();
            match self.fetch(request, at_most, sys::apr_read_type_e_APR_NONBLOCK_READ) {
                Ok(()) | Err(NOTHING_YET) => {}
                Err(status) => {
                    self.failed = Some(status);
                    if status == sys::AP_FILTER_ERROR {
                        return Err(refused(request, status));
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the bytes that were read to the input filters, so that another module can read them:
    /// none of them has been sent.
    pub(crate) fn put_back(&mut self, request: Request<'_>) {
        self.unread();
        self.ahead.clear();
        let brigade = std::mem::replace(&mut self.brigade, std::ptr::null_mut());
        if !brigade.is_null() {
            self.ended = false;
            // SAFETY: the request is live and this thread serves it; the brigade is of its pool, all
            // that was read lies in it, and nothing here points to it any more.
            unsafe { sys::ajp_shim_put_back(request.as_ptr(), brigade) };
        }
    }

    /// Puts the current piece back, to be read again: it has not reached a backend.
    pub(crate) fn unread(&mut self) {
        for slice in self.piece.drain(..).rev() {
            if let Some(missing) = &mut self.missing {
                *missing += slice.len as u64;
            }
            self.ahead.push_front(slice);
        }
    }

    /// The current piece.
    pub(crate) fn piece(&self) -> Vec<&[u8]> {
        // SAFETY: each slice lies in a bucket of the brigade, which is cleaned only by `fetch`
        // (which takes &mut self) and with the request's pool, which outlives every use.
        self.piece.iter().map(|s| unsafe { std::slice::from_raw_parts(s.start, s.len) }).collect()
    }

    /// Asks the input filters for more; a blocking read waits until there is some.
    fn fetch(
        &mut self,
        request: Request<'_>,
        at_most: usize,
        kind: sys::apr_read_type_e,
    ) -> Result<(), sys::apr_status_t> {
        // SAFETY: pool, allocator, brigade and filters are the request's own, on its thread. No slice
        // is in use: `ahead` is empty and `piece` has been cleared.
        let status = unsafe {
            if self.brigade.is_null() {
                let allocator = (*request.connection()).bucket_alloc;
                self.brigade = sys::apr_brigade_create(request.pool().as_ptr(), allocator);
            } else {
                sys::apr_brigade_cleanup(self.brigade.cast());
            }
            sys::ap_get_brigade(
                (*request.as_ptr()).input_filters,
                self.brigade,
                sys::ap_input_mode_t_AP_MODE_READBYTES,
                kind,
                i64::try_from(at_most).unwrap_or(i64::MAX),
            )
        };
        if status != sys::APR_SUCCESS as c_int {
            return Err(status);
        }
        let mut cursor = std::ptr::null_mut();
        loop {
            let (mut data, mut len, mut status) = (std::ptr::null(), 0, 0);
            // SAFETY: the brigade is live; the shim fills in the other places.
            let kind = unsafe {
                sys::ajp_shim_next_bucket(
                    self.brigade,
                    &raw mut cursor,
                    &raw mut data,
                    &raw mut len,
                    &raw mut status,
                )
            };
            match kind as u32 {
                sys::AJP_SHIM_BUCKET_END => return Ok(()),
                sys::AJP_SHIM_BUCKET_DATA if len > 0 => {
                    self.ahead.push_back(Slice { start: data.cast(), len });
                }
                sys::AJP_SHIM_BUCKET_EOS => {
                    self.ended = true;
                    return Ok(());
                }
                sys::AJP_SHIM_BUCKET_FAILED => return Err(status),
                _ => {}
            }
        }
    }
}

/// APR's status for a socket's errno is the errno itself.
const NOTHING_YET: sys::apr_status_t = libc::EAGAIN;

/// Maps a failure to read a body to the client's error.
pub(crate) fn refused(request: Request<'_>, status: sys::apr_status_t) -> ClientError {
    if request.is_aborted() {
        return ClientError::Gone;
    }
    // SAFETY: a pure function of httpd's.
    let status = unsafe { sys::ap_map_http_request_error(status, sys::HTTP_BAD_REQUEST as c_int) };
    match u16::try_from(status) {
        Ok(status) if status >= 400 => ClientError::BodyRefused { status },
        _ => ClientError::Answered,
    }
}
