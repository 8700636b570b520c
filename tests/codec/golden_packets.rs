//! Packets of real peers, in `tests/codec/golden/`: the codec reads them as their senders meant them,
//! and builds the same bytes as mod_proxy_ajp.

use mod_proxy_ajp_rs::protocol::{
    Attribute, BufferSlice, CPING, Direction, EMPTY_BODY, ForwardRequest, HEADER_LEN, PacketSize,
    Response, ResponseHeader, SendHeaders, body, cping, data_header, split_packet,
};

use test_support::ajp::golden::{Golden, all_golden, golden};
use test_support::ajp::properties::{check_request, check_response, check_split};
use test_support::ajp::{
    Packet, chunk, cpong, end_response, flush, get_body_chunk, headers, request,
};

fn payloads(golden: &Golden, direction: Direction) -> Vec<BufferSlice> {
    let mut stream = BufferSlice::from(golden.bytes.clone());
    let mut payloads = Vec::new();
    while let Some(payload) = split_packet(&mut stream, direction).expect("a golden packet") {
        payloads.push(payload);
    }
    assert!(stream.is_empty(), "{}: {} bytes left", golden.name, stream.len());
    payloads
}

fn responses(name: &str) -> Vec<Response> {
    let payloads = payloads(&golden(name), Direction::FromContainer);
    payloads.into_iter().map(|payload| Response::decode(payload).expect(name)).collect()
}

fn send_headers(name: &str) -> SendHeaders {
    let found = responses(name).into_iter().find_map(|response| match response {
        Response::SendHeaders(headers) => Some(headers),
        _ => None,
    });
    found.expect("a SEND_HEADERS")
}

fn value_of(headers: &SendHeaders, header: ResponseHeader) -> Option<&[u8]> {
    headers.headers().find(|(name, _)| name.known() == Some(header)).map(|(_, value)| value)
}

fn is_request(golden: &Golden) -> bool {
    golden.bytes.starts_with(&[0x12])
}

// Packets that web servers send.

#[test]
fn a_request_of_mod_proxy_ajp_is_encoded_to_the_same_bytes() {
    let mut requests = 0;
    for golden in all_golden().iter().filter(|golden| is_request(golden)) {
        let mut rest = golden.bytes.clone();
        if rest.starts_with(&CPING) {
            rest.drain(..CPING.len());
        }
        if rest.is_empty() {
            continue;
        }
        let length = HEADER_LEN + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let packet = &rest[..length];
        let received = ForwardRequest::decode(&packet[HEADER_LEN..]).expect(&golden.name);
        assert_eq!(
            received.as_request().encode(PacketSize::DEFAULT).expect(&golden.name),
            packet,
            "{}",
            golden.name
        );
        requests += 1;
    }
    assert_eq!(requests, 9);
}

#[test]
fn the_test_peer_reads_the_same_request_as_the_codec() {
    let latin1 = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect::<String>();
    for name in ["httpd-get-cookies-query", "httpd-ssl-stored-method", "httpd-secret-and-route"] {
        let payload = &payloads(&golden(name), Direction::ToContainer)[0];
        let ours = ForwardRequest::decode(payload).expect(name);
        let theirs = request::forward_request(payload).expect(name);
        assert_eq!(latin1(ours.method.name()), theirs.method);
        assert_eq!(latin1(ours.req_uri), theirs.uri);
        assert_eq!(latin1(ours.server_name), theirs.server_name);
        assert_eq!((ours.server_port, ours.is_ssl), (theirs.server_port, theirs.is_ssl));
        assert_eq!(ours.headers.len(), theirs.headers.len());
        for ((name, value), (their_name, their_value)) in ours.headers.iter().zip(&theirs.headers) {
            assert!(latin1(name).eq_ignore_ascii_case(their_name));
            assert_eq!(latin1(value), *their_value);
        }
        let stored = usize::from(theirs.method_code == 0xFF);
        assert_eq!(ours.attributes.len() + stored, theirs.attributes.len());
    }
}

#[test]
fn a_get_with_cookies_and_query_has_these_fields() {
    let payload = &payloads(&golden("httpd-get-cookies-query"), Direction::ToContainer)[0];
    let request = ForwardRequest::decode(payload).unwrap();
    assert_eq!(request.method.name(), b"GET");
    assert_eq!(request.protocol, b"HTTP/1.1");
    assert_eq!(request.req_uri, b"/plain/caf%C3%A9/list;v=1");
    assert_eq!((request.remote_addr, request.remote_host), (&b"127.0.0.1"[..], None));
    assert_eq!((request.server_name, request.server_port), (&b"www.example.test"[..], 18480));
    assert!(!request.is_ssl);
    let cookie = (&b"Cookie"[..], &b"JSESSIONID=0123456789ABCDEF; theme=dark"[..]);
    assert!(request.headers.contains(&cookie));
    assert!(request.headers.contains(&(b"X-Request-Id", b"7f3a")));
    assert_eq!(request.attributes[0], Attribute::QueryString(b"name=J%C3%BCrgen&empty="));
    let department = Attribute::ReqAttribute { name: b"department", value: b"golden tests" };
    assert_eq!(request.attributes.last(), Some(&department));
}

