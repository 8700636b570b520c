use super::*;
use crate::protocol::{EncodeError, HEADER_LEN, PacketHeaders, PacketSize};

fn get() -> ForwardRequest<'static> {
    ForwardRequest {
        method: RequestMethod::Coded(Method::Get),
        protocol: b"HTTP/1.1",
        req_uri: b"/",
        remote_addr: b"::1",
        remote_host: None,
        server_name: b"s",
        server_port: 80,
        is_ssl: false,
        headers: &[],
        attributes: &[],
    }
}

const SMALLEST: &[u8] = &[
    0x12, 0x34, 0x00, 0x23, 0x02, 0x02, // header, FORWARD_REQUEST, GET
    0x00, 0x08, b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', 0x00, // protocol
    0x00, 0x01, b'/', 0x00, // req_uri
    0x00, 0x03, b':', b':', b'1', 0x00, // remote_addr
    0xFF, 0xFF, // remote_host: null
    0x00, 0x01, b's', 0x00, // server_name
    0x00, 0x50, 0x00, 0x00, 0x00, // server_port, is_ssl, no headers
    0xFF, // no attributes
];

#[test]
fn the_fields_have_the_order_of_the_reference() {
    let packet = get().encode(PacketSize::DEFAULT).unwrap();
    assert_eq!(packet, SMALLEST);
}

#[test]
fn headers_with_a_code_are_sent_as_the_code_in_any_case() {
    let request = ForwardRequest { headers: &[(b"hOST", b"h"), (b"X", b"")], ..get() };
    let packet = request.encode(PacketSize::DEFAULT).unwrap();
    let headers = [0, 2, 0xA0, 0x0B, 0, 1, b'h', 0, 0, 1, b'X', 0, 0, 0, 0, 0xFF];
    assert!(packet.ends_with(&headers));
}

#[test]
fn a_stored_method_comes_before_the_first_request_attribute() {
    let attributes = [
        Attribute::SslKeySize(256),
        Attribute::ReqAttribute { name: b"a", value: b"1" },
        Attribute::ReqAttribute { name: b"b", value: b"2" },
    ];
    let method = RequestMethod::from_name(b"PATCH");
    let packet = ForwardRequest { method, attributes: &attributes, ..get() }
        .encode(PacketSize::MIN)
        .unwrap();
    assert_eq!(packet[5], 0xFF);
    let stored = b"\x0B\x01\x00\x0D\x00\x05PATCH\0\x0A\x00\x01a\0\x00\x011\0\x0A";
    assert!(packet.windows(stored.len()).any(|window| window == stored));
    assert_eq!(packet.windows(5).filter(|window| window == b"PATCH").count(), 1);
}

#[test]
fn a_stored_method_comes_last_if_there_is_no_request_attribute() {
    let packet = ForwardRequest { method: RequestMethod::from_name(b"PATCH"), ..get() }
        .encode(PacketSize::MIN)
        .unwrap();
    assert!(packet.ends_with(b"\x0D\x00\x05PATCH\0\xFF"));
}

#[test]
fn a_request_of_exactly_the_limit_fits_and_one_byte_more_does_not() {
    let filler = vec![b'f'; 9000];
    let room = PacketSize::MIN.bytes() - SMALLEST.len() - 4 - 3; // name "f" and value overhead
    let headers = [(&b"f"[..], &filler[..room])];
    let packet = ForwardRequest { headers: &headers, ..get() }.encode(PacketSize::MIN).unwrap();
    assert_eq!(packet.len(), 8192);

    let headers = [(&b"f"[..], &filler[..=room])];
    let error = ForwardRequest { headers: &headers, ..get() }.encode(PacketSize::MIN);
    let too_large = EncodeError::TooLarge {
        path: 4,
        headers: 8192 - SMALLEST.len() + 1,
        attributes: 0,
        total: 8193,
        limit: 8192,
    };
    assert_eq!(error, Err(too_large));
}

#[test]
fn an_overflow_tells_which_part_is_large() {
    let long = vec![b'x'; 70_000];
    let attributes = [Attribute::QueryString(&long), Attribute::Secret(b"hush")];
    let request = ForwardRequest {
        method: RequestMethod::Stored(b"PATCH"),
        req_uri: b"/path",
        headers: &[(b"Host", b"h")],
        attributes: &attributes,
        ..get()
    };
    let Err(EncodeError::TooLarge { path, headers, attributes, total, limit }) =
        request.encode(PacketSize::MAX)
    else {
        panic!("70000 bytes must not fit")
    };
    assert_eq!((path, headers, attributes), (5 + 3 + 1 + 70_000 + 3, 2 + 1 + 3, 8 + 9));
    assert_eq!((total, limit), (SMALLEST.len() - 4 + path + headers + attributes, 65536));
}

