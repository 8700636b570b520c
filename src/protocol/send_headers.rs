//! SEND_HEADERS: status line and headers of the response.

use std::iter;

use super::buffer_slice::BufferSlice;
use super::codes::{ResponseHeader, is_coded_header};
use super::error::{CodecError, Field};
use super::reader::Reader;
use super::scan::{alphanumeric_or, has_any};

/// Status and headers. Layout: `04`, status (u16), reason (string), count (u16), and that many
/// names (code or string) with values (string).
///
/// All text is free of control bytes but HTAB; bytes from `80` on are passed as they are. The texts
/// lie in the packet, which is kept in memory as long as this, and are read there whenever they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendHeaders {
    /// `100..=999`.
    pub status: u16,
    /// The number of headers.
    count: u16,
    /// Where the first of them begins.
    start: usize,
    lengths: Lengths,
    payload: BufferSlice,
}

/// Where Content-Length is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lengths {
    /// How many there are.
    count: u16,
    /// The length of the first value, and where it ends. A packet has fewer than 2^32 bytes.
    len: u32,
    end: u32,
}

/// The name of a response header, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeaderName<'a> {
    code: Option<ResponseHeader>,
    spelled: Option<&'a [u8]>,
}

impl<'a> ResponseHeaderName<'a> {
    /// One of the eleven, sent as its code.
    #[must_use]
    pub fn coded(header: ResponseHeader) -> Self {
        Self { code: Some(header), spelled: None }
    }

    /// A name that was sent as text, a token of RFC 9110. It may be one of the eleven in another spelling:
    /// Tomcat knows `Content-Length` as a code, and sends `content-length` as a string.
    #[must_use]
    pub fn spelled(name: &'a [u8]) -> Self {
        Self { code: None, spelled: Some(name) }
    }

    /// The name as it is written in HTTP.
    #[must_use]
    pub fn name(self) -> &'a [u8] {
        let coded = || self.code.map_or(&b""[..], |header| header.name().as_bytes());
        self.spelled.unwrap_or_else(coded)
    }

    /// The header whose code was sent, if one was.
    #[must_use]
    pub fn code(self) -> Option<ResponseHeader> {
        self.code
    }

    #[inline]
    fn is_content_length(self) -> bool {
        match self.spelled {
            None => self.code == Some(ResponseHeader::ContentLength),
            Some(name) => name.eq_ignore_ascii_case(b"Content-Length"),
        }
    }

    /// The header this is, if it is one of the eleven, however it came and in whatever case.
    #[must_use]
    pub fn known(self) -> Option<ResponseHeader> {
        self.code.or_else(|| ResponseHeader::from_name(self.spelled?))
    }
}

/// A header takes five bytes at least: a code, and an empty value.
const SHORTEST_HEADER: usize = 5;

impl SendHeaders {
    /// Reads what follows the type byte.
    pub(super) fn decode(payload: BufferSlice) -> Result<SendHeaders, CodecError> {
        let len = payload.len();
        let mut reader = Reader::behind_type(&payload);
        let status = reader.u16(Field::Status)?;
        // Three digits: RFC 9112, section 4. Tomcat sends what the servlet set, 0 included.
        if !(100..=999).contains(&status) {
            return Err(CodecError::BadStatus { status });
        }
        let reason = reader.nullable_string(Field::Reason)?.unwrap_or_default();
        check_text(reason, Field::Reason)?;

        let count = reader.u16(Field::HeaderCount)?;
        if usize::from(count) > reader.left() / SHORTEST_HEADER {
            return Err(CodecError::TooManyHeaders { count, left: reader.left() });
        }
        let start = len - reader.left();
        let mut lengths = Lengths::default();
        for _ in 0..count {
            let (name, value) = read_header(&mut reader)?;
            if name.is_content_length() {
                if lengths.count == 0 {
                    lengths.len = value.len() as u32;
                    lengths.end = (len - reader.left() - NUL) as u32;
                }
                lengths.count += 1;
            }
            if let Some(name) = name.spelled {
                check_token(name)?;
            }
            check_text(value, Field::HeaderValue)?;
        }
        reader.finish(Field::HeaderValue)?;
        Ok(SendHeaders { status, count, start, lengths, payload })
    }

