//! FORWARD_REQUEST: a request without its body, in one packet.

use super::attribute::Attribute;
use super::codes::{self, Method, RequestHeader, is_coded_header, packet_type};
use super::error::{CodecError, Field};
use super::reader::Reader;
use super::writer::STRING_OVERHEAD;

/// A request, borrowed from wherever its parts live. Fields are in the order of the packet:
///
/// ```text
/// 02 | method | protocol | req_uri | remote_addr | remote_host | server_name | server_port (u16)
///    | is_ssl | header count (u16) | name (code or string), value … | attributes … | FF
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardRequest<'a> {
    /// The method.
    pub method: RequestMethod<'a>,
    /// As in the request line: `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// The path, encoded, without the query string.
    pub req_uri: &'a [u8],
    /// The client's address.
    pub remote_addr: &'a [u8],
    /// The client's name; `None`, the null string, unless httpd looked it up.
    pub remote_host: Option<&'a [u8]>,
    /// The name of the server the request is for.
    pub server_name: &'a [u8],
    /// The port of the server the request came to.
    pub server_port: u16,
    /// The client's connection is encrypted.
    pub is_ssl: bool,
    /// Names and values in the order they came; names may repeat. Those with a code, in any case,
    /// are sent as that code.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// In the order to send. mod_proxy_ajp has: secret, user, authentication type, query string,
    /// route, certificate, cipher, session, key size, (stored method,) request attributes.
    pub attributes: &'a [Attribute<'a>],
}

/// A request method: by its code, or by its name where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestMethod<'a> {
    /// One of the methods with a code.
    Coded(Method),
    /// Any other, such as `PATCH`: code `FF`, and the name in the attribute `0D`.
    Stored(&'a [u8]),
}

impl<'a> RequestMethod<'a> {
    /// Takes the code for `name` where there is one, in that spelling.
    pub fn from_name(name: &'a [u8]) -> RequestMethod<'a> {
        Method::from_name(name).map_or(RequestMethod::Stored(name), RequestMethod::Coded)
    }

    /// The name as it is written in HTTP.
    pub fn name(&self) -> &'a [u8] {
        match self {
            RequestMethod::Coded(method) => method.name().as_bytes(),
            RequestMethod::Stored(name) => name,
        }
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            RequestMethod::Coded(method) => method.code(),
            RequestMethod::Stored(_) => codes::STORED_METHOD,
        }
    }

    /// The name, if there is no code for it.
    pub(super) fn stored(&self) -> Option<&'a [u8]> {
        match self {
            RequestMethod::Coded(_) => None,
            RequestMethod::Stored(name) => Some(name),
        }
    }
}

/// A header's name and value.
type Header<'a> = (&'a [u8], &'a [u8]);

/// Length of the null string, and of a coded header name.
const U16_LEN: usize = 2;

impl ForwardRequest<'_> {
    /// Decodes a payload: the container's side, for tests and tools.
    ///
    /// Names with a code come back in their usual spelling. A stored method counts more than a
    /// code, as in Tomcat.
    ///
    /// # Errors
    /// [`CodecError`], for the first rule broken. Stricter than Tomcat: unknown attribute codes,
    /// bytes after the end mark and null strings other than the remote host are refused.
    pub fn decode(payload: &[u8]) -> Result<ReceivedRequest<'_>, CodecError> {
        let mut reader = Reader::new(payload);
        let code = reader.u8(Field::PacketType)?;
        if code != packet_type::FORWARD_REQUEST {
            return Err(CodecError::UnknownType { code });
        }
        let method_code = reader.u8(Field::Method)?;
        let mut request = ReceivedRequest {
            method: RequestMethod::Stored(b""),
            protocol: reader.string(Field::Protocol)?,
            req_uri: reader.string(Field::ReqUri)?,
            remote_addr: reader.string(Field::RemoteAddr)?,
            remote_host: reader.nullable_string(Field::RemoteHost)?,
            server_name: reader.string(Field::ServerName)?,
            server_port: reader.u16(Field::ServerPort)?,
            is_ssl: reader.u8(Field::IsSsl)? != 0x00,
            headers: decode_headers(&mut reader)?,
            attributes: Vec::new(),
        };
        let stored = decode_attributes(&mut reader, &mut request.attributes)?;
        reader.finish(Field::AttributeCode)?;
        request.method = match (stored, method_code) {
            (Some(name), _) => RequestMethod::Stored(name),
            (None, codes::STORED_METHOD) => return Err(CodecError::NoStoredMethod),
            (None, code) => Method::from_code(code)
                .map(RequestMethod::Coded)
                .ok_or(CodecError::UnknownMethod { code })?,
        };
        Ok(request)
    }
}

/// A decoded FORWARD_REQUEST: as [`ForwardRequest`], with lists of its own. Strings are slices of
/// the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedRequest<'a> {
    /// The method.
    pub method: RequestMethod<'a>,
    /// As in the request line.
    pub protocol: &'a [u8],
    /// The path.
    pub req_uri: &'a [u8],
    /// The client's address.
    pub remote_addr: &'a [u8],
    /// The client's name, if the web server looked it up.
    pub remote_host: Option<&'a [u8]>,
    /// The name of the server.
    pub server_name: &'a [u8],
    /// The port of the server.
    pub server_port: u16,
    /// The client's connection is encrypted.
    pub is_ssl: bool,
    /// Names and values.
    pub headers: Vec<(&'a [u8], &'a [u8])>,
    /// All attributes but the stored method.
    pub attributes: Vec<Attribute<'a>>,
}

impl ReceivedRequest<'_> {
    /// The same request, ready to be encoded again.
    pub fn as_request(&self) -> ForwardRequest<'_> {
        ForwardRequest {
            method: self.method,
            protocol: self.protocol,
            req_uri: self.req_uri,
            remote_addr: self.remote_addr,
            remote_host: self.remote_host,
            server_name: self.server_name,
            server_port: self.server_port,
            is_ssl: self.is_ssl,
            headers: &self.headers,
            attributes: &self.attributes,
        }
    }
}

fn decode_headers<'a>(reader: &mut Reader<'a>) -> Result<Vec<Header<'a>>, CodecError> {
    let count = reader.u16(Field::HeaderCount)?;
    if usize::from(count) > reader.left() / (U16_LEN + STRING_OVERHEAD) {
        return Err(CodecError::TooManyHeaders { count, left: reader.left() });
    }
    let mut headers = Vec::new();
    for _ in 0..count {
        let number = reader.u16(Field::HeaderName)?;
        let name = if is_coded_header(number) {
            RequestHeader::from_code(number)
                .ok_or(CodecError::UnknownHeaderCode { code: number })?
                .name()
                .as_bytes()
        } else {
            reader.string_of(number, Field::HeaderName)?
        };
        headers.push((name, reader.string(Field::HeaderValue)?));
    }
    Ok(headers)
}

/// Reads up to the end mark; returns the stored method, the last if there are several.
fn decode_attributes<'a>(
    reader: &mut Reader<'a>,
    attributes: &mut Vec<Attribute<'a>>,
) -> Result<Option<&'a [u8]>, CodecError> {
    let mut stored = None;
    loop {
        match reader.u8(Field::AttributeCode)? {
            codes::attribute::ARE_DONE => return Ok(stored),
            codes::attribute::STORED_METHOD => stored = Some(reader.string(Field::StoredMethod)?),
            code => attributes.push(Attribute::decode(code, reader)?),
        }
    }
}

#[cfg(test)]
#[path = "forward_request_tests.rs"]
mod tests;
