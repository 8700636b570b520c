//! The five packets a container sends, told apart by their first byte.

use super::buffer_slice::BufferSlice;
use super::codes::packet_type;
use super::error::{CodecError, Field};
use super::reader::Reader;

pub use super::end_response::EndResponse;
pub use super::get_body_chunk::GetBodyChunk;
pub use super::send_body_chunk::SendBodyChunk;
pub use super::send_headers::{ResponseHeaderName, SendHeaders};

/// A packet from the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// `04`: status and headers.
    SendHeaders(SendHeaders),
    /// `03`: a piece of the body, or a flush.
    SendBodyChunk(SendBodyChunk),
    /// `05`: the end.
    EndResponse(EndResponse),
    /// `06`: the container wants request body.
    GetBodyChunk(GetBodyChunk),
    /// `09`: the answer to CPING.
    CPong,
}

impl Response {
    /// Decodes one payload, as [`split_packet`](super::split_packet) returns it.
    ///
    /// The parts are slices of `payload` and keep its buffer alive. Which packet may come when is
    /// not decided here. No packet may have bytes after its last field; Tomcat sends none.
    ///
    /// # Errors
    /// [`CodecError`], for the first rule broken.
    pub fn decode(payload: BufferSlice) -> Result<Response, CodecError> {
        let mut reader = Reader::new(&payload);
        if reader.left() == 0 {
            return Err(CodecError::EmptyPacket);
        }
        match reader.u8(Field::PacketType)? {
            packet_type::SEND_BODY_CHUNK => {
                SendBodyChunk::decode(payload).map(Response::SendBodyChunk)
            }
            packet_type::SEND_HEADERS => SendHeaders::decode(payload).map(Response::SendHeaders),
            packet_type::END_RESPONSE => EndResponse::decode(reader).map(Response::EndResponse),
            packet_type::GET_BODY_CHUNK => GetBodyChunk::decode(reader).map(Response::GetBodyChunk),
            packet_type::CPONG => reader.finish(Field::PacketType).map(|()| Response::CPong),
            code => Err(CodecError::UnknownType { code }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cping::CPONG_PAYLOAD;
    use super::*;

    fn decode(bytes: &'static [u8]) -> Result<Response, CodecError> {
        Response::decode(BufferSlice::from(bytes))
    }

    #[test]
    fn the_first_byte_tells_the_packet() {
        assert_eq!(decode(&CPONG_PAYLOAD), Ok(Response::CPong));
        let end = EndResponse { reuse: true };
        assert_eq!(decode(&[0x05, 0x01]), Ok(Response::EndResponse(end)));
        let get = GetBodyChunk { requested_length: 8186 };
        assert_eq!(decode(&[0x06, 0x1F, 0xFA]), Ok(Response::GetBodyChunk(get)));
        let flush = SendBodyChunk { data: BufferSlice::default() };
        assert_eq!(decode(&[0x03, 0x00, 0x00, 0x00]), Ok(Response::SendBodyChunk(flush)));
    }

    #[test]
    fn packets_of_the_web_server_and_unknown_ones_are_refused() {
        for code in [0x00, 0x01, 0x02, 0x07, 0x08, 0x0A, 0xFF] {
            let payload = BufferSlice::from(&[code, 0x00]);
            assert_eq!(Response::decode(payload), Err(CodecError::UnknownType { code }));
        }
    }

    #[test]
    fn a_cpong_is_one_byte() {
        let left = CodecError::TrailingBytes { field: Field::PacketType, left: 1 };
        assert_eq!(decode(&[0x09, 0x00]), Err(left));
    }

    #[test]
    fn a_payload_without_a_type_is_an_error() {
        assert_eq!(decode(&[]), Err(CodecError::EmptyPacket));
    }
}
