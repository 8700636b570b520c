//! Builds one packet; its length is filled in from what was really written.

use super::error::{EncodeError, Field};
use super::packet::{Direction, HEADER_LEN, PacketSize};
use super::reader::NULL_STRING;
use super::scan::has_any;

/// Bytes a string adds to its own: two of length, one NUL.
pub(super) const STRING_OVERHEAD: usize = 3;

/// A packet to the container in the making.
///
/// What goes beyond the limit is counted and not written, so that the error can say how long the packet would
/// have been, and never more than the limit is allocated.
#[derive(Debug)]
pub(super) struct Writer {
    /// Zeros from `len` on.
    packet: Vec<u8>,
    len: usize,
    limit: PacketSize,
}

impl Writer {
    /// Starts a packet of `limit` bytes at most.
    pub(super) fn new(limit: PacketSize) -> Writer {
        let mut packet = vec![0; USUAL];
        packet[..2].copy_from_slice(&Direction::ToContainer.magic());
        Writer { packet, len: HEADER_LEN, limit }
    }

    /// Bytes so far, header included, with those beyond the limit.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The most bytes that the packet may have.
    pub(super) fn limit(&self) -> usize {
        self.limit.bytes()
    }

    pub(super) fn u8(&mut self, value: u8) {
        if let Some(space) = self.space(1) {
            space[0] = value;
        }
    }

    pub(super) fn u16(&mut self, value: u16) {
        if let Some(space) = self.space(2) {
            space.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Writes the length, the bytes and a NUL.
    ///
    /// A length that fits in a packet is less than `FF FF`, which means null.
    ///
    /// # Errors
    /// [`EncodeError::NulInString`].
    pub(super) fn string(&mut self, value: &[u8], field: Field) -> Result<(), EncodeError> {
        if has_any(value, |byte| byte == 0x00) {
            return Err(EncodeError::NulInString { field });
        }
        if let Some(space) = self.space(value.len() + STRING_OVERHEAD) {
            let [high, low, rest @ ..] = space else { return Ok(()) };
            [*high, *low] = (value.len() as u16).to_be_bytes();
            // The NUL is there.
            rest[..value.len()].copy_from_slice(value);
        }
        Ok(())
    }

    /// Writes the null string.
    pub(super) fn null_string(&mut self) {
        self.u16(NULL_STRING);
    }

    /// Writes a number over an earlier one, which begins at byte `at`.
    pub(super) fn set_u16(&mut self, at: usize, value: u16) {
        if let Some(place) = self.packet.get_mut(at..at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Fills in the length and returns the packet; `None` if it is beyond the limit.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if self.len > self.packet.len() {
            return None;
        }
        self.set_u16(2, (self.len - HEADER_LEN) as u16);
        self.packet.truncate(self.len);
        Some(self.packet)
    }

    /// The next `count` bytes, which are zeros; `None`: they are beyond the limit, and counted.
    #[inline]
    fn space(&mut self, count: usize) -> Option<&mut [u8]> {
        let (start, end) = (self.len, self.len + count);
        self.len = end;
        if end > self.packet.len() {
            self.grow();
        }
        self.packet.get_mut(start..end)
    }

    #[cold]
    fn grow(&mut self) {
        if self.len <= self.limit.bytes() {
            self.packet.resize(self.len.next_power_of_two().min(self.limit.bytes()), 0);
        }
    }
}

/// What most requests fit in.
const USUAL: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_the_written_bytes() {
        let mut writer = Writer::new(PacketSize::MIN);
        writer.u8(0x0A);
        assert_eq!(writer.finish(), Some(vec![0x12, 0x34, 0x00, 0x01, 0x0A]));
    }

    #[test]
    fn what_is_beyond_the_limit_is_counted_and_not_kept() {
        let long = vec![b'x'; 8192 - HEADER_LEN - STRING_OVERHEAD];
        let mut writer = Writer::new(PacketSize::MIN);
        assert_eq!(writer.string(&long, Field::ReqUri), Ok(()));
        assert_eq!(writer.len(), 8192);
        writer.u8(1);
        writer.null_string();
        assert_eq!(writer.string(&[b'y'; 70_000], Field::ReqUri), Ok(()));
        assert_eq!(writer.len(), 8192 + 1 + 2 + 70_003);
        assert_eq!(writer.packet.len(), 8192);
        assert_eq!(writer.finish(), None);
    }

    #[test]
    fn a_packet_grows_up_to_its_limit_with_all_that_was_written() {
        let mut writer = Writer::new(PacketSize::MAX);
        let mut expected = Vec::new();
        while writer.len() + 1000 + STRING_OVERHEAD <= PacketSize::MAX.bytes() {
            writer.string(&[b'z'; 1000], Field::HeaderValue).unwrap();
            expected.extend_from_slice(&[0x03, 0xE8]);
            expected.extend_from_slice(&[b'z'; 1000]);
            expected.push(0);
        }
        let packet = writer.finish().unwrap();
        assert_eq!(packet[HEADER_LEN..], expected);
        assert_eq!(packet[2..4], u16::try_from(expected.len()).unwrap().to_be_bytes());
    }

    #[test]
    fn a_nul_in_a_string_is_an_error() {
        let mut writer = Writer::new(PacketSize::MIN);
        let nul = EncodeError::NulInString { field: Field::Secret };
        assert_eq!(writer.string(b"a\0b", Field::Secret), Err(nul));
    }
}
