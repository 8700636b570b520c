//! The client's request body: read from httpd's input filters, piece by piece, not copied.

use std::collections::VecDeque;
use std::ffi::c_int;

use super::request::Request;
use super::sys;
use crate::proxy::{BodyPiece, ClientError};

/// Reads a request body. The bytes stay in httpd's buckets.
pub(super) struct Body<'r> {
    request: Request<'r>,
    brigade: *mut sys::apr_bucket_brigade,
    /// What the brigade holds beyond the present piece.
    ahead: VecDeque<Slice>,
    piece: Vec<Slice>,
    ended: bool,
    /// What a Content-Length announced and has not come yet.
    missing: u64,
}

/// Bytes of a bucket in the brigade, which stay in place until the brigade is cleaned.
#[derive(Clone, Copy)]
struct Slice {
    start: *const u8,
    len: usize,
}

impl<'r> Body<'r> {
    /// `announced`: the Content-Length, 0 where there is none.
    pub(super) fn new(request: Request<'r>, announced: u64) -> Self {
        // SAFETY: pool and allocator of the request's own connection, used by this thread alone.
        let brigade = unsafe {
            sys::apr_brigade_create(request.pool().as_ptr(), (*request.connection()).bucket_alloc)
        };
        let (ahead, piece) = (VecDeque::new(), Vec::new());
        Self { request, brigade, ahead, piece, ended: false, missing: announced }
    }

    /// The next piece, of 1 to `at_most` bytes; 0 at the end.
    pub(super) fn read(&mut self, at_most: usize) -> Result<BodyPiece, ClientError> {
        self.piece.clear();
        while self.ahead.is_empty() && !self.ended {
            self.fetch(at_most)?;
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
        if len == 0 && self.missing > 0 {
            return Err(ClientError::BodyTooShort { missing: self.missing });
        }
        self.missing = self.missing.saturating_sub(len as u64);
        Ok(BodyPiece { len })
    }

    /// The present piece.
    pub(super) fn piece(&self) -> Vec<&[u8]> {
        // SAFETY: each slice lies in a bucket of the brigade, which is cleaned only by `fetch`
        // (which takes &mut self) and by Drop.
        self.piece.iter().map(|s| unsafe { std::slice::from_raw_parts(s.start, s.len) }).collect()
    }

    /// The announced length does not hold: an input filter has changed the body.
    pub(super) fn forget_announced_length(&mut self) {
        self.missing = 0;
    }

    /// Asks the input filters for more; blocks until there is some.
    fn fetch(&mut self, at_most: usize) -> Result<(), ClientError> {
        // SAFETY: brigade and filters are the request's own, on its thread. No slice is in use:
        // `ahead` is empty and `piece` has been cleared.
        let status = unsafe {
            sys::apr_brigade_cleanup(self.brigade.cast());
            sys::ap_get_brigade(
                (*self.request.as_ptr()).input_filters,
                self.brigade,
                sys::ap_input_mode_t_AP_MODE_READBYTES,
                sys::apr_read_type_e_APR_BLOCK_READ,
                i64::try_from(at_most).unwrap_or(i64::MAX),
            )
        };
        if status != sys::APR_SUCCESS as c_int {
            return Err(self.refused(status));
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
                sys::AJP_SHIM_BUCKET_FAILED => return Err(self.refused(status)),
                _ => {}
            }
        }
    }

    fn refused(&self, status: sys::apr_status_t) -> ClientError {
        if self.request.is_aborted() {
            return ClientError::Gone;
        }
        // SAFETY: a pure function of httpd's.
        let status =
            unsafe { sys::ap_map_http_request_error(status, sys::HTTP_BAD_REQUEST as c_int) };
        match u16::try_from(status) {
            Ok(status) if status >= 400 => ClientError::BodyRefused { status },
            _ => ClientError::Answered,
        }
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `new` from the request's pool, which is still there; destroyed once.
        unsafe { sys::apr_brigade_destroy(self.brigade) };
    }
}
