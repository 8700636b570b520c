//! The AJP/1.3 codec: bytes to packets, packets to bytes, and nothing else.
//!
//! ```text
//! to the container    12 34 | length | 02 FORWARD_REQUEST …
//!                     12 34 | length | 0A CPING
//!                     12 34 | length | data length | data        request body, no type byte
//! from the container  41 42 | length | 03 SEND_BODY_CHUNK …
//!                     41 42 | length | 04 SEND_HEADERS …
//!                     41 42 | length | 05 END_RESPONSE …
//!                     41 42 | length | 06 GET_BODY_CHUNK …
//!                     41 42 | length | 09 CPONG
//! ```
//!
//! Numbers are big-endian; `length` is a u16 and counts what follows it. A string is a u16 length,
//! that many bytes and one `00` which the length does not count; a length of `FF FF` is the null
//! string, and no bytes follow it.
//!
//! # The contract of this layer
//!
//! * It knows no time, socket, log or source of random numbers; it imports `std` and `thiserror`,
//!   and `hmac` and `sha2` for the [`handshake`] of reverse connections.
//! * A container may send anything. Every decoder returns a [`CodecError`] for what breaks a rule,
//!   allocates no more than a small multiple of the bytes it was given, and never panics.
//! * Decoded packets are slices of the receive buffer: no body or header byte is copied.
//! * What can split a response (CR, LF, NUL and their like in a name, a value or the reason) is
//!   refused here, so that it depends on no check in an httpd older than us.
//!
//! # Sources
//!
//! *The Apache Tomcat Connectors – AJP Protocol Reference* (AJPv13) for the tables and layouts;
//! `org.apache.coyote.ajp` of Tomcat for what is sent and accepted today; `mod_proxy_ajp` of httpd
//! 2.4.68 for the order of fields and attributes. The packets in `tests/codec/golden/` were captured from
//! Tomcat 10.1.60 and mod_proxy_ajp 2.4.71.

#![forbid(unsafe_code)]

pub mod attribute;
pub mod body;
pub mod buffer_slice;
pub mod codes;
pub mod cping;
pub mod digits;
pub mod end_response;
pub mod error;
pub mod forward_request;
pub mod get_body_chunk;
pub mod handshake;
pub mod packet;
mod reader;
pub mod request_packet;
pub mod response;
mod scan;
pub mod send_body_chunk;
pub mod send_headers;
mod writer;

pub use attribute::Attribute;
pub use body::{EMPTY_BODY, data_header};
pub use buffer_slice::BufferSlice;
pub use codes::{Method, RequestHeader, ResponseHeader};
pub use cping::{CPING, padded_cping};
pub use digits::digits;
pub use end_response::EndResponse;
pub use error::{CodecError, EncodeError, Field};
pub use forward_request::{ForwardRequest, ReceivedRequest, RequestMethod};
pub use get_body_chunk::GetBodyChunk;
pub use packet::{Direction, HEADER_LEN, PacketSize, packet_len, split_packet};
pub use request_packet::{PacketAttributes, PacketHeaders};
pub use response::Response;
pub use scan::alphanumeric_or;
pub use send_body_chunk::SendBodyChunk;
pub use send_headers::{ResponseHeaderName, SendHeaders};
