//! A packet that does not fit where the exchange stands.

use crate::protocol::CodecError;

/// Why an exchange cannot go on. All but [`BodyNotAskedFor`](Self::BodyNotAskedFor) are the
/// container's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// A packet came behind END_RESPONSE.
    #[error("a packet after END_RESPONSE")]
    AfterEnd,
    /// Content-Length is no number, or there are two that differ.
    #[error("a Content-Length that is no number, or two that differ")]
    BadContentLength,
    /// GET_BODY_CHUNK came although the body's end has been sent.
    #[error("GET_BODY_CHUNK after the end of the request body")]
    BodyAskedForAfterEnd,
    /// GET_BODY_CHUNK came although a body packet was already on its way.
    #[error("GET_BODY_CHUNK while a body packet was due already")]
    BodyAskedForTwice,
    /// SEND_BODY_CHUNK came with data before SEND_HEADERS.
    #[error("SEND_BODY_CHUNK before SEND_HEADERS")]
    BodyBeforeHeaders,
    /// We were about to send a body packet that nobody had asked for.
    #[error("a body packet of {length} bytes that was not asked for")]
    BodyNotAskedFor {
        /// Bytes of data in it.
        length: usize,
    },
    /// GET_BODY_CHUNK asked for 0 bytes, which cannot be told from the end of the body.
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
    /// The body is longer or shorter than Content-Length said.
    #[error("a body of {received} bytes where Content-Length said {announced}")]
    LengthMismatch {
        /// What Content-Length said.
        announced: u64,
        /// Bytes received up to where it showed.
        received: u64,
    },
    /// Interim responses without end.
    #[error("more than 100 interim responses")]
    TooManyInterims,
    /// CPONG came in the middle of a response.
    #[error("CPONG in a response")]
    UnexpectedCPong,
}
