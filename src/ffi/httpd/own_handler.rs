//! What a handler of ours reads of a request, and sends.

use std::ffi::{CStr, c_int};

use crate::ffi::apr::text;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;

impl<'r> Request<'r> {
    /// Sets the content type of the response.
    pub(crate) fn set_content_type(self, kind: &'static CStr) {
        // SAFETY: the request is live, the text static.
        unsafe { sys::ap_set_content_type(self.as_ptr(), kind.as_ptr()) };
    }

    /// Sends bytes of a response made here. `false`: the client is gone.
    pub(crate) fn write(self, bytes: &[u8]) -> bool {
        bytes.chunks(1 << 20).all(|piece| {
            // SAFETY: the request is live; the bytes are read during the call.
            let sent = unsafe {
                sys::ap_rwrite(piece.as_ptr().cast(), piece.len() as c_int, self.as_ptr())
            };
            sent >= 0
        })
    }

    /// Reads the whole body, for a handler of ours.
    ///
    /// # Errors
    /// The status to answer with: it is longer than `most`, or cannot be read.
    pub(crate) fn read_body(self, most: usize) -> Result<Vec<u8>, c_int> {
        let mut body = Vec::new();
        // SAFETY: the request is live and has no body reader yet.
        unsafe {
            let policy = sys::REQUEST_CHUNKED_DECHUNK as c_int;
            let status = sys::ap_setup_client_block(self.as_ptr(), policy);
            if status != sys::OK as c_int {
                return Err(status);
            }
            if sys::ap_should_client_block(self.as_ptr()) == 0 {
                return Ok(body);
            }
        }
        let mut piece = [0_u8; 2048];
        loop {
            // SAFETY: the buffer has the length that is said.
            let count = unsafe {
                let start = piece.as_mut_ptr().cast();
                sys::ap_get_client_block(self.as_ptr(), start, piece.len() as _)
            };
            match usize::try_from(count) {
                Ok(0) => return Ok(body),
                Ok(count) => body.extend_from_slice(&piece[..count.min(piece.len())]),
                Err(_) => return Err(sys::HTTP_BAD_REQUEST as c_int),
            }
            if body.len() > most {
                return Err(sys::HTTP_REQUEST_ENTITY_TOO_LARGE as c_int);
            }
        }
    }

    /// The handler that the configuration names for it.
    pub(crate) fn handler(self) -> Option<&'r [u8]> {
        // SAFETY: null, or a string of the configuration or of the request's pool.
        unsafe { text::bytes((*self.as_ptr()).handler) }
    }
}
