//! The envelope: four bytes of magic and length around every payload.

use super::buffer_slice::BufferSlice;
use super::error::CodecError;

/// Bytes in front of every payload: two of magic, two of length.
pub const HEADER_LEN: usize = 4;

/// The largest packet a side may build, in bytes with its four header bytes.
///
/// A container has its own (Tomcat `packetSize`), and both must agree. Checked once, here:
/// `8192..=65536`, the range of httpd's `ProxyIOBufferSize` and `iobuffersize=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketSize(usize);

impl PacketSize {
    /// 8192 bytes: what AJP/1.3 fixed, and what a container accepts unless told otherwise.
    pub const MIN: PacketSize = PacketSize(8192);
    /// 65536 bytes: the payload length is a u16, and this is where Tomcat's documentation ends.
    pub const MAX: PacketSize = PacketSize(65536);
    /// The size to assume of an unknown container.
    pub const DEFAULT: PacketSize = PacketSize::MIN;

    /// Bytes of length in front of the data in a request-body packet.
    const BODY_LENGTH_LEN: usize = 2;

    /// Takes a size of `8192..=65536` bytes, to the byte.
    ///
    /// # Errors
    /// [`CodecError::PacketSize`] for any other.
    pub fn new(bytes: usize) -> Result<PacketSize, CodecError> {
        if !(PacketSize::MIN.0..=PacketSize::MAX.0).contains(&bytes) {
            return Err(CodecError::PacketSize { bytes });
        }
        Ok(PacketSize(bytes))
    }

    /// Takes any number, as mod_proxy_ajp takes `iobuffersize`: clamps it to `8192..=65536`, then rounds up
    /// to the next multiple of 1024.
    pub fn clamped(bytes: usize) -> PacketSize {
        PacketSize(bytes.clamp(PacketSize::MIN.0, PacketSize::MAX.0).next_multiple_of(1024))
    }

    /// The whole packet, header included.
    pub fn bytes(self) -> usize {
        self.0
    }

    /// Data bytes one request-body packet can carry: `bytes() - 6`.
    pub fn max_body(self) -> usize {
        self.0 - HEADER_LEN - PacketSize::BODY_LENGTH_LEN
    }
}

impl Default for PacketSize {
    fn default() -> PacketSize {
        PacketSize::DEFAULT
    }
}

/// Which way a packet goes; each has its own magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Container to web server: `41 42` (`AB`).
    FromContainer,
    /// Web server to container: `12 34`.
    ToContainer,
}

impl Direction {
    /// The two bytes every packet of this direction starts with.
    pub const fn magic(self) -> [u8; 2] {
        match self {
            Direction::FromContainer => [0x41, 0x42],
            Direction::ToContainer => [0x12, 0x34],
        }
    }
}

/// Tells how long the packet at the front of `buf` is, header included: `4..=65539` bytes.
///
/// `Ok(None)` while there are fewer than four bytes. The configured packet size does not matter: a packet
/// that has been received may be read, and cannot be longer than 64 KiB.
///
/// # Errors
/// [`CodecError::BadMagic`] at the first wrong byte, even if it is the only one so far;
/// [`CodecError::EmptyPacket`] for a payload of no bytes from the container. (A container takes an
/// empty packet as "no body", so in the other direction it is allowed.)
pub fn packet_len(buf: &[u8], direction: Direction) -> Result<Option<usize>, CodecError> {
    for (offset, (&found, expected)) in buf.iter().zip(direction.magic()).enumerate() {
        if found != expected {
            return Err(CodecError::BadMagic { offset, expected, found });
        }
    }
    let Some(&[_, _, high, low]) = buf.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let payload = usize::from(u16::from_be_bytes([high, low]));
    if payload == 0 && direction == Direction::FromContainer {
        return Err(CodecError::EmptyPacket);
    }
    Ok(Some(HEADER_LEN + payload))
}

