//! Errors of the codec: which rule is broken, in which field, with which number.

use std::fmt;

/// A packet that breaks a rule of AJP/1.3, or of HTTP where it carries HTTP.
///
/// After any of these the position in the byte stream is unreliable: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A packet starts with other bytes than its direction asks for. `found` as the first byte of
    /// all is a hint: `48` (`H`) is an HTTP server, `15` or `16` a TLS one.
    #[error(
        "byte {offset} of a packet is {found:#04x}, expected {expected:#04x}: the peer does not speak AJP, or the stream is out of step"
    )]
    BadMagic {
        /// Position in the packet: 0 or 1.
        offset: usize,
        /// The value that the direction asks for.
        expected: u8,
        /// The value that was there.
        found: u8,
    },
    /// The container sent a packet without a payload; its first byte would be the type.
    #[error("packet without a payload")]
    EmptyPacket,
    /// A packet size outside `8192..=65536`.
    #[error("a packet size of {bytes} bytes is not within 8192..=65536")]
    PacketSize {
        /// The size asked for, header included.
        bytes: usize,
    },
    /// A packet type that this side does not send, or not now.
    #[error("unknown packet type {code:#04x}")]
    UnknownType {
        /// First byte of the payload.
        code: u8,
    },
    /// A packet of the handshake out of order.
    #[error("step {found} of the handshake where step {expected} is due")]
    HandshakeStep {
        /// 1 hello, 2 challenge, 3 proof.
        expected: u8,
        /// Second byte of the payload.
        found: u8,
    },
    /// The payload ends inside a field.
    #[error("packet ends inside {field}: {needed} bytes needed, {left} left")]
    Truncated {
        /// The field that was being read.
        field: Field,
        /// Bytes the field needs.
        needed: usize,
        /// Bytes the payload still had.
        left: usize,
    },
    /// Bytes are left over after the last field.
    #[error("{left} bytes left over after {field}")]
    TrailingBytes {
        /// The last field of the packet.
        field: Field,
        /// How many bytes follow it.
        left: usize,
    },
    /// The byte after a string is not `00`, so its length is wrong.
    #[error("{field} is followed by {found:#04x}, not by NUL")]
    MissingNul {
        /// The string.
        field: Field,
        /// The byte in the place of the NUL.
        found: u8,
    },
    /// A null string (`FF FF`) where a value is required.
    #[error("{field} is the null string")]
    NullString {
        /// The string.
        field: Field,
    },
    /// A status code that HTTP cannot carry: it has three digits (RFC 9112, section 4).
    #[error("status {status} is not within 100..=999")]
    BadStatus {
        /// The number sent.
        status: u16,
    },
    /// A byte that must not be in this text: a control byte in the reason or a header value, or
    /// anything but a token character in a header name.
    #[error("byte {byte:#04x} at offset {offset} of {field}")]
    BadByte {
        /// The text.
        field: Field,
        /// Offset in the text, from 0.
        offset: usize,
        /// The byte.
        byte: u8,
    },
    /// A header with a name of no bytes.
    #[error("a header without a name")]
    EmptyHeaderName,
    /// A coded header name that AJP/1.3 does not define.
    #[error("unknown header code {code:#06x}")]
    UnknownHeaderCode {
        /// The code, `A000..=A0FF`.
        code: u16,
    },
    /// More headers are announced than the payload can hold.
    #[error("{count} headers announced, {left} bytes left")]
    TooManyHeaders {
        /// The number announced.
        count: u16,
        /// Bytes after it.
        left: usize,
    },
    /// The length in front of a chunk does not agree with the packet around it.
    #[error("a chunk of {stated} bytes in a packet with room for {room}")]
    ChunkLength {
        /// The length in front of the data.
        stated: usize,
        /// The space that packet length and framing leave for data.
        room: usize,
    },
    /// A request method code that AJP/1.3 does not define.
    #[error("unknown method code {code:#04x}")]
    UnknownMethod {
        /// The code.
        code: u8,
    },
    /// Method code `FF` without the attribute `0D`, which names the method.
    #[error("method code 0xff without a stored method")]
    NoStoredMethod,
    /// A request attribute code that AJP/1.3 does not define; its length is unknown too.
    #[error("unknown attribute code {code:#04x}")]
    UnknownAttribute {
        /// The code.
        code: u8,
    },
}

