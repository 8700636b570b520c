//! Builds one packet; its length is filled in from what was really written.

use std::ffi::CStr;

use super::error::{EncodeError, Field};
use super::packet::{Direction, HEADER_LEN, PacketSize};
use super::reader::NULL_STRING;
use super::scan::copy_has_nul;

/// Bytes a string adds to its own: two of length, one NUL.
pub(super) const STRING_OVERHEAD: usize = 3;

/// A packet to the container in the making.
///
/// What goes beyond the limit is counted and not written, so that the error can say how long the packet would
/// have been, and never more than the limit is allocated. The first error is kept until the end: until then
/// nothing is sent.
#[derive(Debug)]
pub(super) struct Writer {
    /// Of no meaning from `len` on.
    packet: Vec<u8>,
    len: usize,
    limit: PacketSize,
    error: Option<EncodeError>,
}

impl Writer {
    /// Starts a packet of `limit` bytes at most in the memory of `used`, whatever that is.
    pub(super) fn new(limit: PacketSize, mut used: Vec<u8>) -> Writer {
        if used.len() < HEADER_LEN {
            used.resize(USUAL, 0);
        }
        used[..2].copy_from_slice(&Direction::ToContainer.magic());
        Writer { packet: used, len: HEADER_LEN, limit, error: None }
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
        self.bytes([value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(value.to_be_bytes());
    }

    /// Writes these bytes, which may be several numbers.
    pub(super) fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(space) = self.space(N) {
            space.copy_from_slice(&bytes);
        }
    }

    /// Writes the length, the bytes and a NUL. A NUL among the bytes is an error.
    ///
    /// A length that fits in a packet is less than `FF FF`, which means null.
    pub(super) fn string(&mut self, value: &[u8], field: Field) {
        match self.string_space(value.len()) {
            Some(space) => {
                if copy_has_nul(value, space) {
                    self.nul_in(field);
                }
            }
            None => self.string_beyond_limit(value, field),
        }
    }

    /// What has no space is not sent, but looked at: a NUL is the error to tell of.
    #[cold]
    fn string_beyond_limit(&mut self, value: &[u8], field: Field) {
        if value.contains(&0x00) {
            self.nul_in(field);
        }
    }

    #[cold]
    fn nul_in(&mut self, field: Field) {
        self.fail(EncodeError::NulInString { field });
    }

    /// The same for a text of C's, which has no NUL among its bytes.
    pub(super) fn c_string(&mut self, value: &CStr) {
        self.without_nul([], value.to_bytes());
    }

    /// The same behind a byte.
    #[inline]
    pub(super) fn u8_and_c_string(&mut self, byte: u8, value: &CStr) {
        self.without_nul([byte], value.to_bytes());
    }

    /// The same behind a number.
    pub(super) fn u16_and_c_string(&mut self, number: u16, value: &CStr) {
        self.without_nul(number.to_be_bytes(), value.to_bytes());
    }

    /// Writes the length and the NUL of a string; returns the place of its bytes.
    #[inline]
    fn string_space(&mut self, len: usize) -> Option<&mut [u8]> {
        let [high, low, rest @ .., nul] = self.space(len + STRING_OVERHEAD)? else { return None };
        [*high, *low] = (len as u16).to_be_bytes();
        *nul = 0x00;
        Some(rest)
    }

    /// Writes a string behind these bytes, at once.
    #[inline]
    fn without_nul<const N: usize>(&mut self, before: [u8; N], value: &[u8]) {
        let Some(space) = self.space(N + value.len() + STRING_OVERHEAD) else { return };
        let Some((front, string)) = space.split_first_chunk_mut() else { return };
        let [high, low, rest @ .., nul] = string else { return };
        *front = before;
        [*high, *low] = (value.len() as u16).to_be_bytes();
        *nul = 0x00;
        rest.copy_from_slice(value);
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

    /// Keeps an error, unless there is one already.
    #[cold]
    pub(super) fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    /// Fills in the length and returns the packet; `None` if it is beyond the limit.
    ///
    /// # Errors
    /// The first that has been kept.
    pub(super) fn finish(mut self) -> Result<Option<Vec<u8>>, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.len > self.limit.bytes() {
            return Ok(None);
        }
        self.set_u16(2, (self.len - HEADER_LEN) as u16);
        self.packet.truncate(self.len);
        Ok(Some(self.packet))
    }

    /// The next `count` bytes; `None`: they are beyond the limit, and counted.
    #[inline]
    fn space(&mut self, count: usize) -> Option<&mut [u8]> {
        let end = self.len + count;
        if end > self.packet.len() {
            return self.new_space(count);
        }
        let start = std::mem::replace(&mut self.len, end);
        self.packet.get_mut(start..end)
    }

    #[cold]
    fn new_space(&mut self, count: usize) -> Option<&mut [u8]> {
        let start = self.len;
        self.len += count;
        if self.len > self.limit.bytes() {
            return None;
        }
        let wanted = self.len.next_power_of_two().max(USUAL);
        self.packet.resize(wanted.min(self.limit.bytes()), 0);
        self.packet.get_mut(start..self.len)
    }
}

/// What most requests fit in.
const USUAL: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn new(limit: PacketSize) -> Writer {
        Writer::new(limit, Vec::new())
    }