/// Splits one packet off the front of `buf` and returns its payload, without copying.
///
/// `Ok(None)`, leaving `buf` as it was, until all of the packet is there.
///
/// # Errors
/// As [`packet_len`]; `buf` is left as it was.
pub fn split_packet(
    buf: &mut BufferSlice,
    direction: Direction,
) -> Result<Option<BufferSlice>, CodecError> {
    match packet_len(buf, direction)? {
        Some(length) if length <= buf.len() => {
            let payload = buf.slice(HEADER_LEN..length);
            buf.advance(length);
            Ok(Some(payload))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_split_only_once_all_of_it_is_there() {
        // END_RESPONSE and the first bytes of the next packet.
        let stream = [0x41, 0x42, 0x00, 0x02, 0x05, 0x01, 0x41, 0x42, 0x00];
        for end in 0..6 {
            let mut buf = BufferSlice::from(&stream[..end]);
            assert_eq!(split_packet(&mut buf, Direction::FromContainer), Ok(None), "{end}");
            assert_eq!(buf, stream[..end]);
        }
        let mut buf = BufferSlice::from(&stream);
        let payload = split_packet(&mut buf, Direction::FromContainer).unwrap().unwrap();
        assert_eq!(payload, [0x05, 0x01][..]);
        assert_eq!(buf, stream[6..]);
        assert_eq!(split_packet(&mut buf, Direction::FromContainer), Ok(None));
    }

    #[test]
    fn the_payload_is_a_slice_of_the_buffer() {
        let mut buf = BufferSlice::from(&[0x41, 0x42, 0x00, 0x01, 0x09]);
        let at = buf[4..].as_ptr();
        let payload = split_packet(&mut buf, Direction::FromContainer).unwrap().unwrap();
        assert_eq!(payload.as_ptr(), at);
    }

    #[test]
    fn wrong_magic_is_an_error_at_the_first_wrong_byte() {
        let http = CodecError::BadMagic { offset: 0, expected: 0x41, found: 0x48 };
        assert_eq!(packet_len(b"H", Direction::FromContainer), Err(http));
        let second = CodecError::BadMagic { offset: 1, expected: 0x42, found: 0x41 };
        assert_eq!(packet_len(b"AA", Direction::FromContainer), Err(second));
    }

    #[test]
    fn a_packet_of_the_other_direction_is_refused() {
        let request = [0x12, 0x34, 0x00, 0x01, 0x0A];
        assert!(packet_len(&request, Direction::FromContainer).is_err());
        assert_eq!(packet_len(&request, Direction::ToContainer), Ok(Some(5)));
    }

    #[test]
    fn every_length_a_u16_can_say_is_accepted() {
        let longest = [0x41, 0x42, 0xFF, 0xFF];
        assert_eq!(packet_len(&longest, Direction::FromContainer), Ok(Some(65539)));
    }

    #[test]
    fn an_empty_packet_is_an_error_from_the_container_only() {
        let empty = [0x41, 0x42, 0x00, 0x00];
        assert_eq!(packet_len(&empty, Direction::FromContainer), Err(CodecError::EmptyPacket));
        assert_eq!(packet_len(&[0x12, 0x34, 0, 0], Direction::ToContainer), Ok(Some(4)));
    }

    #[test]
    fn a_packet_size_is_checked_once() {
        assert_eq!(PacketSize::new(8191), Err(CodecError::PacketSize { bytes: 8191 }));
        assert_eq!(PacketSize::new(65537), Err(CodecError::PacketSize { bytes: 65537 }));
        assert_eq!(PacketSize::new(8192), Ok(PacketSize::MIN));
        assert_eq!(PacketSize::new(65536), Ok(PacketSize::MAX));
        assert_eq!(PacketSize::new(8200).unwrap().bytes(), 8200);
    }

    #[test]
    fn a_clamped_size_is_httpd_s_reading_of_iobuffersize() {
        for (asked, made) in
            [(0, 8192), (8192, 8192), (8193, 9216), (65535, 65536), (usize::MAX, 65536)]
        {
            assert_eq!(PacketSize::clamped(asked).bytes(), made, "{asked}");
        }
    }

    #[test]
    fn a_body_packet_of_the_default_size_carries_8186_bytes() {
        assert_eq!(PacketSize::DEFAULT.max_body(), 0x1FFA);
    }
}