/// A request that AJP/1.3 cannot express, or not in a packet of this size.
///
/// Nothing has been sent, so no connection and no member is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The request needs a larger packet. The three parts are bytes as they count in the packet,
    /// lengths and terminators included; the rest of `total` is fixed or short.
    #[error(
        "the request needs a packet of {total} bytes (path and query {path}, headers {headers}, attributes {attributes}), the limit is {limit}"
    )]
    TooLarge {
        /// Request URI and query string.
        path: usize,
        /// All header names and values.
        headers: usize,
        /// All attributes but the query string; the stored method too.
        attributes: usize,
        /// The whole packet, header included.
        total: usize,
        /// The packet size it was to fit in.
        limit: usize,
    },
    /// A string longer than its length field can say.
    #[error("{field} of {length} bytes is longer than AJP can carry")]
    StringTooLong {
        /// The string.
        field: Field,
        /// Its bytes.
        length: usize,
    },
    /// More headers than the count can say.
    #[error("{count} headers are more than AJP can carry")]
    TooManyHeaders {
        /// How many.
        count: usize,
    },
    /// A NUL within a string. Containers read strings by their length, other readers up to the NUL: a
    /// request must not have two meanings.
    #[error("NUL byte in {field}")]
    NulInString {
        /// The string.
        field: Field,
    },
    /// More request-body bytes than one packet can carry.
    #[error("{length} bytes of body do not fit in one packet, {limit} do")]
    BodyTooLong {
        /// Bytes asked for.
        length: usize,
        /// Bytes possible.
        limit: usize,
    },
}

macro_rules! fields {
    ($($variant:ident $text:literal)+) => {
        /// The part of a packet an error is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $(#[doc = concat!("The ", $text, ".")] $variant,)+
        }

        impl fmt::Display for Field {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => concat!("the ", $text),)+ })
            }
        }
    };
}

fields! {
    AttributeCode "attribute code"
    AttributeName "attribute name"
    AttributeValue "attribute value"
    AuthType "authentication type"
    BodyData "body data"
    BodyLength "body length"
    ChunkData "chunk data"
    ChunkLength "chunk length"
    Context "context"
    HandshakeStep "step of the handshake"
    HeaderCount "header count"
    HeaderName "header name"
    HeaderValue "header value"
    IsSsl "is_ssl flag"
    JvmRoute "JVM route"
    Mac "message authentication code"
    Method "method"
    Node "node name"
    NodeLength "length of the node name"
    Nonce "nonce"
    PacketType "packet type"
    Protocol "protocol"
    QueryString "query string"
    Reason "reason phrase"
    RemoteAddr "remote address"
    RemoteHost "remote host"
    RemoteUser "remote user"
    ReqUri "request URI"
    RequestedLength "requested length"
    Reuse "reuse flag"
    Secret "secret"
    ServerName "server name"
    ServerPort "server port"
    ServletPath "servlet path"
    SslCert "TLS client certificate"
    SslCipher "TLS cipher"
    SslKeySize "TLS key size"
    SslSession "TLS session"
    Status "status"
    StoredMethod "stored method"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_field_and_the_numbers() {
        let truncated = CodecError::Truncated { field: Field::HeaderName, needed: 300, left: 7 };
        assert_eq!(
            truncated.to_string(),
            "packet ends inside the header name: 300 bytes needed, 7 left"
        );
        let code = CodecError::UnknownHeaderCode { code: 0xA00C };
        assert_eq!(code.to_string(), "unknown header code 0xa00c");
    }
}
