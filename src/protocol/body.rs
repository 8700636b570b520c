//! Request-body packets: a length and data, without a type byte and without a NUL.

use super::buffer_slice::BufferSlice;
use super::error::{CodecError, EncodeError, Field};
use super::packet::Direction;
use super::reader::Reader;

/// The packet that ends a request body: `12 34 00 02 00 00`.
///
/// Sent in answer to a GET_BODY_CHUNK when nothing is left. Tomcat asks for it even after
/// Content-Length bytes, if the servlet reads on to the end; it never reads one it did not ask for,
/// and takes such a stray packet for the next request.
pub const EMPTY_BODY: [u8; 6] = [0x12, 0x34, 0x00, 0x02, 0x00, 0x00];

/// Most data bytes in one packet: its length field counts the two bytes of data length as well.
const MAX_DATA: usize = 0xFFFD;

/// Makes the six bytes that go in front of `len` bytes of body data, for one `writev` with them.
///
/// With `len` 0 the result is [`EMPTY_BODY`], which says that the body ends. How many bytes the
/// container accepts is another question: [`PacketSize::max_body`](super::PacketSize::max_body).
///
/// # Errors
/// [`EncodeError::BodyTooLong`] above 65533 bytes.
pub fn data_header(len: usize) -> Result<[u8; 6], EncodeError> {
    let too_long = EncodeError::BodyTooLong { length: len, limit: MAX_DATA };
    let data = u16::try_from(len).map_err(|_| too_long)?;
    let payload = data.checked_add(2).ok_or(too_long)?;
    let [magic_1, magic_2] = Direction::ToContainer.magic();
    let [payload_1, payload_2] = payload.to_be_bytes();
    let [data_1, data_2] = data.to_be_bytes();
    Ok([magic_1, magic_2, payload_1, payload_2, data_1, data_2])
}

/// Reads the payload of a request-body packet; empty data is the end of the body.
///
/// The container's side, for tests and tools. A packet without any payload ends the body too, as in
/// Tomcat.
///
/// # Errors
/// [`CodecError::Truncated`]; [`CodecError::ChunkLength`] when the stated length is not the length
/// of the data.
pub fn decode_data(payload: BufferSlice) -> Result<BufferSlice, CodecError> {
    if payload.is_empty() {
        return Ok(payload);
    }
    let mut reader = Reader::new(&payload);
    let stated = usize::from(reader.u16(Field::BodyLength)?);
    let room = reader.left();
    if stated != room {
        return Err(CodecError::ChunkLength { stated, room });
    }
    let len = payload.len();
    Ok(payload.narrowed(len - room..len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_counts_data_and_its_length_field() {
        assert_eq!(data_header(0), Ok(EMPTY_BODY));
        assert_eq!(data_header(5), Ok([0x12, 0x34, 0x00, 0x07, 0x00, 0x05]));
        assert_eq!(data_header(0x1FFA), Ok([0x12, 0x34, 0x1F, 0xFC, 0x1F, 0xFA]));
        assert_eq!(data_header(0xFFFD), Ok([0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFD]));
    }

    #[test]
    fn more_than_a_packet_can_say_is_an_error_and_never_cut() {
        for length in [0xFFFE, 0xFFFF, 0x1_0000, 0x1_0005, usize::MAX] {
            let too_long = EncodeError::BodyTooLong { length, limit: 0xFFFD };
            assert_eq!(data_header(length), Err(too_long));
        }
    }

    #[test]
    fn the_data_is_as_long_as_its_length_says() {
        let data = decode_data(BufferSlice::from(&[0x00, 0x02, b'h', b'i'])).unwrap();
        assert_eq!(data, b"hi"[..]);
        assert_eq!(decode_data(BufferSlice::from(&EMPTY_BODY[4..])), Ok(BufferSlice::default()));
        assert_eq!(decode_data(BufferSlice::default()), Ok(BufferSlice::default()));
    }

    #[test]
    fn a_data_length_that_disagrees_with_the_packet_is_an_error() {
        let longer = CodecError::ChunkLength { stated: 3, room: 2 };
        assert_eq!(decode_data(BufferSlice::from(&[0x00, 0x03, b'h', b'i'])), Err(longer));
        let shorter = CodecError::ChunkLength { stated: 1, room: 2 };
        assert_eq!(decode_data(BufferSlice::from(&[0x00, 0x01, b'h', b'i'])), Err(shorter));
    }
}