#[test]
fn the_attributes_of_an_encrypted_request_have_this_order() {
    let payload = &payloads(&golden("httpd-ssl-stored-method"), Direction::ToContainer)[0];
    let request = ForwardRequest::decode(payload).unwrap();
    assert!(request.is_ssl);
    assert_eq!(request.method.name(), b"PATCH");
    let [secret, user, auth, route, cert, cipher, key_size, rest @ ..] = &request.attributes[..]
    else {
        panic!("{:?}", request.attributes)
    };
    assert_eq!(*secret, Attribute::Secret(b"not-so-secret"));
    assert_eq!(*user, Attribute::RemoteUser(b"golden.example.test"));
    assert_eq!(*auth, Attribute::AuthType(b"ClientCert"));
    assert_eq!(*route, Attribute::JvmRoute(b"node1"));
    assert!(matches!(cert, Attribute::SslCert(pem) if pem.starts_with(b"-----BEGIN CERT")));
    assert_eq!(*cipher, Attribute::SslCipher(b"ECDHE-ECDSA-AES256-GCM-SHA384"));
    assert_eq!(*key_size, Attribute::SslKeySize(256));
    let protocol = Attribute::ReqAttribute { name: b"AJP_SSL_PROTOCOL", value: b"TLSv1.2" };
    assert_eq!(rest[0], protocol);
}

#[test]
fn request_bodies_are_encoded_to_the_same_bytes() {
    let chunked = payloads(&golden("httpd-post-chunked"), Direction::ToContainer);
    let [_request, hello, world, end] = &chunked[..] else { panic!("{}", chunked.len()) };
    for (payload, data) in [(hello, &b"hello"[..]), (world, b" world"), (end, b"")] {
        assert_eq!(body::decode_data(payload.clone()).unwrap(), *data);
        let header = data_header(data.len()).unwrap();
        assert_eq!([&header[4..], data].concat(), payload[..]);
    }
    assert_eq!(end[..], EMPTY_BODY[HEADER_LEN..]);

    let form = payloads(&golden("httpd-post-form"), Direction::ToContainer);
    assert_eq!(body::decode_data(form[1].clone()).unwrap(), b"name=J%C3%BCrgen&age=40&x=y"[..]);
}

#[test]
fn a_cping_is_five_bytes_each_way() {
    assert_eq!(golden("reference-cping").bytes, CPING);
    assert!(golden("httpd-cping-then-get").bytes.starts_with(&CPING));
    assert_eq!(golden("tomcat-cpong").bytes, cping::CPONG);
    assert_eq!(responses("tomcat-cpong"), [Response::CPong]);
}

// Packets that containers send.