    /// The packet's payload, in which the texts lie: each with a NUL behind it, but the null string.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The reason phrase; empty when the container sent none, an empty or the null string. Tomcat
    /// sends the status code as text.
    pub fn reason(&self) -> &[u8] {
        let mut reader = Reader::new(self.payload.get(REASON_AT..).unwrap_or_default());
        reader.nullable_string(Field::Reason).ok().flatten().unwrap_or_default()
    }

    /// The number of headers.
    pub fn count(&self) -> usize {
        self.count.into()
    }

    /// Names and values in the order they came; names may repeat.
    pub fn headers(&self) -> impl Iterator<Item = (ResponseHeaderName<'_>, &[u8])> {
        self.headers_from(self.start).take(self.count.into())
    }

    /// The values of Content-Length, in whatever spelling its name came.
    pub fn content_lengths(&self) -> impl Iterator<Item = &[u8]> {
        let Lengths { count, len, end } = self.lengths;
        let end = end as usize;
        let first = self.payload.get(end - len as usize..end).filter(|_| count > 0);
        let behind = self.headers_from(end + NUL).filter(|(name, _)| name.is_content_length());
        let others = behind.map(|(_, value)| value).take(usize::from(count).saturating_sub(1));
        first.into_iter().chain(others)
    }

    /// The header that begins at this place, and those behind it.
    fn headers_from(&self, start: usize) -> impl Iterator<Item = (ResponseHeaderName<'_>, &[u8])> {
        let mut rest = self.payload.get(start..).unwrap_or_default();
        iter::from_fn(move || next_header(&mut rest))
    }
}

/// The byte behind a string.
const NUL: usize = 1;

/// Type and status are before it.
const REASON_AT: usize = 1 + 2;

/// Takes a header off the front of those that [`read_header`] has read without an error.
// Once, for all that ask for headers.
#[inline(never)]
fn next_header<'a>(rest: &mut &'a [u8]) -> Option<(ResponseHeaderName<'a>, &'a [u8])> {
    let string = |length: u16, behind: &'a [u8]| {
        let (string, behind) = behind.split_at_checked(length.into())?;
        Some((string, behind.get(1..)?))
    };
    let number = |rest: &'a [u8]| {
        let (number, behind) = rest.split_first_chunk()?;
        Some((u16::from_be_bytes(*number), behind))
    };
    let (code, behind) = number(rest)?;
    let (name, behind) = if is_coded_header(code) {
        (ResponseHeaderName::coded(ResponseHeader::from_code(code)?), behind)
    } else {
        let (name, behind) = string(code, behind)?;
        (ResponseHeaderName::spelled(name), behind)
    };
    let (length, behind) = number(behind)?;
    let (value, behind) = string(length, behind)?;
    *rest = behind;
    Some((name, value))
}

/// Reads a header, whose bytes are not looked at.
#[inline]
fn read_header<'a>(
    reader: &mut Reader<'a>,
) -> Result<(ResponseHeaderName<'a>, &'a [u8]), CodecError> {
    let number = reader.u16(Field::HeaderName)?;
    let name = if is_coded_header(number) {
        let unknown = CodecError::UnknownHeaderCode { code: number };
        ResponseHeaderName::coded(ResponseHeader::from_code(number).ok_or(unknown)?)
    } else {
        ResponseHeaderName::spelled(reader.string_of(number, Field::HeaderName)?)
    };
    Ok((name, reader.string(Field::HeaderValue)?))
}

/// Refuses control bytes other than HTAB: they are not allowed in a field value or a reason
/// (RFC 9110, 5.5; RFC 9112, 4), and CR, LF and NUL would split the response.
#[inline]
fn check_text(text: &[u8], field: Field) -> Result<(), CodecError> {
    if has_bad_byte(text) { Err(bad_byte(text, field)) } else { Ok(()) }
}

// Once, for all texts.
#[inline(never)]
fn has_bad_byte(text: &[u8]) -> bool {
    has_any(text, is_bad)
}

fn is_bad(byte: u8) -> bool {
    ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7F)
}

#[cold]
fn bad_byte(text: &[u8], field: Field) -> CodecError {
    let found = text.iter().copied().enumerate().find(|(_, byte)| is_bad(*byte));
    let (offset, byte) = found.unwrap_or_default();
    CodecError::BadByte { field, offset, byte }
}

