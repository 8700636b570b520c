//! The body of a response that is made here, on its way to the client.

use std::{fmt, io};

use crate::ffi::httpd::request::Request;

/// Passes what is written to it on in pieces of some kilobytes, so that a long body is never held as a
/// whole. httpd waits for the client before it takes more.
///
/// Writing fails once the client is gone, and at once where the client wants only the headers.
#[derive(Debug)]
pub(crate) struct ResponseBody<'r> {
    request: Request<'r>,
    piece: Vec<u8>,
    is_wanted: bool,
}

/// The size of a piece: it fills a few network packets, and a brigade takes it without growing.
const PIECE: usize = 16 * 1024;

impl<'r> ResponseBody<'r> {
    /// Begins the body of this request's response, whose headers are set.
    pub(crate) fn begin(request: Request<'r>) -> Self {
        Self { request, piece: Vec::new(), is_wanted: !request.is_header_only() }
    }

    /// Passes the last piece on.
    pub(crate) fn end(mut self) {
        self.pass();
    }

    fn pass(&mut self) {
        self.is_wanted = self.is_wanted && self.request.write(&self.piece);
        self.piece.clear();
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if !self.is_wanted {
            return Err(Gone);
        }
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.pass();
        }
        Ok(())
    }
}

/// Nobody reads the rest.
struct Gone;

impl fmt::Write for ResponseBody<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes()).map_err(|Gone| fmt::Error)
    }
}

impl io::Write for ResponseBody<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.add(bytes).map_err(|Gone| io::ErrorKind::BrokenPipe.into());
        done.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
