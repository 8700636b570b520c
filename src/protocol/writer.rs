//! Builds one packet; its length is filled in from what was really written.

use super::error::{EncodeError, Field};
use super::packet::{Direction, HEADER_LEN};
use super::reader::NULL_STRING;
use super::scan::has_any;

/// Bytes a string adds to its own: two of length, one NUL.
pub(super) const STRING_OVERHEAD: usize = 3;

/// A packet to the container in the making.
#[derive(Debug)]
pub(super) struct Writer {
    packet: Vec<u8>,
}

impl Writer {
    /// Starts a packet of `capacity` bytes in all; more is allowed, but allocates again.
    pub(super) fn with_capacity(capacity: usize) -> Writer {
        let mut packet = Vec::with_capacity(capacity);
        packet.extend_from_slice(&Direction::ToContainer.magic());
        packet.extend_from_slice(&[0x00, 0x00]);
        Writer { packet }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.packet.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.packet.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes the length, the bytes and a NUL.
    ///
    /// # Errors
    /// [`EncodeError::StringTooLong`] above 65534 bytes, since `FF FF` means null;
    /// [`EncodeError::NulInString`].
    pub(super) fn string(&mut self, value: &[u8], field: Field) -> Result<(), EncodeError> {
        let length = match u16::try_from(value.len()) {
            Ok(length) if length != NULL_STRING => length,
            _ => return Err(EncodeError::StringTooLong { field, length: value.len() }),
        };
        if has_any(value, |byte| byte == 0x00) {
            return Err(EncodeError::NulInString { field });
        }
        self.u16(length);
        self.packet.extend_from_slice(value);
        self.u8(0x00);
        Ok(())
    }

    /// Writes the null string.
    pub(super) fn null_string(&mut self) {
        self.u16(NULL_STRING);
    }

    /// Fills in the length and returns the packet; `None` if a u16 cannot say it.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        let payload = u16::try_from(self.packet.len().checked_sub(HEADER_LEN)?).ok()?;
        self.packet.get_mut(2..HEADER_LEN)?.copy_from_slice(&payload.to_be_bytes());
        Some(self.packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_the_written_bytes() {
        let mut writer = Writer::with_capacity(0);
        writer.u8(0x0A);
        assert_eq!(writer.finish(), Some(vec![0x12, 0x34, 0x00, 0x01, 0x0A]));
    }

    #[test]
    fn a_string_of_65534_bytes_is_the_longest() {
        let long = vec![b'x'; 65535];
        let mut writer = Writer::with_capacity(0);
        let too_long = EncodeError::StringTooLong { field: Field::ReqUri, length: 65535 };
        assert_eq!(writer.string(&long, Field::ReqUri), Err(too_long));
        assert_eq!(writer.string(&long[1..], Field::ReqUri), Ok(()));
        assert_eq!(writer.finish(), None, "65537 bytes of payload");
    }

    #[test]
    fn a_nul_in_a_string_is_an_error() {
        let mut writer = Writer::with_capacity(0);
        let nul = EncodeError::NulInString { field: Field::Secret };
        assert_eq!(writer.string(b"a\0b", Field::Secret), Err(nul));
    }
}
