//! The progress of a request.

/// The progress of one request over one connection, from no connection to a response that the client
/// has seen. Later phases are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No connection yet.
    Connect,
    /// FORWARD_REQUEST was not completely written: the backend cannot have acted on it.
    Request,
    /// FORWARD_REQUEST was written, and no part of a response has come.
    FirstByte,
    /// A part of the response has come, but not SEND_HEADERS.
    Headers,
    /// SEND_HEADERS has come, and no part of a body: the client has been told of neither.
    HeadersOnly,
    /// The client has been told of the response.
    Body,
}

impl Phase {
    /// Whether a part of the response has come.
    #[must_use]
    pub fn is_answered(self) -> bool {
        match self {
            Self::Connect | Self::Request | Self::FirstByte => false,
            Self::Headers | Self::HeadersOnly | Self::Body => true,
        }
    }

    /// The phase in the words of a log line.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Request => "sending the request",
            Self::FirstByte => "waiting for the response",
            Self::Headers => "reading the response headers",
            Self::HeadersOnly => "waiting for the response body",
            Self::Body => "reading the response body",
        }
    }
}
