//! Decodes packets from a web server. A broken packet is an [`io::Error`] with a text that says where.

use std::io;

/// A decoded FORWARD_REQUEST. Bytes become characters one to one (ISO-8859-1), so that none is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardRequest {
    /// The name, also of a method that came by its code.
    pub method: String,
    /// The code as received; `0xFF` for a stored method.
    pub method_code: u8,
    /// `HTTP/1.1` and its like.
    pub protocol: String,
    /// The path, without the query.
    pub uri: String,
    /// The client's address.
    pub remote_addr: String,
    /// The client's host name, if the web server knows it.
    pub remote_host: Option<String>,
    /// The name of the virtual host.
    pub server_name: String,
    /// The port of the virtual host.
    pub server_port: u16,
    /// Whether the client speaks TLS.
    pub is_ssl: bool,
    /// Coded names in lower case, as in Tomcat; others as received.
    pub headers: Vec<(String, String)>,
    /// In the order received, with the stored method.
    pub attributes: Vec<Attribute>,
    /// The payload, without magic and length.
    pub payload: Vec<u8>,
}

/// One attribute of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The code: `0x0A` for an attribute that came with its name.
    pub code: u8,
    /// `query_string` and so on for an attribute with a code; else the name as received.
    pub name: String,
    /// Numbers in decimal.
    pub value: String,
}

impl ForwardRequest {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first attribute of this name: `secret`, `remote_user`, `auth_type`, `query_string`,
    /// `jvm_route`, `ssl_cert`, `ssl_cipher`, `ssl_session`, `ssl_key_size`, `stored_method`,
    /// `context`, `servlet_path`, or that of a request attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|attribute| attribute.name == name);
        found.map(|attribute| attribute.value.as_str())
    }

    /// The number in Content-Length, 0 without one.
    pub fn content_length(&self) -> usize {
        self.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// Whether the body comes with `Transfer-Encoding: chunked`.
    pub fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

const METHODS: [&str; 27] = [
    "OPTIONS",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "ACL",
    "REPORT",
    "VERSION-CONTROL",
    "CHECKIN",
    "CHECKOUT",
    "UNCHECKOUT",
    "SEARCH",
    "MKWORKSPACE",
    "UPDATE",
    "LABEL",
    "MERGE",
    "BASELINE-CONTROL",
    "MKACTIVITY",
];

const HEADERS: [&str; 14] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "connection",
    "content-type",
    "content-length",
    "cookie",
    "cookie2",
    "host",
    "pragma",
    "referer",
    "user-agent",
];

/// Names of the attributes by code, from 1. An attribute with code 0x0A comes with its name.
const ATTRIBUTES: [&str; 13] = [
    "context",
    "servlet_path",
    "remote_user",
    "auth_type",
    "query_string",
    "jvm_route",
    "ssl_cert",
    "ssl_cipher",
    "ssl_session",
    "",
    "ssl_key_size",
    "secret",
    "stored_method",
];

/// Decodes the payload of a FORWARD_REQUEST; it must end where the packet ends.
pub fn forward_request(payload: &[u8]) -> io::Result<ForwardRequest> {
    let mut cursor = Cursor { payload, at: 0 };
    if cursor.byte()? != 0x02 {
        return Err(cursor.broken("not a FORWARD_REQUEST"));
    }
    let method_code = cursor.byte()?;
    let mut request = ForwardRequest {
        method: String::new(),
        method_code,
        protocol: cursor.text()?,
        uri: cursor.text()?,
        remote_addr: cursor.text()?,
        remote_host: cursor.text_or_null()?,
        server_name: cursor.text()?,
        server_port: cursor.number()?,
        is_ssl: cursor.byte()? == 0x01,
        headers: Vec::new(),
        attributes: Vec::new(),
        payload: payload.to_vec(),
    };
    for _ in 0..cursor.number()? {
        let name = cursor.header_name()?;
        request.headers.push((name, cursor.text()?));
    }
    loop {
        let code = cursor.byte()?;
        let (name, value) = match code {
            0xFF => break,
            0x0A => (cursor.text()?, cursor.text()?),
            0x0B => ("ssl_key_size".to_owned(), cursor.number()?.to_string()),
            0x01..=0x0D => (ATTRIBUTES[usize::from(code) - 1].to_owned(), cursor.text()?),
            _ => return Err(cursor.broken("unknown attribute")),
        };
        request.attributes.push(Attribute { code, name, value });
    }
    if cursor.at != payload.len() {
        return Err(cursor.broken("bytes after the end mark"));
    }
    request.method = match (method_code, request.attribute("stored_method")) {
        (0xFF, Some(name)) => name.to_owned(),
        (0x01..=0x1B, None) => METHODS[usize::from(method_code) - 1].to_owned(),
        _ => return Err(cursor.broken("method code and stored method disagree")),
    };
    Ok(request)
}

/// Returns the data of a request-body packet; its length must be that of the packet.
pub fn body_data(payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut cursor = Cursor { payload, at: 0 };
    let stated = usize::from(cursor.number()?);
    if stated != payload.len() - 2 {
        return Err(cursor.broken("body length disagrees with the packet"));
    }
    Ok(payload[2..].to_vec())
}

struct Cursor<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> io::Result<u8> {
        let byte = self.payload.get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(|| self.broken("packet too short"))
    }

    fn number(&mut self) -> io::Result<u16> {
        Ok(u16::from(self.byte()?) << 8 | u16::from(self.byte()?))
    }

    fn text(&mut self) -> io::Result<String> {
        self.text_or_null()?.ok_or_else(|| self.broken("null string"))
    }

    fn text_or_null(&mut self) -> io::Result<Option<String>> {
        match self.number()? {
            0xFFFF => Ok(None),
            length => self.text_of(length).map(Some),
        }
    }

    fn text_of(&mut self, length: u16) -> io::Result<String> {
        let text: String =
            (0..length).map(|_| self.byte().map(char::from)).collect::<Result<_, _>>()?;
        match self.byte()? {
            0x00 => Ok(text),
            _ => Err(self.broken("string without NUL")),
        }
    }

    fn header_name(&mut self) -> io::Result<String> {
        let number = self.number()?;
        if number >> 8 != 0xA0 {
            return self.text_of(number);
        }
        let name = HEADERS.get(usize::from(number & 0xFF).wrapping_sub(1));
        name.map(|&name| name.to_owned()).ok_or_else(|| self.broken("unknown header code"))
    }

    fn broken(&self, what: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("{what}, before byte {}", self.at))
    }
}
