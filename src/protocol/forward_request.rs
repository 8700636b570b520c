//! FORWARD_REQUEST: a request without its body, in one packet.

use super::attribute::Attribute;
use super::codes::{self, Method, RequestHeader, is_coded_header, packet_type};
use super::error::{CodecError, EncodeError, Field};
use super::packet::{HEADER_LEN, PacketSize};
use super::reader::Reader;
use super::writer::{STRING_OVERHEAD, Writer};

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

    fn code(&self) -> u8 {
        match self {
            RequestMethod::Coded(method) => method.code(),
            RequestMethod::Stored(_) => codes::STORED_METHOD,
        }
    }
}

/// A header's name and value.
type Header<'a> = (&'a [u8], &'a [u8]);

/// Type, method, port, is_ssl, header count and end mark.
const FIXED_LEN: usize = 1 + 1 + 2 + 1 + 2 + 1;

/// Length of the null string, and of a coded header name.
const U16_LEN: usize = 2;

impl ForwardRequest<'_> {
    /// Makes the whole packet, header included, ready to send.
    ///
    /// An oversized request is found before anything is allocated. A stored
    /// method goes before the first [`Attribute::ReqAttribute`], where mod_proxy_ajp has it.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] above `limit`, with what took the room;
    /// [`EncodeError::TooManyHeaders`] above 65535; [`EncodeError::NulInString`];
    /// [`EncodeError::StringTooLong`] for a header name so long that its length would read as a
    /// code, 40960 to 41215 bytes.
    pub fn encode(&self, limit: PacketSize) -> Result<Vec<u8>, EncodeError> {
        let count = u16::try_from(self.headers.len())
            .map_err(|_| EncodeError::TooManyHeaders { count: self.headers.len() })?;
        let room = self.room();
        if room > limit.bytes() {
            let size = self.measure();
            if size.total > limit.bytes() {
                return Err(size.too_large(limit));
            }
        }

        let mut packet = Writer::with_capacity(room);
        packet.u8(packet_type::FORWARD_REQUEST);
        packet.u8(self.method.code());
        packet.string(self.protocol, Field::Protocol)?;
        packet.string(self.req_uri, Field::ReqUri)?;
        packet.string(self.remote_addr, Field::RemoteAddr)?;
        match self.remote_host {
            Some(name) => packet.string(name, Field::RemoteHost)?,
            None => packet.null_string(),
        }
        packet.string(self.server_name, Field::ServerName)?;
        packet.u16(self.server_port);
        packet.u8(self.is_ssl.into());
        packet.u16(count);
        for (name, value) in self.headers {
            encode_header_name(&mut packet, name)?;
            packet.string(value, Field::HeaderValue)?;
        }
        self.encode_attributes(&mut packet)?;
        packet.u8(codes::attribute::ARE_DONE);
        packet.finish().ok_or_else(|| self.measure().too_large(limit))
    }

    fn encode_attributes(&self, packet: &mut Writer) -> Result<(), EncodeError> {
        let mut stored = match self.method {
            RequestMethod::Stored(name) => Some(name),
            RequestMethod::Coded(_) => None,
        };
        let mut encode_stored = |packet: &mut Writer| match stored.take() {
            Some(name) => {
                packet.u8(codes::attribute::STORED_METHOD);
                packet.string(name, Field::StoredMethod)
            }
            None => Ok(()),
        };
        for attribute in self.attributes {
            if matches!(attribute, Attribute::ReqAttribute { .. }) {
                encode_stored(packet)?;
            }
            attribute.encode(packet)?;
        }
        encode_stored(packet)
    }

    /// Returns the most bytes that it can take, with every header name spelled out: a quick test for
    /// whether it fits, which it nearly always does.
    fn room(&self) -> usize {
        let string = |value: &[u8]| value.len() + STRING_OVERHEAD;
        let headers: usize =
            self.headers.iter().map(|(name, value)| string(name) + string(value)).sum();
        let attributes: usize = self.attributes.iter().map(Attribute::encoded_len).sum();
        let strings = [self.protocol, self.req_uri, self.remote_addr, self.server_name];
        let rest: usize = strings.into_iter().map(string).sum();
        let stored = match self.method {
            RequestMethod::Stored(name) => 1 + string(name),
            RequestMethod::Coded(_) => 0,
        };
        let remote_host = self.remote_host.map_or(U16_LEN, string);
        HEADER_LEN + FIXED_LEN + rest + remote_host + headers + stored + attributes
    }

    fn measure(&self) -> Size {
        let string = |value: &[u8]| value.len() + STRING_OVERHEAD;
        let header = |&(name, value): &Header| {
            let coded = RequestHeader::from_name(name).is_some();
            string(value) + if coded { U16_LEN } else { string(name) }
        };
        let is_query = |attribute: &&Attribute| matches!(attribute, Attribute::QueryString(_));
        let is_other = |attribute: &&Attribute| !is_query(attribute);
        let sum_where = |which: &dyn Fn(&&Attribute) -> bool| -> usize {
            self.attributes.iter().filter(which).map(Attribute::encoded_len).sum()
        };
        let stored = match self.method {
            RequestMethod::Stored(name) => 1 + string(name),
            RequestMethod::Coded(_) => 0,
        };

        let path = string(self.req_uri) + sum_where(&is_query);
        let headers = self.headers.iter().map(header).sum();
        let attributes = stored + sum_where(&is_other);
        let rest = string(self.protocol)
            + string(self.remote_addr)
            + self.remote_host.map_or(U16_LEN, string)
            + string(self.server_name);
        let total = HEADER_LEN + FIXED_LEN + rest + path + headers + attributes;
        Size { path, headers, attributes, total }
    }

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

/// The sizes of the parts in the packet, in bytes.
struct Size {
    path: usize,
    headers: usize,
    attributes: usize,
    total: usize,
}

impl Size {
    fn too_large(&self, limit: PacketSize) -> EncodeError {
        let &Size { path, headers, attributes, total } = self;
        EncodeError::TooLarge { path, headers, attributes, total, limit: limit.bytes() }
    }
}

fn encode_header_name(packet: &mut Writer, name: &[u8]) -> Result<(), EncodeError> {
    if let Some(header) = RequestHeader::from_name(name) {
        packet.u16(header.code());
        return Ok(());
    }
    if u16::try_from(name.len()).is_ok_and(is_coded_header) {
        return Err(EncodeError::StringTooLong { field: Field::HeaderName, length: name.len() });
    }
    packet.string(name, Field::HeaderName)
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
