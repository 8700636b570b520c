//! A FORWARD_REQUEST in the making: what comes before the headers, then header by header, then attribute by
//! attribute. Each is written where it is to stand, so that no list of them is made first.

use std::ffi::CStr;

use super::attribute::Attribute;
use super::codes::{self, RequestHeader, is_coded_header, packet_type};
use super::error::{EncodeError, Field};
use super::forward_request::ForwardRequest;
use super::packet::PacketSize;
use super::writer::Writer;

impl ForwardRequest<'_> {
    /// Makes the whole packet, header included, ready to send: [`PacketHeaders`] from lists.
    ///
    /// # Errors
    /// As of [`PacketAttributes::finish`].
    pub fn encode(&self, limit: PacketSize) -> Result<Vec<u8>, EncodeError> {
        let mut packet = PacketHeaders::start(self, limit, Vec::new());
        for (name, value) in self.headers {
            packet.header(name, value);
        }
        let mut packet = packet.end();
        for attribute in self.attributes {
            packet.attribute(*attribute);
        }
        packet.finish()
    }
}

/// A packet to which headers are added.
#[derive(Debug)]
pub struct PacketHeaders<'a> {
    writer: Writer,
    /// Until it has been written.
    stored_method: Option<&'a [u8]>,
    count: usize,
    path: usize,
    /// Where the headers begin, behind their number.
    start: usize,
}

impl<'a> PacketHeaders<'a> {
    /// Starts a packet of `limit` bytes at most, with what comes before the headers of `request`, whose lists are
    /// not looked at. It is made in the memory of an earlier one, or of an empty one. Errors show at the
    /// [end](PacketAttributes::finish).
    #[must_use]
    pub fn start(request: &ForwardRequest<'a>, limit: PacketSize, used: Vec<u8>) -> Self {
        let mut writer = Writer::new(limit, used);
        writer.bytes([packet_type::FORWARD_REQUEST, request.method.code()]);
        writer.string(request.protocol, Field::Protocol);
        let before = writer.len();
        writer.string(request.req_uri, Field::ReqUri);
        let path = writer.len() - before;
        writer.string(request.remote_addr, Field::RemoteAddr);
        match request.remote_host {
            Some(name) => writer.string(name, Field::RemoteHost),
            None => writer.null_string(),
        }
        writer.string(request.server_name, Field::ServerName);
        let [high, low] = request.server_port.to_be_bytes();
        // The last two are the number of headers, once it is known.
        writer.bytes([high, low, request.is_ssl.into(), 0, 0]);
        let start = writer.len();
        Self { writer, stored_method: request.method.stored(), count: 0, path, start }
    }

    /// Adds a header, with the code of its name where there is one, in any case.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        match self.code(name) {
            Some(code) => self.writer.u16(code),
            None => self.writer.string(name, Field::HeaderName),
        }
        self.writer.string(value, Field::HeaderValue);
    }

    /// The same for texts of C's, among whose bytes no NUL need be looked for.
    #[inline(always)]
    pub fn c_header(&mut self, name: &CStr, value: &CStr) {
        match self.code(name.to_bytes()) {
            Some(code) => self.writer.u16_and_c_string(code, value),
            None => {
                self.writer.c_string(name);
                self.writer.c_string(value);
            }
        }
    }

    /// Counts a header; returns the code of its name, if it has one.
    #[inline]
    fn code(&mut self, name: &[u8]) -> Option<u16> {
        self.count += 1;
        if let Some(header) = RequestHeader::from_name(name) {
            return Some(header.code());
        }
        if u16::try_from(name.len()).is_ok_and(is_coded_header) {
            let (field, length) = (Field::HeaderName, name.len());
            self.writer.fail(EncodeError::StringTooLong { field, length });
        }
        None
    }

    /// Ends the headers.
    #[must_use]
    pub fn end(mut self) -> PacketAttributes<'a> {
        match u16::try_from(self.count) {
            Ok(count) => self.writer.set_u16(self.start - 2, count),
            Err(_) => self.writer.fail(EncodeError::TooManyHeaders { count: self.count }),
        }
        let headers = self.writer.len() - self.start;
        let Self { writer, stored_method, path, .. } = self;
        PacketAttributes { start: writer.len(), writer, stored_method, path, headers, query: 0 }
    }
}

/// A packet to which attributes are added.
#[derive(Debug)]
pub struct PacketAttributes<'a> {
    writer: Writer,
    stored_method: Option<&'a [u8]>,
    path: usize,
    headers: usize,
    query: usize,
    /// Where the attributes begin.
    start: usize,
}

impl PacketAttributes<'_> {
    /// Adds an attribute. A stored method goes before the first [`Attribute::ReqAttribute`], where
    /// mod_proxy_ajp has it.
    pub fn attribute(&mut self, attribute: Attribute<'_>) {
        if matches!(attribute, Attribute::ReqAttribute { .. }) {
            self.stored_method();
        }
        let before = self.writer.len();
        attribute.encode(&mut self.writer);
        if matches!(attribute, Attribute::QueryString(_)) {
            self.query += self.writer.len() - before;
        }
    }

    /// The same for an [`Attribute::ReqAttribute`] whose name is one of the program's own: no NUL need be looked for
    /// in it.
    #[inline(always)]
    pub fn named_attribute(&mut self, name: &'static CStr, value: &[u8]) {
        self.stored_method();
        self.writer.u8_and_c_string(codes::attribute::REQ_ATTRIBUTE, name);
        self.writer.string(value, Field::AttributeValue);
    }

    /// Ends the packet, header included, ready to send.
    ///
    /// # Errors
    /// [`EncodeError::NulInString`] for a text with a NUL; [`EncodeError::StringTooLong`] for the name of a
    /// header that is so long that its length would read as a code, 40960 to 41215 bytes;
    /// [`EncodeError::TooManyHeaders`] above 65535; [`EncodeError::TooLarge`] above the limit, with what
    /// took the room.
    pub fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        self.stored_method();
        let attributes = self.writer.len() - self.start - self.query;
        self.writer.u8(codes::attribute::ARE_DONE);
        let (total, limit) = (self.writer.len(), self.writer.limit());
        let (path, headers) = (self.path + self.query, self.headers);
        let too_large = EncodeError::TooLarge { path, headers, attributes, total, limit };
        self.writer.finish()?.ok_or(too_large)
    }

    #[inline]
    fn stored_method(&mut self) {
        if let Some(name) = self.stored_method.take() {
            self.writer.u8(codes::attribute::STORED_METHOD);
            self.writer.string(name, Field::StoredMethod);
        }
    }
}
