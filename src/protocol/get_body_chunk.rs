//! GET_BODY_CHUNK: the container wants more of the request body.

use super::codes::packet_type;
use super::error::{CodecError, Field};
use super::packet::HEADER_LEN;
use super::reader::Reader;

/// A request for one request-body packet. Layout: `06`, requested length (u16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetBodyChunk {
    /// Most data bytes the container will take. Never send more: Tomcat refuses the packet.
    pub requested_length: u16,
}

impl GetBodyChunk {
    /// The length of the packet in bytes, which is always the same.
    pub const PACKET: usize = HEADER_LEN + 3;

    /// Returns the container's packet size in bytes as this packet implies it: the requested length plus
    /// six bytes of framing. Tomcat always asks for `packetSize - 6`.
    ///
    /// A number from the peer, so it may be outside what
    /// [`PacketSize::new`](super::PacketSize::new) takes: `6..=65541`.
    pub fn packet_size(self) -> usize {
        usize::from(self.requested_length) + HEADER_LEN + 2
    }

    /// Returns whether this is the payload of a GET_BODY_CHUNK, by its type.
    pub fn is_payload(payload: &[u8]) -> bool {
        payload.first() == Some(&packet_type::GET_BODY_CHUNK)
    }

    /// Reads what follows the type byte.
    pub(super) fn decode(mut reader: Reader<'_>) -> Result<GetBodyChunk, CodecError> {
        let requested_length = reader.u16(Field::RequestedLength)?;
        reader.finish(Field::RequestedLength)?;
        Ok(GetBodyChunk { requested_length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<GetBodyChunk, CodecError> {
        GetBodyChunk::decode(Reader::new(bytes))
    }

    #[test]
    fn the_requested_length_tells_the_packet_size() {
        assert_eq!(decode(&[0x1F, 0xFA]).unwrap().packet_size(), 8192);
        assert_eq!(decode(&[0xFF, 0xFA]).unwrap().packet_size(), 65536);
    }

    #[test]
    fn a_length_of_one_or_three_bytes_is_an_error() {
        let field = Field::RequestedLength;
        assert_eq!(decode(&[0x1F]), Err(CodecError::Truncated { field, needed: 2, left: 1 }));
        assert_eq!(decode(&[0x1F, 0xFA, 0]), Err(CodecError::TrailingBytes { field, left: 1 }));
    }
}
