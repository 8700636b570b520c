//! The other side of the proxy: the client, as httpd presents it.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::messages::Message;
use crate::protocol::{BufferSlice, SendHeaders};

/// The server through which a request came, as the proxy needs it.
pub trait Client {
    /// Reads the next piece of the request body, waiting for it; at most `at_most` bytes.
    ///
    /// The piece stays in memory, as [`body`](Self::body), until the next call, so that it can be
    /// sent again. `len` is 0 exactly at the end of the body.
    ///
    /// # Errors
    /// The client is gone, too slow, or its body is not as announced.
    fn read_body(&mut self, at_most: usize) -> Result<BodyPiece, ClientError>;

    /// Reads what there is of the next piece, without waiting; at most `at_most` bytes.
    ///
    /// Takes the place of [`read_body`](Self::read_body) where it finds anything. A failure shows at the
    /// next one that waits.
    ///
    /// # Errors
    /// The client has been answered: its body is not what it should be.
    fn read_now(&mut self, at_most: usize) -> Result<ReadyPiece, ClientError>;

    /// Puts the last `len` bytes of the piece back: they were not sent, and are read again, in front of
    /// what follows.
    fn put_back(&mut self, len: usize);

    /// The socket on which more of the body shows, after [`read_now`](Self::read_now) has found nothing;
    /// `None`: there is none that can be polled.
    fn body_socket(&self) -> Option<BorrowedFd<'_>>;

    /// Whether there is such a socket.
    fn can_be_polled(&self) -> bool {
        self.body_socket().is_some()
    }

    /// The longest wait for more of the body.
    fn patience(&self) -> Duration;

    /// Reads what is there of the next piece, at most `at_most` bytes, without waiting.
    ///
    /// The piece read last is dropped. A failure shows at the next [`read_body`](Self::read_body).
    ///
    /// # Errors
    /// The client has been answered already, because its body is invalid.
    fn read_ahead(&mut self, at_most: usize) -> Result<(), ClientError>;

    /// Reads what is there behind the piece read last, which stays, until `at_most` bytes lie behind it;
    /// without waiting.
    ///
    /// # Errors
    /// As of [`read_ahead`](Self::read_ahead).
    fn gather(&mut self, at_most: usize) -> Result<(), ClientError>;

    /// The piece read last, as it lies in memory.
    fn body(&self) -> impl ExactSizeIterator<Item = &[u8]>;

    /// Notes that the backend has sent a packet, and so is up.
    fn heard(&mut self) {}

    /// Takes status and headers of the final response; they need not be sent yet.
    ///
    /// # Errors
    /// This server cannot send them as a response.
    fn begin(&mut self, head: &SendHeaders) -> Result<(), ClientError>;

    /// Appends a piece of the response body for the next [`pass`](Self::pass).
    fn append(&mut self, data: BufferSlice);

    /// Appends a flush: everything appended so far is to reach the client.
    fn append_flush(&mut self);

    /// Appends the end of the response. With `is_early` it is to reach the client though there is more of
    /// the request body to come, which may wait for it.
    fn append_end(&mut self, is_early: bool);

    /// Passes on everything that has been appended.
    ///
    /// # Errors
    /// The client is gone, or a filter refused.
    fn pass(&mut self) -> Result<(), ClientError>;

    /// Whether any part of the response has been passed on. Then no other answer can be given.
    fn has_begun(&self) -> bool;

    /// Logs a line that is not about a failure of the request.
    fn note(&self, message: Message, text: std::fmt::Arguments<'_>);
}

/// One piece of the request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPiece {
    /// Bytes of data; 0 at the end.
    pub len: usize,
    /// Whether it had to be waited for: the client may have been slow.
    pub was_awaited: bool,
}

/// What there is of the next piece of the request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyPiece {
    /// Bytes of data; 0: none are there.
    pub len: usize,
    /// A read that waits would end at once: with data, at the end of the body, or with an error.
    pub is_settled: bool,
}

/// Why the client's side of the request cannot continue. Never the backend's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The client closed its connection.
    #[error("the client is gone")]
    Gone,
    /// The request body ended before its announced length.
    #[error("the request body ended {missing} bytes early")]
    BodyTooShort {
        /// Bytes announced but not sent.
        missing: u64,
    },
    /// httpd's input filters refused the body with this status (400, 408, 413, ...).
    #[error("the request body cannot be read, status {status}")]
    BodyRefused {
        /// An HTTP status of 400 or above.
        status: u16,
    },
    /// httpd's input filters deliver nothing of the request body, and give no reason.
    #[error("httpd's input filters delivered nothing of the request body within {after:?}")]
    BodyWithheld {
        /// The time allowed.
        after: Duration,
    },
    /// A filter has answered the client itself.
    #[error("a filter has answered the client itself")]
    Answered,
    /// An output filter failed although the client is there.
    #[error("an output filter failed with status {code}")]
    FilterFailed {
        /// APR's status.
        code: i32,
    },
}