#[test]
fn a_static_file_is_headers_chunk_and_end() {
    let responses = responses("tomcat-static-file");
    let [
        Response::SendHeaders(headers),
        Response::SendBodyChunk(chunk),
        Response::EndResponse(end),
    ] = &responses[..]
    else {
        panic!("{responses:?}")
    };
    assert_eq!((headers.status, headers.reason()), (200, &b"200"[..]));
    let lines: Vec<_> = headers.headers().map(|(name, value)| (name.name(), value)).collect();
    let expected: [(&[u8], &[u8]); 5] = [
        (b"Accept-Ranges", b"bytes"),
        (b"ETag", b"W/\"25-1767323045000\""),
        (b"Last-Modified", b"Fri, 02 Jan 2026 03:04:05 GMT"),
        (b"Content-Type", b"text/plain"),
        (b"Content-Length", b"25"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(chunk.data, b"hello from a static file\n"[..]);
    assert!(end.reuse);
}

#[test]
fn a_head_response_has_its_content_length_and_no_chunk() {
    let headers = send_headers("tomcat-head");
    assert_eq!(value_of(&headers, ResponseHeader::ContentLength), Some(&b"25"[..]));
    assert_eq!(responses("tomcat-head").len(), 2);
}

#[test]
fn tomcat_sends_304_with_a_content_length_of_0() {
    let headers = send_headers("tomcat-not-modified");
    assert_eq!(headers.status, 304);
    assert_eq!(value_of(&headers, ResponseHeader::ContentLength), Some(&b"0"[..]));
}

#[test]
fn a_missing_page_keeps_the_connection_and_a_refused_attribute_does_not() {
    for (name, status, reuse) in
        [("tomcat-not-found", 404, true), ("tomcat-attribute-refused", 403, false)]
    {
        assert_eq!(send_headers(name).status, status);
        let Some(Response::EndResponse(end)) = responses(name).pop() else { panic!("no end") };
        assert_eq!(end.reuse, reuse, "{name}");
    }
}

#[test]
fn tomcat_asks_for_the_end_of_a_body_whose_length_it_knows() {
    for (name, asked) in [("tomcat-upload-with-length", 1), ("tomcat-upload-chunked", 3)] {
        let sizes: Vec<_> = responses(name)
            .iter()
            .filter_map(|response| match response {
                Response::GetBodyChunk(get) => Some(get.packet_size()),
                _ => None,
            })
            .collect();
        assert_eq!(sizes, vec![8192; asked], "{name}");
    }
    let headers = send_headers("tomcat-upload-chunked");
    assert_eq!(value_of(&headers, ResponseHeader::SetCookie), Some(&b"seen=yes"[..]));
}

#[test]
fn a_flush_is_an_empty_chunk() {
    let sizes: Vec<_> = responses("tomcat-flush")
        .into_iter()
        .filter_map(|response| match response {
            Response::SendBodyChunk(chunk) => Some((chunk.is_flush(), chunk.data.len())),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [(true, 0), (true, 0), (false, 22)]);
}

#[test]
fn a_value_in_iso_8859_1_comes_as_its_bytes() {
    let headers = send_headers("tomcat-redirect");
    let location = value_of(&headers, ResponseHeader::Location);
    assert_eq!(location, Some(&b"/hello.txt?x=\xE4"[..]));
}

#[test]
fn a_null_reason_is_empty_and_names_are_known_in_any_spelling() {
    let headers = send_headers("reference-null-reason");
    assert_eq!((headers.status, headers.reason().len()), (401, 0));
    assert_eq!(value_of(&headers, ResponseHeader::WwwAuthenticate), Some(&b"Basic"[..]));
    assert_eq!(value_of(&headers, ResponseHeader::ContentType), Some(&b""[..]));
}

#[test]
fn the_test_peer_encodes_what_tomcat_sends() {
    let file = [
        headers(200)
            .header("Accept-Ranges", "bytes")
            .header("ETag", "W/\"25-1767323045000\"")
            .header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
            .header("Content-Type", "text/plain")
            .header("Content-Length", "25")
            .into_bytes(),
        chunk("hello from a static file\n"),
        end_response().reuse(true).into_bytes(),
    ];
    assert_eq!(file.concat(), golden("tomcat-static-file").bytes);

    let events = [
        headers(200).header("Content-Type", "text/event-stream").into_bytes(),
        flush(),
        flush(),
        chunk("data: one\n\ndata: two\n\n"),
        end_response().into_bytes(),
    ];
    assert_eq!(events.concat(), golden("tomcat-flush").bytes);

    assert_eq!(cpong(), golden("tomcat-cpong").bytes);
    assert!(golden("tomcat-upload-chunked").bytes.starts_with(&get_body_chunk(8186)));
}

// Packets that neither should send.

/// xorshift64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    /// Changes one to four places: a byte, a bit, a u16 to an extreme, a cut, a repetition.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.len() < 3 {
                return;
            }
            let at = self.below(bytes.len() - 1);
            match self.below(6) {
                0 => bytes[at] = u8::try_from(self.below(256)).expect("below 256"),
                1 => bytes[at] ^= 1 << self.below(8),
                2 => {
                    let extremes = [[0, 0], [0xFF, 0xFF], [0xFF, 0xFE], [0xA0, 0x0C], [0x7F, 0xFF]];
                    bytes[at..at + 2].copy_from_slice(&extremes[self.below(extremes.len())]);
                }
                3 => bytes.truncate(at.max(1)),
                4 => drop(bytes.remove(at)),
                _ => {
                    let end = at + self.below(bytes.len() - at);
                    let repeated = bytes[at..end].to_vec();
                    bytes.splice(at..at, repeated);
                }
            }
        }
    }
}

#[test]
fn no_mutation_of_a_golden_packet_breaks_a_promise() {
    let golden = all_golden();
    let mut random = Random(0x5EED_0000_A7B1_3000);
    let (mut responses, mut requests) = (0, 0);
    for round in 0..20_000 {
        let origin = &golden[round % golden.len()];
        let direction = match is_request(origin) {
            true => Direction::ToContainer,
            false => Direction::FromContainer,
        };
        let mut stream = origin.bytes.clone();
        random.mutate(&mut stream);
        check_split(&stream, direction);

        let payloads = payloads(origin, direction);
        let mut payload = payloads[random.below(payloads.len())].to_vec();
        random.mutate(&mut payload);
        responses += usize::from(check_response(&payload));
        requests += usize::from(check_request(&payload));
    }
    // Otherwise the promises about packets that decode were not tested.
    assert!(responses > 2000 && requests > 500, "{responses} responses, {requests} requests");
}
