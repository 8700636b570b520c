//! A request that is ready to be sent, before a connection is taken.

use crate::exchange::{RequestBody, RequestFacts};
use crate::protocol::{EncodeError, digits};

/// A FORWARD_REQUEST, and the facts about its body.
#[derive(Debug)]
pub struct Prepared {
    /// The whole packet.
    pub packet: Vec<u8>,
    /// How the body is announced, and whether this is HEAD.
    pub facts: RequestFacts,
    /// Whether it may be executed twice without harm (RFC 9110 9.2.2). A query string changes nothing.
    pub is_idempotent: bool,
    /// The body's Content-Length, if it has a valid one.
    pub length: Option<u64>,
    /// The length of the first body piece, which the client has read already; `None`: no piece has been
    /// asked for.
    pub first_piece: Option<usize>,
    /// Bytes of path and query, for the status of a packet that is too large.
    pub path_len: usize,
}

impl Prepared {
    /// The client's status if the backend accepts `limit` bytes and the packet is larger: 414 if path
    /// and query are too large by themselves, or most of it; else 431.
    #[must_use]
    pub fn too_large_status(&self, limit: usize) -> u16 {
        if self.path_len > limit || self.path_len * 2 > self.packet.len() { 414 } else { 431 }
    }
}

/// The request itself is at fault: it is not sent to any backend, and no member's state changes.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It does not fit in a packet, or has a value that AJP cannot carry.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Its body is announced in a way that cannot be trusted.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl RequestError {
    /// The status for the client: 414 if the path is too long, 431 if the headers are, 400 for the
    /// rest.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Encode(EncodeError::TooLarge { path, headers, attributes, .. }) => {
                if path >= headers && path >= attributes {
                    414
                } else if headers >= attributes {
                    431
                } else {
                    400
                }
            }
            Self::Encode(
                EncodeError::TooManyHeaders { .. } | EncodeError::StringTooLong { .. },
            ) => 431,
            Self::Encode(_) | Self::Body(_) => 400,
        }
    }
}

/// A Transfer-Encoding or Content-Length that a backend could read differently from this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A Transfer-Encoding that is not exactly `chunked`.
    #[error("the request has a Transfer-Encoding other than \"chunked\"")]
    TransferEncoding,
    /// Both Transfer-Encoding and Content-Length.
    #[error("the request has both Transfer-Encoding and Content-Length")]
    Both,
    /// A Content-Length that has other characters than digits.
    #[error("the request has a Content-Length that is not a number")]
    ContentLength,
}

/// Reads how the request announces its body, and its length if there is one.
///
/// `indeterminate` says that httpd knows of a body without either header (HTTP/2).
///
/// # Errors
/// A request that a backend might understand differently never reaches it (request smuggling; RFC 9112
/// 6.1 and 6.3).
pub fn body_of(
    transfer_encoding: Option<&[u8]>,
    content_length: Option<&[u8]>,
    indeterminate: bool,
) -> Result<(RequestBody, u64), BodyError> {
    match (transfer_encoding, content_length) {
        (Some(_), Some(_)) => Err(BodyError::Both),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
            Ok((RequestBody::OnRequest, 0))
        }
        (Some(_), None) => Err(BodyError::TransferEncoding),
        (None, Some(length)) => match length_of(length) {
            None => Err(BodyError::ContentLength),
            Some(0) => Ok((RequestBody::None, 0)),
            Some(length) => Ok((RequestBody::Announced, length)),
        },
        (None, None) if indeterminate => Ok((RequestBody::OnRequest, 0)),
        (None, None) => Ok((RequestBody::None, 0)),
    }
}

fn length_of(value: &[u8]) -> Option<u64> {
    // One bit less than what u64 holds: httpd counts in signed numbers.
    digits(value).filter(|length| *length <= i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_announced_by_exactly_one_header() {
        assert_eq!(body_of(None, None, false), Ok((RequestBody::None, 0)));
        assert_eq!(body_of(None, None, true), Ok((RequestBody::OnRequest, 0)));
        assert_eq!(body_of(None, Some(b"0"), false), Ok((RequestBody::None, 0)));
        assert_eq!(body_of(None, Some(b"17"), false), Ok((RequestBody::Announced, 17)));
        assert_eq!(body_of(Some(b"Chunked"), None, false), Ok((RequestBody::OnRequest, 0)));
    }

    #[test]
    fn a_request_that_does_not_fit_is_refused_for_its_largest_part() {
        let status = |path, headers, attributes| {
            let (total, limit) = (path + headers + attributes, 8192);
            let error = EncodeError::TooLarge { total, limit, path, headers, attributes };
            RequestError::from(error).status()
        };
        assert_eq!(status(9000, 100, 100), 414);
        assert_eq!(status(100, 9000, 100), 431);
        assert_eq!(status(100, 100, 9000), 400);
        let many = EncodeError::TooManyHeaders { count: 70_000 };
        assert_eq!(RequestError::from(many).status(), 431);
        assert_eq!(RequestError::from(BodyError::Both).status(), 400);
    }

    #[test]
    fn a_packet_that_the_backend_does_not_take_is_refused_for_its_path_or_its_headers() {
        let prepared = |path_len, packet| Prepared {
            packet: vec![0; packet],
            facts: RequestFacts { body: RequestBody::None, is_head: false },
            is_idempotent: true,
            length: None,
            first_piece: None,
            path_len,
        };
        assert_eq!(prepared(8200, 20_000).too_large_status(8192), 414, "it alone is too large");
        assert_eq!(prepared(6000, 9000).too_large_status(8192), 414, "it is most of it");
        assert_eq!(prepared(100, 9000).too_large_status(8192), 431);
    }

    #[test]
    fn a_body_that_two_servers_could_read_differently_is_refused() {
        assert_eq!(body_of(Some(b"chunked"), Some(b"3"), false), Err(BodyError::Both));
        for coding in [&b"gzip, chunked"[..], b"chunked ", b"chunked, chunked", b"identity", b""] {
            assert_eq!(body_of(Some(coding), None, false), Err(BodyError::TransferEncoding));
        }
        for length in [&b""[..], b"+1", b"-1", b"1, 1", b" 1", b"0x10", b"9223372036854775808"] {
            assert_eq!(body_of(None, Some(length), false), Err(BodyError::ContentLength));
        }
    }
}
