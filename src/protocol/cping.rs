//! CPING and CPONG: is the container there, and listening?

use super::packet::{Direction, HEADER_LEN};

/// The packet that asks: `12 34 00 01 0A`.
pub const CPING: [u8; 5] = [0x12, 0x34, 0x00, 0x01, 0x0A];

/// Makes a CPING padded with zeros to `size` bytes in all, including its header of four; at least a plain
/// CPING, at most as long as a packet can be.
///
/// A container that reads the type byte alone takes it for CPING; one whose packets are smaller refuses
/// it (Tomcat `AjpMessage.processHeader`).
pub fn padded_cping(size: usize) -> Vec<u8> {
    let payload = u16::try_from(size.saturating_sub(HEADER_LEN)).unwrap_or(u16::MAX).max(1);
    let mut packet = Vec::with_capacity(HEADER_LEN + usize::from(payload));
    packet.extend(Direction::ToContainer.magic());
    packet.extend(payload.to_be_bytes());
    packet.push(CPING[HEADER_LEN]);
    packet.resize(HEADER_LEN + usize::from(payload), 0);
    packet
}

/// The packet that answers, whole: `41 42 00 01 09`. Decoded it is
/// [`Response::CPong`](super::Response::CPong).
pub const CPONG: [u8; 5] = [0x41, 0x42, 0x00, 0x01, 0x09];

/// The payload of [`CPONG`]: its type byte, alone.
pub const CPONG_PAYLOAD: [u8; 1] = [0x09];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_cping_is_as_long_as_it_says_and_begins_as_a_plain_one_does() {
        let packet = padded_cping(8192);
        assert_eq!(packet.len(), 8192);
        assert_eq!(packet[..6], [0x12, 0x34, 0x1f, 0xfc, 0x0a, 0x00]);
        assert_eq!(padded_cping(5), CPING);
        assert_eq!(padded_cping(65536).len(), 65536);
    }

    #[test]
    fn a_padded_cping_is_never_longer_or_shorter_than_a_packet_can_be() {
        assert_eq!(padded_cping(0), CPING);
        assert_eq!(padded_cping(100_000).len(), 65539);
    }
}
