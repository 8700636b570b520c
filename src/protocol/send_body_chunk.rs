//! SEND_BODY_CHUNK: a piece of the response body, or a flush.

use super::buffer_slice::BufferSlice;
use super::error::{CodecError, Field};
use super::reader::Reader;

/// A piece of the response body. Layout: `03`, length (u16), data, one more byte.
///
/// That last byte is missing in the AJPv13 reference. Every container sends it, as `00`, since
/// Tomcat writes the chunk as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendBodyChunk {
    /// The data, a slice of the packet. Empty: the container flushes.
    pub data: BufferSlice,
}

impl SendBodyChunk {
    /// Tells whether this is the container's flush: an empty chunk.
    pub fn is_flush(&self) -> bool {
        self.data.is_empty()
    }

    /// Reads what follows the type byte.
    ///
    /// The length must be exactly what the packet leaves for data, as in mod_proxy_ajp: a shorter
    /// one would hide bytes, a longer one would read past the end (CVE-2026-34059). As there, the value of
    /// the last byte does not matter.
    pub(super) fn decode(payload: BufferSlice) -> Result<SendBodyChunk, CodecError> {
        let mut reader = Reader::behind_type(&payload);
        let stated = usize::from(reader.u16(Field::ChunkLength)?);
        let left = reader.left();
        let Some(room) = left.checked_sub(1) else {
            return Err(CodecError::Truncated { field: Field::ChunkData, needed: 1, left });
        };
        if stated != room {
            return Err(CodecError::ChunkLength { stated, room });
        }
        let start = payload.len() - left;
        Ok(SendBodyChunk { data: payload.narrowed(start..start + stated) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows the type byte.
    fn decode(bytes: &[u8]) -> Result<SendBodyChunk, CodecError> {
        SendBodyChunk::decode([&[0x03], bytes].concat().into())
    }

    #[test]
    fn the_data_is_a_slice_of_the_packet() {
        let payload = BufferSlice::from(&[0x03, 0x00, 0x02, b'h', b'i', 0x00]);
        let chunk = SendBodyChunk::decode(payload.clone()).unwrap();
        assert_eq!(chunk.data, b"hi"[..]);
        assert_eq!(chunk.data.as_ptr(), payload[3..].as_ptr());
        assert!(!chunk.is_flush());
    }

    #[test]
    fn an_empty_chunk_is_a_flush() {
        assert!(decode(&[0x00, 0x00, 0x00]).unwrap().is_flush());
    }

    #[test]
    fn a_length_that_disagrees_with_the_packet_is_an_error() {
        let longer = CodecError::ChunkLength { stated: 3, room: 2 };
        assert_eq!(decode(&[0x00, 0x03, b'h', b'i', 0x00]), Err(longer));
        let shorter = CodecError::ChunkLength { stated: 1, room: 2 };
        assert_eq!(decode(&[0x00, 0x01, b'h', b'i', 0x00]), Err(shorter));
    }

    #[test]
    fn the_byte_after_the_data_must_be_there_whatever_it_is() {
        let missing = CodecError::ChunkLength { stated: 2, room: 1 };
        assert_eq!(decode(&[0x00, 0x02, b'h', b'i']), Err(missing));
        assert_eq!(decode(&[0x00, 0x01, b'h', b'!']).unwrap().data, b"h"[..]);
        let empty = CodecError::Truncated { field: Field::ChunkData, needed: 1, left: 0 };
        assert_eq!(decode(&[0x00, 0x00]), Err(empty));
    }
}
