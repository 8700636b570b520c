//! Errors of an exchange: packets that may not come in its state.

use crate::protocol::CodecError;

/// Why an exchange cannot continue. All but [`BodyNotAskedFor`](Self::BodyNotAskedFor) are the
/// container's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// A packet came after END_RESPONSE.
    #[error("a packet after END_RESPONSE")]
    AfterEnd,
    /// Content-Length is not a number, or there are two that differ.
    #[error("a Content-Length that is not a number, or two that differ")]
    BadContentLength,
    /// GET_BODY_CHUNK came after the end of the body had been sent.
    #[error("GET_BODY_CHUNK after the end of the request body")]
    BodyAskedForAfterEnd,
    /// GET_BODY_CHUNK came while a body packet was already due.
    #[error("GET_BODY_CHUNK while a body packet was already due")]
    BodyAskedForTwice,
    /// SEND_BODY_CHUNK came with data before SEND_HEADERS.
    #[error("SEND_BODY_CHUNK before SEND_HEADERS")]
    BodyBeforeHeaders,
    /// We were about to send a body packet that had not been asked for.
    #[error("a body packet of {length} bytes that was not asked for")]
    BodyNotAskedFor {
        /// Bytes of data in it.
        length: usize,
    },
    /// GET_BODY_CHUNK asked for 0 bytes: the packet would be the end of the body.
    #[error("GET_BODY_CHUNK that asks for 0 bytes")]
    BodyOfNoLengthAskedFor,
    /// A packet cannot be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// END_RESPONSE came before SEND_HEADERS.
    #[error("END_RESPONSE without SEND_HEADERS")]
    EndWithoutHeaders,
    /// SEND_HEADERS came twice.
    #[error("SEND_HEADERS twice")]
    HeadersTwice,
    /// The body is longer or shorter than its Content-Length.
    #[error("a body of {received} bytes with a Content-Length of {announced}")]
    LengthMismatch {
        /// The Content-Length.
        announced: u64,
        /// Bytes received when the difference was found.
        received: u64,
    },
    /// There are too many interim responses.
    #[error("more than 100 interim responses")]
    TooManyInterims,
    /// CPONG came during a response.
    #[error("CPONG in a response")]
    UnexpectedCPong,
}
