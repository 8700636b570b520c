//! A cursor over one payload that never reads past its end.

use super::error::{CodecError, Field};

/// The length that says "null", not 65535 bytes.
pub(super) const NULL_STRING: u16 = 0xFFFF;

/// Reads the fields of a payload in order; every read names the field, for the error.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Reader<'a> {
        Reader { rest: payload }
    }

    /// Of what follows the byte that says which packet it is.
    pub(super) fn behind_type(payload: &'a [u8]) -> Reader<'a> {
        Reader::new(payload.get(1..).unwrap_or_default())
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn u8(&mut self, field: Field) -> Result<u8, CodecError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    pub(super) fn u16(&mut self, field: Field) -> Result<u16, CodecError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Takes the next `length` bytes.
    pub(super) fn take(&mut self, length: usize, field: Field) -> Result<&'a [u8], CodecError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(CodecError::Truncated { field, needed: length, left: self.left() });
        };
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], CodecError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(CodecError::Truncated { field, needed: N, left: self.left() });
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads a string that may be null.
    ///
    /// # Errors
    /// [`CodecError::Truncated`]; [`CodecError::MissingNul`] when the byte behind it is not `00`.
    pub(super) fn nullable_string(&mut self, field: Field) -> Result<Option<&'a [u8]>, CodecError> {
        let length = self.u16(field)?;
        self.nullable_string_of(length, field)
    }

    /// Reads a string that must not be null.
    ///
    /// # Errors
    /// As [`Reader::nullable_string`], and [`CodecError::NullString`].
    pub(super) fn string(&mut self, field: Field) -> Result<&'a [u8], CodecError> {
        self.nullable_string(field)?.ok_or(CodecError::NullString { field })
    }

    /// As [`Reader::string`], with the length already read: where a header name is expected, it
    /// might have been a code.
    ///
    /// # Errors
    /// As [`Reader::string`].
    pub(super) fn string_of(&mut self, length: u16, field: Field) -> Result<&'a [u8], CodecError> {
        self.nullable_string_of(length, field)?.ok_or(CodecError::NullString { field })
    }

    fn nullable_string_of(
        &mut self,
        length: u16,
        field: Field,
    ) -> Result<Option<&'a [u8]>, CodecError> {
        if length == NULL_STRING {
            return Ok(None);
        }
        let length = usize::from(length);
        let terminated = self.take(length + 1, field)?;
        match terminated.split_last() {
            Some((0x00, string)) => Ok(Some(string)),
            Some((&found, _)) => Err(CodecError::MissingNul { field, found }),
            None => Err(CodecError::Truncated { field, needed: length + 1, left: 0 }),
        }
    }

    /// Ends the packet after `last`.
    ///
    /// # Errors
    /// [`CodecError::TrailingBytes`] when something is left over.
    pub(super) fn finish(self, last: Field) -> Result<(), CodecError> {
        match self.left() {
            0 => Ok(()),
            left => Err(CodecError::TrailingBytes { field: last, left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: Field = Field::HeaderValue;

    #[test]
    fn a_string_is_length_bytes_and_nul() {
        let mut reader = Reader::new(&[0x00, 0x02, b'h', b'i', 0x00]);
        assert_eq!(reader.string(FIELD), Ok(&b"hi"[..]));
        assert_eq!(reader.finish(FIELD), Ok(()));
    }

    #[test]
    fn an_empty_string_has_a_nul_and_a_null_string_has_none() {
        let mut reader = Reader::new(&[0x00, 0x00, 0x00, 0xFF, 0xFF]);
        assert_eq!(reader.nullable_string(FIELD), Ok(Some(&b""[..])));
        assert_eq!(reader.nullable_string(FIELD), Ok(None));
        assert_eq!(reader.left(), 0);
    }

    #[test]
    fn a_null_string_in_place_of_a_value_is_an_error() {
        let null = Err(CodecError::NullString { field: FIELD });
        assert_eq!(Reader::new(&[0xFF, 0xFF]).string(FIELD), null);
    }

    #[test]
    fn a_string_without_its_nul_is_an_error() {
        let found = Err(CodecError::MissingNul { field: FIELD, found: b'!' });
        assert_eq!(Reader::new(&[0x00, 0x01, b'h', b'!']).string(FIELD), found);
    }

    #[test]
    fn a_string_that_ends_at_the_end_of_the_packet_is_truncated() {
        // CVE-2026-33857 and CVE-2026-34032: the NUL lies one past the payload.
        let truncated = Err(CodecError::Truncated { field: FIELD, needed: 3, left: 2 });
        assert_eq!(Reader::new(&[0x00, 0x02, b'h', b'i']).string(FIELD), truncated);
    }

    #[test]
    fn left_over_bytes_are_counted() {
        let left = Err(CodecError::TrailingBytes { field: FIELD, left: 2 });
        assert_eq!(Reader::new(&[1, 2]).finish(FIELD), left);
    }
}
