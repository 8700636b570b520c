//! Request attributes: what HTTP has no header for.

use std::fmt;

use super::codes::attribute as code;
use super::error::{CodecError, Field};
use super::reader::Reader;
use super::writer::Writer;

/// One attribute of a FORWARD_REQUEST, borrowed from wherever it lives.
///
/// There is none for the stored method: [`RequestMethod`](super::RequestMethod) has it. `Debug`
/// does not show the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// `01`: sent by no web server, ignored by Tomcat.
    Context(&'a [u8]),
    /// `02`: sent by no web server, ignored by Tomcat.
    ServletPath(&'a [u8]),
    /// `03`: the user httpd authenticated.
    RemoteUser(&'a [u8]),
    /// `04`: how httpd authenticated the user.
    AuthType(&'a [u8]),
    /// `05`: what follows the `?` of the request target, without it.
    QueryString(&'a [u8]),
    /// `06`: the route in the client's session id.
    JvmRoute(&'a [u8]),
    /// `07`: the client's certificate, PEM; several in a row for a chain.
    SslCert(&'a [u8]),
    /// `08`: the cipher suite.
    SslCipher(&'a [u8]),
    /// `09`: the TLS session id.
    SslSession(&'a [u8]),
    /// `0A`: any other name and value. Tomcat answers 403 to a name it does not know and its
    /// `allowedRequestAttributesPattern` does not match.
    ReqAttribute {
        /// The name, case-sensitive.
        name: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// `0B`: key bits of the cipher.
    SslKeySize(u16),
    /// `0C`: the secret shared with the container.
    Secret(&'a [u8]),
}

impl<'a> Attribute<'a> {
    /// Writes code and value.
    pub(super) fn encode(&self, packet: &mut Writer) {
        match self.shape() {
            Shape::Number(code, number) => {
                packet.u8(code);
                packet.u16(number);
            }
            Shape::Pair { name, value } => {
                packet.u8(code::REQ_ATTRIBUTE);
                packet.string(name, Field::AttributeName);
                packet.string(value, Field::AttributeValue);
            }
            Shape::String(code, field, value) => {
                packet.u8(code);
                packet.string(value, field);
            }
        }
    }

    /// Reads what follows `code`; not for the stored method and the end mark.
    ///
    /// # Errors
    /// [`CodecError::UnknownAttribute`], and what the strings may bring.
    pub(super) fn decode(code: u8, reader: &mut Reader<'a>) -> Result<Attribute<'a>, CodecError> {
        let (make, field): (fn(&'a [u8]) -> Attribute<'a>, Field) = match code {
            code::CONTEXT => (Attribute::Context, Field::Context),
            code::SERVLET_PATH => (Attribute::ServletPath, Field::ServletPath),
            code::REMOTE_USER => (Attribute::RemoteUser, Field::RemoteUser),
            code::AUTH_TYPE => (Attribute::AuthType, Field::AuthType),
            code::QUERY_STRING => (Attribute::QueryString, Field::QueryString),
            code::JVM_ROUTE => (Attribute::JvmRoute, Field::JvmRoute),
            code::SSL_CERT => (Attribute::SslCert, Field::SslCert),
            code::SSL_CIPHER => (Attribute::SslCipher, Field::SslCipher),
            code::SSL_SESSION => (Attribute::SslSession, Field::SslSession),
            code::SECRET => (Attribute::Secret, Field::Secret),
            code::SSL_KEY_SIZE => return reader.u16(Field::SslKeySize).map(Attribute::SslKeySize),
            code::REQ_ATTRIBUTE => {
                let name = reader.string(Field::AttributeName)?;
                let value = reader.string(Field::AttributeValue)?;
                return Ok(Attribute::ReqAttribute { name, value });
            }
            code => return Err(CodecError::UnknownAttribute { code }),
        };
        reader.string(field).map(make)
    }

    fn shape(&self) -> Shape<'a> {
        match *self {
            Attribute::Context(v) => Shape::String(code::CONTEXT, Field::Context, v),
            Attribute::ServletPath(v) => Shape::String(code::SERVLET_PATH, Field::ServletPath, v),
            Attribute::RemoteUser(v) => Shape::String(code::REMOTE_USER, Field::RemoteUser, v),
            Attribute::AuthType(v) => Shape::String(code::AUTH_TYPE, Field::AuthType, v),
            Attribute::QueryString(v) => Shape::String(code::QUERY_STRING, Field::QueryString, v),
            Attribute::JvmRoute(v) => Shape::String(code::JVM_ROUTE, Field::JvmRoute, v),
            Attribute::SslCert(v) => Shape::String(code::SSL_CERT, Field::SslCert, v),
            Attribute::SslCipher(v) => Shape::String(code::SSL_CIPHER, Field::SslCipher, v),
            Attribute::SslSession(v) => Shape::String(code::SSL_SESSION, Field::SslSession, v),
            Attribute::ReqAttribute { name, value } => Shape::Pair { name, value },
            Attribute::SslKeySize(bits) => Shape::Number(code::SSL_KEY_SIZE, bits),
            Attribute::Secret(v) => Shape::String(code::SECRET, Field::Secret, v),
        }
    }
}

/// The three forms attributes have on the wire.
enum Shape<'a> {
    Number(u8, u16),
    Pair { name: &'a [u8], value: &'a [u8] },
    String(u8, Field, &'a [u8]),
}

impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape() {
            Shape::Number(code, number) => write!(f, "{code:02X}: {number}"),
            Shape::Pair { name, value } => {
                write!(f, "{}={}", name.escape_ascii(), value.escape_ascii())
            }
            Shape::String(code::SECRET, ..) => write!(f, "{:02X}: (not shown)", code::SECRET),
            Shape::String(code, _, value) => write!(f, "{code:02X}: {}", value.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::PacketSize;

    const ALL: [Attribute<'static>; 12] = [
        Attribute::Context(b"/app"),
        Attribute::ServletPath(b"/s"),
        Attribute::RemoteUser(b"j\xFCrgen"),
        Attribute::AuthType(b"Basic"),
        Attribute::QueryString(b""),
        Attribute::JvmRoute(b"node1"),
        Attribute::SslCert(b"-----BEGIN"),
        Attribute::SslCipher(b"TLS_AES_256_GCM_SHA384"),
        Attribute::SslSession(b"00ff"),
        Attribute::ReqAttribute { name: b"AJP_REMOTE_PORT", value: b"5000" },
        Attribute::SslKeySize(256),
        Attribute::Secret(b"hush"),
    ];

    fn encode(attribute: Attribute<'_>) -> Vec<u8> {
        let mut packet = Writer::new(PacketSize::MIN, Vec::new());
        attribute.encode(&mut packet);
        packet.finish().unwrap().unwrap().split_off(4)
    }

    #[test]
    fn codes_count_from_01_and_each_comes_back() {
        for (attribute, code) in ALL.into_iter().zip(0x01..) {
            let bytes = encode(attribute);
            assert_eq!(bytes[0], code);
            let mut reader = Reader::new(&bytes[1..]);
            assert_eq!(Attribute::decode(code, &mut reader), Ok(attribute));
            assert_eq!(reader.left(), 0);
        }
    }

    #[test]
    fn the_key_size_is_a_number_and_others_are_strings() {
        assert_eq!(encode(Attribute::SslKeySize(256)), [0x0B, 0x01, 0x00]);
        assert_eq!(encode(Attribute::JvmRoute(b"a")), [0x06, 0x00, 0x01, b'a', 0x00]);
    }

    #[test]
    fn an_unknown_code_is_an_error_since_its_length_is_unknown() {
        for code in [0x00, 0x0D, 0x0E, 0xFE] {
            let unknown = CodecError::UnknownAttribute { code };
            assert_eq!(Attribute::decode(code, &mut Reader::new(&[0; 8])), Err(unknown));
        }
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        assert_eq!(format!("{:?}", Attribute::Secret(b"hush")), "0C: (not shown)");
        assert_eq!(format!("{:?}", Attribute::JvmRoute(b"node1")), "06: node1");
    }
}