    #[test]
    fn the_length_counts_the_written_bytes() {
        let mut writer = new(PacketSize::MIN);
        writer.u8(0x0A);
        assert_eq!(writer.finish(), Ok(Some(vec![0x12, 0x34, 0x00, 0x01, 0x0A])));
    }

    #[test]
    fn nothing_is_left_of_what_the_memory_was_used_for() {
        for used in [1, 4, 1023, 1024, 3000, 70_000] {
            let mut writer = Writer::new(PacketSize::MIN, vec![0xEE; used]);
            let mut fresh = new(PacketSize::MIN);
            for writer in [&mut writer, &mut fresh] {
                writer.string(b"", Field::ReqUri);
                writer.null_string();
                writer.string(&[b'x'; 2000], Field::HeaderValue);
                writer.u8(7);
            }
            assert_eq!(writer.finish(), fresh.finish(), "{used}");
        }
    }

    #[test]
    fn what_is_beyond_the_limit_is_counted_and_not_kept() {
        for used in [0, 70_000] {
            let long = vec![b'x'; 8192 - HEADER_LEN - STRING_OVERHEAD];
            let mut writer = Writer::new(PacketSize::MIN, vec![0; used]);
            writer.string(&long, Field::ReqUri);
            assert_eq!(writer.len(), 8192);
            writer.u8(1);
            writer.null_string();
            writer.string(&[b'y'; 70_000], Field::ReqUri);
            assert_eq!(writer.len(), 8192 + 1 + 2 + 70_003);
            assert_eq!(writer.packet.len(), used.max(8192));
            assert_eq!(writer.finish(), Ok(None));
        }
    }

    #[test]
    fn a_packet_grows_up_to_its_limit_with_all_that_was_written() {
        let mut writer = new(PacketSize::MAX);
        let mut expected = Vec::new();
        while writer.len() + 1000 + STRING_OVERHEAD <= PacketSize::MAX.bytes() {
            writer.string(&[b'z'; 1000], Field::HeaderValue);
            expected.extend_from_slice(&[0x03, 0xE8]);
            expected.extend_from_slice(&[b'z'; 1000]);
            expected.push(0);
        }
        let packet = writer.finish().unwrap().unwrap();
        assert_eq!(packet[HEADER_LEN..], expected);
        assert_eq!(packet[2..4], u16::try_from(expected.len()).unwrap().to_be_bytes());
    }

    #[test]
    fn a_nul_in_a_string_is_an_error_and_the_first_one_counts() {
        let mut writer = new(PacketSize::MIN);
        writer.string(b"a\0b", Field::Secret);
        writer.string(b"\0", Field::ReqUri);
        let nul = EncodeError::NulInString { field: Field::Secret };
        assert_eq!(writer.finish(), Err(nul));
    }

    #[test]
    fn a_nul_is_an_error_also_in_a_string_that_is_beyond_the_limit() {
        let mut writer = new(PacketSize::MIN);
        writer.string(&[b'x'; 9000], Field::ReqUri);
        writer.string(b"a\0b", Field::HeaderValue);
        let nul = EncodeError::NulInString { field: Field::HeaderValue };
        assert_eq!(writer.finish(), Err(nul));
    }
}