#[test]
fn a_request_that_ajp_cannot_carry_is_an_error() {
    let nul = ForwardRequest { req_uri: b"/a\0b", ..get() }.encode(PacketSize::MIN);
    assert_eq!(nul, Err(EncodeError::NulInString { field: Field::ReqUri }));

    let many = vec![(&b"Host"[..], &b""[..]); 65536];
    let error = ForwardRequest { headers: &many, ..get() }.encode(PacketSize::MAX);
    assert_eq!(error, Err(EncodeError::TooManyHeaders { count: 65536 }));
}

#[test]
fn a_nul_is_an_error_in_any_text_of_a_request() {
    let (query, value) = ([Attribute::QueryString(b"a\0")], [Attribute::JvmRoute(b"\0")]);
    let named = [Attribute::ReqAttribute { name: b"a", value: b"\0" }];
    for request in [
        ForwardRequest { req_uri: b"\0", ..get() },
        ForwardRequest { headers: &[(b"X\0", b"")], ..get() },
        ForwardRequest { headers: &[(b"X", b"\0")], ..get() },
        ForwardRequest { attributes: &query, ..get() },
        ForwardRequest { attributes: &value, ..get() },
        ForwardRequest { attributes: &named, ..get() },
        ForwardRequest { method: RequestMethod::Stored(b"\0"), ..get() },
    ] {
        let error = request.encode(PacketSize::MIN);
        assert!(matches!(error, Err(EncodeError::NulInString { .. })), "{request:?}: {error:?}");
    }
}

#[test]
fn a_header_name_whose_length_reads_as_a_code_is_an_error() {
    for (length, fits) in [(0x9FFF, true), (0xA000, false), (0xA0FF, false), (0xA100, true)] {
        let name = vec![b'n'; length];
        let headers = [(&name[..], &b"v"[..])];
        let packet = ForwardRequest { headers: &headers, ..get() }.encode(PacketSize::MAX);
        assert_eq!(packet.is_ok(), fits, "{length:#x}");
    }
}

#[test]
fn an_encoded_request_decodes_to_the_same_request() {
    let request = ForwardRequest {
        method: RequestMethod::from_name(b"PROPFIND"),
        remote_host: Some(b"client.example"),
        is_ssl: true,
        server_port: 65535,
        headers: &[(b"Host", b"h"), (b"Accept", b""), (b"X-\xC3\xA4", b"\xFF")],
        attributes: &[Attribute::QueryString(b"a=b"), Attribute::SslKeySize(65535)],
        ..get()
    };
    let packet = request.encode(PacketSize::MIN).unwrap();
    let received = ForwardRequest::decode(&packet[HEADER_LEN..]).unwrap();
    assert_eq!(received.as_request(), request);
}

#[test]
fn a_packet_cut_anywhere_or_with_a_tail_is_an_error() {
    let payload = &SMALLEST[HEADER_LEN..];
    assert!(ForwardRequest::decode(payload).is_ok());
    for end in 0..payload.len() {
        assert!(ForwardRequest::decode(&payload[..end]).is_err(), "{end}");
    }
    let tail = CodecError::TrailingBytes { field: Field::AttributeCode, left: 1 };
    assert_eq!(ForwardRequest::decode(&[payload, &[0]].concat()), Err(tail));
}

#[test]
fn more_headers_than_the_packet_has_room_for_are_refused_before_the_first_is_read() {
    let headers = [(&b"Accept"[..], &b""[..]); 10];
    let request = ForwardRequest { headers: &headers, ..get() };
    let mut packet = request.encode(PacketSize::MIN).unwrap();
    assert_eq!(ForwardRequest::decode(&packet[HEADER_LEN..]).unwrap().headers, headers);
    // Five bytes for each header, and the end of the attributes.
    let left = 10 * 5 + 1;
    let count = packet.len() - left - 1;
    packet[count] = 11;
    let error = ForwardRequest::decode(&packet[HEADER_LEN..]).err();
    assert_eq!(error, Some(CodecError::TooManyHeaders { count: 11, left }));
}

#[test]
fn a_stored_method_must_be_there_when_the_code_says_so() {
    let mut payload = SMALLEST[HEADER_LEN..].to_vec();
    payload[1] = 0xFF;
    assert_eq!(ForwardRequest::decode(&payload), Err(CodecError::NoStoredMethod));
    payload[1] = 0x1C;
    assert_eq!(ForwardRequest::decode(&payload), Err(CodecError::UnknownMethod { code: 0x1C }));
}

#[test]
fn headers_of_c_s_are_written_as_others_are() {
    let long_name = std::ffi::CString::new(vec![b'n'; 0xA001]).unwrap();
    for name in [c"Host", c"X-A", c"", &long_name] {
        let start = || PacketHeaders::start(&get(), PacketSize::MAX, Vec::new());
        let (mut c_texts, mut slices) = (start(), start());
        c_texts.c_header(name, c"value");
        slices.header(name.to_bytes(), b"value");
        assert_eq!(c_texts.end().finish(), slices.end().finish());
    }
}
