//! Properties that hold for any bytes. The mutation test and the fuzz targets share them.

use mod_proxy_ajp_rs::protocol::{
    BufferSlice, CodecError, Direction, EncodeError, ForwardRequest, PacketSize, Response,
    packet_len, split_packet,
};

use super::encode::{self, Packet};

/// Checks that splitting takes exactly one packet or leaves the buffer unchanged, and returns the same however
/// the bytes arrive.
pub fn check_split(stream: &[u8], direction: Direction) {
    let mut buf = BufferSlice::from(stream);
    loop {
        let before = buf.clone();
        match split_packet(&mut buf, direction) {
            Ok(Some(payload)) => {
                assert_eq!(before.len(), 4 + payload.len() + buf.len());
                assert_eq!(payload, before[4..4 + payload.len()]);
                assert_eq!(buf, before[4 + payload.len()..]);
            }
            Ok(None) => {
                assert_eq!(before, buf);
                let length = packet_len(&buf, direction).expect("split had no objection");
                assert!(length.is_none_or(|length| length > buf.len()));
                return;
            }
            Err(error) => {
                assert_eq!(before, buf);
                assert_eq!(packet_len(&buf, direction), Err(error));
                return;
            }
        }
    }
}

/// Checks that a decoded response is complete: encoded again by another encoder it is the same packet, except
/// for parts that have two spellings. Returns whether it decodes.
pub fn check_response(payload: &[u8]) -> bool {
    let Ok(response) = Response::decode(BufferSlice::from(payload)) else { return false };
    match response {
        Response::SendHeaders(headers) => {
            assert!((100..=999).contains(&headers.status));
            let text = headers.headers().map(|(_, value)| value).chain([headers.reason()]);
            for bytes in text {
                assert!(!bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            }
            let build = || {
                headers.headers().fold(encode::headers(headers.status), |built, (name, value)| {
                    match name.code() {
                        Some(header) => built.coded_header(header.code(), value),
                        None => built.plain_header(name.name(), value),
                    }
                })
            };
            let with_reason = build().reason(headers.reason()).into_bytes();
            let with_null = build().null_reason().into_bytes();
            let null = headers.reason().is_empty() && with_null[4..] == *payload;
            assert!(null || with_reason[4..] == *payload);
        }
        // The byte behind the data may be any.
        Response::SendBodyChunk(chunk) => {
            let built = encode::chunk(&chunk.data[..]);
            assert_eq!(built[4..built.len() - 1], payload[..payload.len() - 1]);
        }
        // Any byte but 01 means that the connection ends.
        Response::EndResponse(end) => {
            assert_eq!(payload.len(), 2);
            assert_eq!(end.reuse, payload[1] == 0x01);
        }
        Response::GetBodyChunk(get) => {
            assert_eq!(encode::get_body_chunk(get.requested_length)[4..], *payload);
        }
        Response::CPong => assert_eq!(encode::cpong()[4..], *payload),
    }
    true
}

/// Checks that a decoded request can be encoded, unless a string contains a NUL, and is then decoded as the
/// same request. Returns whether it decodes.
pub fn check_request(payload: &[u8]) -> bool {
    let Ok(received) = ForwardRequest::decode(payload) else { return false };
    let packet = match received.as_request().encode(PacketSize::MAX) {
        Ok(packet) => packet,
        Err(EncodeError::NulInString { .. }) => return true,
        // A payload can have 65535 bytes, three more than the largest packet size has room for.
        Err(EncodeError::TooLarge { total, .. }) => {
            assert!(total > PacketSize::MAX.bytes());
            return true;
        }
        Err(error) => panic!("cannot encode what was decoded: {error}"),
    };
    let again: Result<_, CodecError> = ForwardRequest::decode(&packet[4..]);
    let again = again.expect("what we encode is FORWARD_REQUEST");
    assert_eq!(again.as_request().encode(PacketSize::MAX).as_ref(), Ok(&packet));
    assert_eq!(again.method, received.method);
    assert_eq!(again.req_uri, received.req_uri);
    assert_eq!(again.attributes, received.attributes);
    assert_eq!(again.headers.len(), received.headers.len());
    for ((name, value), (name_again, value_again)) in received.headers.iter().zip(&again.headers) {
        assert!(name.eq_ignore_ascii_case(name_again));
        assert_eq!(value, value_again);
    }
    true
}
