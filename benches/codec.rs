//! The cost of the codec, without httpd: building a request, reading a response's headers and body.
//!
//! `cargo bench -p benches` prints nanoseconds and bytes per second; an argument selects
//! by name. `ci/bench` measures the whole module.
#![allow(missing_docs)]

use std::hint::black_box;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mod_proxy_ajp_rs::backend::{AjpConnection, Backend, BackendKey, Bounds, Connection};
use mod_proxy_ajp_rs::exchange::{Event, Exchange, RequestBody, RequestFacts};
use mod_proxy_ajp_rs::net::Stream;
use mod_proxy_ajp_rs::protocol::{
    Attribute, BufferSlice, Direction, ForwardRequest, PacketSize, RequestMethod, split_packet,
};
use test_support::ajp::{Packet, chunk, end_response, headers};

criterion_group!(benches, request, response_headers, response_body, received_body);
criterion_main!(benches);

fn request(c: &mut Criterion) {
    let request = ForwardRequest {
        method: RequestMethod::from_name(b"GET"),
        protocol: b"HTTP/1.1",
        req_uri: b"/shop/catalogue/chairs",
        remote_addr: b"192.0.2.17",
        remote_host: None,
        server_name: b"www.example.test",
        server_port: 443,
        is_ssl: true,
        headers: BROWSER,
        attributes: &[
            Attribute::QueryString(b"colour=red&page=2"),
            Attribute::SslCipher(b"TLS_AES_128_GCM_SHA256"),
            Attribute::ReqAttribute { name: b"AJP_SSL_PROTOCOL", value: b"TLSv1.3" },
            Attribute::ReqAttribute { name: b"AJP_REMOTE_PORT", value: b"40734" },
            Attribute::ReqAttribute { name: b"AJP_LOCAL_ADDR", value: b"192.0.2.1" },
        ],
    };
    let encode = |request: &ForwardRequest<'_>| request.encode(PacketSize::MAX).expect("it fits");
    let mut group = c.benchmark_group("request");
    group.throughput(Throughput::Bytes(encode(&request).len() as u64));
    group.bench_function("encode", |b| b.iter(|| encode(black_box(&request))));
    group.finish();
}

fn response_headers(c: &mut Criterion) {
    let head = BufferSlice::from(application_headers(65536));
    let mut group = c.benchmark_group("response headers");
    group.throughput(Throughput::Bytes(head.len() as u64));
    group.bench_function("decode", |b| {
        b.iter(|| read_packets(&mut get(), &mut black_box(head.clone())));
    });
    group.finish();
}

fn response_body(c: &mut Criterion) {
    for (name, response) in responses() {
        let response = BufferSlice::from(response);
        let mut group = c.benchmark_group("response of 64 kB");
        group.throughput(Throughput::Bytes(BODY as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let read = read_packets(&mut get(), &mut black_box(response.clone()));
                assert_eq!(read, BODY);
            });
        });
        group.finish();
    }
}

/// As above, through a socket and the receive buffer of a connection.
fn received_body(c: &mut Criterion) {
    for (name, response) in responses() {
        let (mut connection, mut peer) = connected();
        let mut group = c.benchmark_group("response of 64 kB from a socket");
        group.throughput(Throughput::Bytes(BODY as u64));
        group.bench_function(name, |b| {
            b.iter_batched(
                || peer.write_all(&response).expect("the socket has room for a response"),
                |()| assert_eq!(receive_response(&mut connection), BODY),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

fn get() -> Exchange {
    Exchange::new(RequestFacts { body: RequestBody::None, is_head: false })
}

/// Reads all packets; counts the bytes of the body.
fn read_packets(exchange: &mut Exchange, packets: &mut BufferSlice) -> usize {
    let mut body = 0;
    while let Some(packet) =
        split_packet(packets, Direction::FromContainer).expect("it is well made")
    {
        if let Event::Body(data) = black_box(exchange.receive(packet).expect("it is well made")) {
            body += data.len();
        }
    }
    body
}

/// Receives one response to its end; counts the bytes of the body.
fn receive_response(connection: &mut Connection) -> usize {
    let mut exchange = get();
    let mut body = 0;
    loop {
        while let Some(packet) = connection.next_packet().expect("it is well made") {
            match black_box(exchange.receive(packet).expect("it is well made")) {
                Event::Body(data) => body += data.len(),
                Event::End { .. } => return body,
                _ => {}
            }
        }
        connection.receive(Duration::from_secs(10)).expect("the peer has sent it");
    }
}

fn connected() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (peer, _) = listener.accept().expect("we have connected");
    let stream = Stream::from_fd(ours.into()).expect("a TCP socket");
    let key = BackendKey {
        host: "127.0.0.1".into(),
        port: 0,
        socket_path: None,
        source: None,
        secret: String::new(),
        packet_size: None,
        bounds: Bounds::default(),
    };
    (Backend::new(key).adopt(stream, Instant::now()), peer)
}

/// The same response from a container of the default packet size, and from one of the largest.
fn responses() -> [(&'static str, Vec<u8>); 2] {
    [("in packets of 8 kB", response(8192 - 8)), ("in packets of 64 kB", response(65536 - 8))]
}

fn response(chunk_len: usize) -> Vec<u8> {
    let mut response = application_headers(BODY);
    for data in vec![b'x'; BODY].chunks(chunk_len) {
        response.extend(chunk(data));
    }
    response.extend(end_response().into_bytes());
    response
}

/// The headers that an application with sessions sends.
fn application_headers(length: usize) -> Vec<u8> {
    headers(200)
        .header("Set-Cookie", "JSESSIONID=4A1B0C7D2E9F83746501928374650AFE; Path=/shop; HttpOnly")
        .header("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
        .header("Expires", "0")
        .header("X-Content-Type-Options", "nosniff")
        .header("X-Frame-Options", "DENY")
        .header("Content-Type", "text/html;charset=UTF-8")
        .header("Content-Language", "en-US")
        .header("Content-Length", length.to_string())
        .into_bytes()
}

const BROWSER: &[(&[u8], &[u8])] = &[
    (b"Host", b"www.example.test"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Referer", b"https://www.example.test/shop/catalogue"),
    (b"Connection", b"keep-alive"),
    (b"Cookie", b"JSESSIONID=4A1B0C7D2E9F83746501928374650AFE.node1; theme=dark; seen=17,42,99"),
    (b"Upgrade-Insecure-Requests", b"1"),
    (b"Sec-Fetch-Dest", b"document"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Sec-Fetch-Site", b"same-origin"),
];

const BODY: usize = 65536;
