//! The scripted container on which the other tests rely, compared with the codec over real sockets.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;

use mod_proxy_ajp_rs::protocol::{
    BufferSlice, CPING, Direction, EMPTY_BODY, ForwardRequest, PacketSize, RequestMethod, Response,
    data_header, packet_len,
};
use test_support::ajp::{ScriptedPeer, chunk, end_response, headers};
use test_support::process::DEADLINE;

/// A blocking client of the codec.
struct Client<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    fn receive(&mut self) -> Response {
        loop {
            let length = packet_len(&self.buffer, Direction::FromContainer).expect("AJP");
            if let Some(length) = length.filter(|&length| length <= self.buffer.len()) {
                let packet: Vec<u8> = self.buffer.drain(..length).collect();
                return Response::decode(BufferSlice::from(&packet[4..])).expect("a response");
            }
            let mut piece = [0; 4096];
            let read = self.stream.read(&mut piece).expect("in time");
            assert_ne!(read, 0, "the peer closed");
            self.buffer.extend_from_slice(&piece[..read]);
        }
    }

    /// Sends a request and answers GET_BODY_CHUNK from `body`; returns status and text.
    fn exchange(&mut self, request: &ForwardRequest<'_>, mut body: &[u8]) -> (u16, String) {
        let packet = request.encode(PacketSize::DEFAULT).expect("a small request");
        self.stream.write_all(&packet).unwrap();
        if request.headers.iter().any(|(name, _)| *name == b"Content-Length") {
            self.send_body(&mut body);
        }
        let (mut status, mut text) = (0, Vec::new());
        loop {
            match self.receive() {
                Response::SendHeaders(headers) => status = headers.status,
                Response::SendBodyChunk(chunk) => text.extend_from_slice(&chunk.data),
                Response::GetBodyChunk(_) => self.send_body(&mut body),
                Response::EndResponse(end) => {
                    assert!(end.reuse);
                    return (status, String::from_utf8(text).expect("text"));
                }
                Response::CPong => panic!("no CPING was sent"),
            }
        }
    }

    fn send_body(&mut self, body: &mut &[u8]) {
        let (data, rest) = body.split_at(body.len().min(PacketSize::DEFAULT.max_body()));
        *body = rest;
        let header = if data.is_empty() { EMPTY_BODY } else { data_header(data.len()).unwrap() };
        self.stream.write_all(&[&header, data].concat()).unwrap();
    }
}

fn connect(peer: &ScriptedPeer) -> Client<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, peer.port())).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Client { stream, buffer: Vec::new() }
}

fn request<'a>(method: &'a str, headers: &'a [(&'a [u8], &'a [u8])]) -> ForwardRequest<'a> {
    ForwardRequest {
        method: RequestMethod::from_name(method.as_bytes()),
        protocol: b"HTTP/1.1",
        req_uri: b"/echo",
        remote_addr: b"127.0.0.1",
        remote_host: None,
        server_name: b"localhost",
        server_port: 80,
        is_ssl: false,
        headers,
        attributes: &[],
    }
}

#[test]
fn the_echo_answers_cpings_and_requests_on_one_connection() {
    let peer = ScriptedPeer::echo();
    let mut client = connect(&peer);
    client.stream.write_all(&CPING).unwrap();
    assert_eq!(client.receive(), Response::CPong);
    for _ in 0..2 {
        let (status, text) = client.exchange(&request("PATCH", &[(b"X-A", b"1")]), &[]);
        assert_eq!(status, 200);
        assert!(text.starts_with("method: PATCH\nuri: /echo\n"), "{text}");
        assert!(text.contains("\nheader X-A: 1\n"), "{text}");
    }
    assert_eq!((peer.connections(), peer.requests(), peer.cpings()), (1, 2, 1));
    assert_eq!(peer.last_request().unwrap().uri, "/echo");
}

#[test]
fn the_echo_reads_bodies_of_known_and_unknown_length() {
    let peer = ScriptedPeer::echo();
    let body = vec![b'b'; 20_000];
    let known: [(&[u8], &[u8]); 1] = [(b"Content-Length", b"20000")];
    let unknown: [(&[u8], &[u8]); 1] = [(b"Transfer-Encoding", b"chunked")];
    let mut client = connect(&peer);
    for headers in [known, unknown] {
        let (_, text) = client.exchange(&request("POST", &headers), &body);
        assert!(text.contains("\nbody-length: 20000\n"), "{text}");
        assert!(text.contains(&test_support::ajp::echo::sha256_hex(&body)), "{text}");
    }
    assert_eq!(peer.requests(), 2, "body packets are not counted as requests");
}

#[test]
fn a_script_can_serve_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ajp.sock");
    let peer = ScriptedPeer::start_unix(&path, test_support::ajp::echo).unwrap();
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut client = Client { stream, buffer: Vec::new() };
    assert_eq!(client.exchange(&request("GET", &[]), &[]).0, 200);
    drop(peer);
    assert!(!path.exists());
}

#[test]
fn a_script_can_reset_after_half_a_response() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(headers(200))?;
        conn.send(&chunk(b"half")[..5])?;
        conn.reset()
    });
    let mut client = connect(&peer);
    let packet = request("GET", &[]).encode(PacketSize::DEFAULT).unwrap();
    client.stream.write_all(&packet).unwrap();
    let mut rest = Vec::new();
    let error = client.stream.read_to_end(&mut rest).expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn each_connection_runs_the_script_with_its_index() {
    let peer = ScriptedPeer::start(|conn| match conn.index() {
        0 => {
            conn.close();
            Ok(())
        }
        _ => {
            conn.expect_forward_request()?;
            conn.send(headers(204))?;
            conn.send(end_response())?;
            conn.expect_close()
        }
    });
    let mut first = connect(&peer);
    assert_eq!(first.stream.read(&mut [0]).unwrap(), 0);
    let mut second = connect(&peer);
    assert_eq!(second.exchange(&request("GET", &[]), &[]).0, 204);
    drop(second);
    peer.wait_for_open_connections(0);
    assert_eq!((peer.connections(), peer.errors()), (2, vec![]));
}

#[test]
fn an_unexpected_packet_is_kept_as_the_script_s_error() {
    let peer = ScriptedPeer::start(|conn| conn.expect_cping());
    connect(&peer).stream.write_all(&request("GET", &[]).encode(PacketSize::MIN).unwrap()).unwrap();
    peer.wait_for_connections(1);
    peer.wait_for_open_connections(0);
    assert!(peer.errors()[0].contains("expected CPING"), "{:?}", peer.errors());
}

#[test]
#[should_panic(expected = "said the script")]
fn a_panic_of_a_script_fails_the_test() {
    let peer = ScriptedPeer::start(|_| panic!("said the script"));
    let mut client = connect(&peer);
    let _ = client.stream.read(&mut [0]);
}

#[test]
fn a_peer_that_is_dropped_ends_its_connections_and_frees_its_port() {
    let peer = ScriptedPeer::echo();
    let port = peer.port();
    let mut client = connect(&peer);
    client.stream.write_all(&CPING).unwrap();
    assert_eq!(client.receive(), Response::CPong);
    drop(peer);
    assert_eq!(client.stream.read(&mut [0]).unwrap(), 0);
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}