/// Which bytes a token is made of.
const TOKEN: [bool; 256] = alphanumeric_or(b"!#$%&'*+-.^_`|~");

/// Refuses a header name that is not a token (RFC 9110, 5.6.2).
fn check_token(name: &[u8]) -> Result<(), CodecError> {
    if name.is_empty() {
        return Err(CodecError::EmptyHeaderName);
    }
    match name.iter().position(|byte| !TOKEN[usize::from(*byte)]) {
        None => Ok(()),
        Some(offset) => {
            Err(CodecError::BadByte { field: Field::HeaderName, offset, byte: name[offset] })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<SendHeaders, CodecError> {
        SendHeaders::decode([&[0x04], bytes].concat().into())
    }

    /// Status 200, reason "OK", and what follows.
    fn ok_with(rest: &[u8]) -> Vec<u8> {
        [&[0x00, 0xC8, 0x00, 0x02, b'O', b'K', 0x00], rest].concat()
    }

    /// One plain header with this name and value.
    fn plain(name: &[u8], value: &[u8]) -> Vec<u8> {
        let string = |s: &[u8]| [&[0x00, s.len().try_into().unwrap()][..], s, &[0x00]].concat();
        ok_with(&[&[0x00, 0x01][..], &string(name), &string(value)].concat())
    }

    #[test]
    fn coded_and_plain_names_keep_their_order() {
        let headers = decode(&ok_with(&[
            0x00, 0x02, // two headers
            0xA0, 0x03, 0x00, 0x01, b'7', 0x00, // Content-Length: 7
            0x00, 0x01, b'X', 0x00, 0x00, 0x00, 0x00, // X: (empty)
        ]))
        .unwrap();
        assert_eq!((headers.status, headers.reason()), (200, &b"OK"[..]));
        assert_eq!((headers.count(), &headers.payload()[..4]), (2, &[0x04, 0x00, 0xC8, 0x00][..]));
        let codes: Vec<_> = headers.headers().map(|(name, _)| name.code()).collect();
        assert_eq!(codes, [Some(ResponseHeader::ContentLength), None]);
        let names: Vec<_> = headers.headers().map(|(name, _)| name.name()).collect();
        assert_eq!(names, [&b"Content-Length"[..], b"X"]);
        let values: Vec<_> = headers.headers().map(|(_, value)| value).collect();
        assert_eq!(values, [&b"7"[..], b""]);
    }

    #[test]
    fn a_known_header_is_recognised_in_any_spelling() {
        let headers = decode(&plain(b"content-LENGTH", b"12")).unwrap();
        let (name, _) = headers.headers().next().unwrap();
        assert_eq!(name.known(), Some(ResponseHeader::ContentLength));
        assert_eq!(name.name(), b"content-LENGTH");
    }

    #[test]
    fn each_content_length_is_found_in_any_spelling_and_nothing_else() {
        let coded = [0xA0, 0x03, 0x00, 0x01, b'7', 0x00];
        let spelled = [&[0x00, 0x0E], &b"content-LENGTH\0"[..], &[0x00, 0x02], b"12\0"].concat();
        let other = [&[0x00, 0x0E], &b"Content-Lengty\0"[..], &[0x00, 0x01], b"9\0"].concat();
        let date = [0xA0, 0x04, 0x00, 0x01, b'8', 0x00];
        for (headers, wanted) in [
            (vec![], vec![]),
            (vec![&other[..], &date], vec![]),
            (vec![&coded], vec![&b"7"[..]]),
            (vec![&date, &spelled, &other], vec![b"12"]),
            (vec![&other, &spelled, &date, &coded, &date], vec![b"12", b"7"]),
        ] {
            let count = u8::try_from(headers.len()).unwrap();
            let bytes = ok_with(&[&[0x00, count][..], &headers.concat()].concat());
            let decoded = decode(&bytes).unwrap();
            assert_eq!(decoded.content_lengths().collect::<Vec<_>>(), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn the_reason_may_be_empty_or_null() {
        let empty = [0x01, 0x94, 0x00, 0x00, 0x00, 0x00, 0x00];
        let null = [0x01, 0x94, 0xFF, 0xFF, 0x00, 0x00];
        for bytes in [&empty[..], &null] {
            let headers = decode(bytes).unwrap();
            assert_eq!((headers.status, headers.reason().len()), (404, 0));
        }
    }

    #[test]
    fn a_status_that_http_cannot_carry_is_an_error() {
        for status in [0_u16, 99, 1000, 0xFFFF] {
            let mut bytes = ok_with(&[0x00, 0x00]);
            bytes[..2].copy_from_slice(&status.to_be_bytes());
            assert_eq!(decode(&bytes), Err(CodecError::BadStatus { status }));
        }
        for status in [100_u16, 999] {
            let mut bytes = ok_with(&[0x00, 0x00]);
            bytes[..2].copy_from_slice(&status.to_be_bytes());
            assert_eq!(decode(&bytes).unwrap().status, status);
        }
    }

    #[test]
    fn control_bytes_cannot_split_the_response() {
        for byte in (0x00..0x20).chain([0x7F]).filter(|&byte| byte != b'\t') {
            let field = Field::HeaderValue;
            let bad = CodecError::BadByte { field, offset: 1, byte };
            assert_eq!(decode(&plain(b"X", &[b'a', byte])), Err(bad));
            let bad = CodecError::BadByte { field: Field::HeaderName, offset: 1, byte };
            assert_eq!(decode(&plain(&[b'X', byte], b"")), Err(bad));
            let mut bytes = ok_with(&[0x00, 0x00]);
            bytes[5] = byte;
            let bad = CodecError::BadByte { field: Field::Reason, offset: 1, byte };
            assert_eq!(decode(&bytes), Err(bad));
        }
    }

    #[test]
    fn tabs_and_bytes_beyond_ascii_pass_in_values() {
        let headers = decode(&plain(b"X", b"a\tb \xC3\xA4 \xE4")).unwrap();
        let (_, value) = headers.headers().next().unwrap();
        assert_eq!(value, b"a\tb \xC3\xA4 \xE4");
    }

    #[test]
    fn a_name_that_is_no_token_is_an_error() {
        for byte in *b" :()<>@,;\\\"/[]?={}\t\xE4" {
            let field = Field::HeaderName;
            let bad = CodecError::BadByte { field, offset: 1, byte };
            assert_eq!(decode(&plain(&[b'X', byte, b'Y'], b"")), Err(bad));
        }
        assert_eq!(decode(&plain(b"", b"v")), Err(CodecError::EmptyHeaderName));
    }

    #[test]
    fn an_unknown_code_is_an_error() {
        for low in [0x00, 0x0C, 0xFF] {
            let code = 0xA000 | u16::from(low);
            let bytes = ok_with(&[0x00, 0x01, 0xA0, low, 0x00, 0x00, 0x00]);
            assert_eq!(decode(&bytes), Err(CodecError::UnknownHeaderCode { code }));
        }
    }

    #[test]
    fn null_names_and_values_are_errors() {
        let name = ok_with(&[0x00, 0x01, 0xFF, 0xFF, 0x00, 0x00, 0x00]);
        assert_eq!(decode(&name), Err(CodecError::NullString { field: Field::HeaderName }));
        let value = ok_with(&[0x00, 0x01, 0x00, 0x01, b'X', 0x00, 0xFF, 0xFF]);
        assert_eq!(decode(&value), Err(CodecError::NullString { field: Field::HeaderValue }));
    }

    #[test]
    fn a_header_count_the_packet_cannot_hold_is_an_error_before_any_is_read() {
        for (high, low) in [(0xFF, 0xFF), (0x00, 0x02)] {
            let bytes = ok_with(&[high, low, 0xA0, 0x01, 0x00, 0x00, 0x00]);
            let count = u16::from_be_bytes([high, low]);
            assert_eq!(decode(&bytes), Err(CodecError::TooManyHeaders { count, left: 5 }));
        }
    }

    #[test]
    fn more_headers_than_announced_are_an_error() {
        let bytes = ok_with(&[0x00, 0x00, 0xA0, 0x01, 0x00, 0x00, 0x00]);
        let left = CodecError::TrailingBytes { field: Field::HeaderValue, left: 5 };
        assert_eq!(decode(&bytes), Err(left));
    }

    #[test]
    fn a_packet_cut_anywhere_is_an_error() {
        let whole = plain(b"X-Cut", b"value");
        for end in 0..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "{end} of {}", whole.len());
        }
    }
}
