//! END_RESPONSE: the response is complete; may the connection be used again?

use super::codes::packet_type;
use super::error::{CodecError, Field};
use super::packet::{Direction, HEADER_LEN, packet_len};
use super::reader::Reader;

/// The end of a response. Layout: `05`, reuse flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndResponse {
    /// The container will read another request on this connection.
    ///
    /// True for the byte `01` alone, as the AJPv13 reference defines a boolean. Tomcat sends `00`
    /// after an error, a request it refused (400, 403) among them, and then closes.
    pub reuse: bool,
}

impl EndResponse {
    /// Reads what follows the type byte.
    pub(super) fn decode(mut reader: Reader<'_>) -> Result<EndResponse, CodecError> {
        let reuse = reader.u8(Field::Reuse)? == 0x01;
        reader.finish(Field::Reuse)?;
        Ok(EndResponse { reuse })
    }

    /// Whether an END_RESPONSE is among these packets from a container; the last may be incomplete.
    #[must_use]
    pub fn is_among(mut packets: &[u8]) -> bool {
        while let Ok(Some(length)) = packet_len(packets, Direction::FromContainer) {
            if packets.get(HEADER_LEN) == Some(&packet_type::END_RESPONSE) {
                return true;
            }
            packets = packets.get(length..).unwrap_or_default();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<EndResponse, CodecError> {
        EndResponse::decode(Reader::new(bytes))
    }

    #[test]
    fn only_01_means_reuse() {
        assert_eq!(decode(&[0x01]), Ok(EndResponse { reuse: true }));
        for byte in [0x00, 0x02, 0xFF] {
            assert_eq!(decode(&[byte]), Ok(EndResponse { reuse: false }), "{byte:#04x}");
        }
    }

    #[test]
    fn an_end_is_found_among_packets_and_not_within_one() {
        let flush = [0x41, 0x42, 0x00, 0x04, 0x03, 0x00, 0x00, 0x00];
        let ask = [0x41, 0x42, 0x00, 0x03, 0x06, 0x1F, 0xFA];
        let end = [0x41, 0x42, 0x00, 0x02, 0x05, 0x01];
        let is_among = |packets: &[&[u8]]| EndResponse::is_among(&packets.concat());
        assert!(is_among(&[&end]) && is_among(&[&flush, &ask, &end]) && is_among(&[&end[..5]]));
        assert!(!is_among(&[]) && !is_among(&[&flush, &ask]) && !is_among(&[&ask, &end[..4]]));
        let quoted = [&[0x41, 0x42, 0x00, 0x0A, 0x03, 0x00, 0x06][..], &end, &[0x00]].concat();
        assert!(!is_among(&[&quoted]) && !is_among(&[&quoted[..13]]), "it is a response's body");
        assert!(!is_among(&[&[0x41, 0x42, 0x00, 0x00, 0x05]]), "what is no packet ends the search");
    }

    #[test]
    fn the_flag_must_be_there_and_be_last() {
        let missing = CodecError::Truncated { field: Field::Reuse, needed: 1, left: 0 };
        assert_eq!(decode(&[]), Err(missing));
        let more = CodecError::TrailingBytes { field: Field::Reuse, left: 1 };
        assert_eq!(decode(&[0x01, 0x00]), Err(more));
    }
}
