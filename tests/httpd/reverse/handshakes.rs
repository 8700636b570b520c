//! Containers that connect with a key, and strangers in the same network: no request waits for a
//! stranger's handshake, and a long round trip is no obstacle.
//!
//! Pauses here are those of a long round trip, or of strangers that connect one after the other.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use mod_proxy_ajp_rs::protocol::handshake::{Container, Hello, Key};
use tempfile::TempDir;
use test_support::ajp::echo::respond;
use test_support::ajp::{PeerConnection, ScriptedPeer, raw};
use test_support::httpd::{Httpd, Setup};
use test_support::members::{ONE_CHILD, serve};
use test_support::process::{free_port, wait_for};

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
const KEY: &[u8] = b"0123456789abcdef";

/// One child, to which a container may connect with the key. The directory has the key file.
fn setup(port: u16, parameters: &str) -> (Setup, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("key");
    fs::write(&key, KEY).expect("it is ours");
    let setup = Httpd::setup().conf(ONE_CHILD).conf(&format!(
        "ProxyAjpReverse ajp://127.0.0.1:{port} keyfile={}\n\
         ProxyPass /app ajp://127.0.0.1:{port}/app {parameters}",
        key.display()
    ));
    (setup, directory)
}

/// The container's side of the handshake, with this round trip between the two.
fn shake_hands(conn: &mut PeerConnection, port: u16, round_trip: Duration) -> io::Result<()> {
    static NUMBER: AtomicU8 = AtomicU8::new(0);
    let nonce = [NUMBER.fetch_add(1, Ordering::Relaxed); 16];
    let hello = Hello::new(nonce, b"").expect("a short name");
    let container = Container::new(&Key::new(KEY).expect("16 bytes"), port, hello);
    conn.send(raw(container.hello()))?;
    let challenge = conn.read_packet()?.ok_or(io::ErrorKind::UnexpectedEof)?;
    sleep(round_trip);
    conn.send(raw(container.proof(&challenge).map_err(io::Error::other)?))
}

/// A container that knows the key and keeps `spare` connections at this port of httpd's.
fn container(port: u16, spare: usize, round_trip: Duration) -> ScriptedPeer {
    ScriptedPeer::dial(at(port), HOME, spare, move |conn| {
        if shake_hands(conn, port, round_trip).is_ok() {
            serve(conn, &|conn, _| respond(conn, "ours").map(|()| true))?;
        }
        Ok(())
    })
}

fn at(port: u16) -> SocketAddr {
    (HOME, port).into()
}

/// A peer in the allowed network that sends this, and then nothing.
fn stranger(port: u16, says: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(at(port)).expect("httpd listens");
    stream.write_all(says).expect("httpd reads it later");
    stream
}

/// The hello of a peer that knows the protocol, and not the key.
fn empty_hello() -> Vec<u8> {
    let hello = Hello::new([7; 16], b"").expect("a short name");
    Container::new(&Key::new(b"any key will do here").expect("enough"), 1, hello).hello()
}

#[test]
fn ten_strangers_a_second_that_send_one_byte_cost_no_request_its_connection() {
    let port = free_port();
    // Every request needs a new connection.
    let (setup, _key) = setup(port, "forceclose=On acquire=20000");
    let httpd = setup.start();
    let container = container(port, 2, Duration::ZERO);
    let end = AtomicBool::new(false);
    let answers: Vec<u16> = scope(|scope| {
        scope.spawn(|| {
            let mut strangers = Vec::new();
            while !end.load(Ordering::Relaxed) {
                strangers.push(stranger(port, b"A"));
                sleep(Duration::from_millis(100));
            }
        });
        container.wait_for_connections(2);
        let answers = (0..20).map(|_| {
            sleep(Duration::from_millis(150));
            httpd.get("/app/x").status
        });
        let answers = answers.collect();
        end.store(true, Ordering::Relaxed);
        answers
    });
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

#[test]
fn no_request_waits_for_strangers_in_front_of_the_container_whatever_they_send() {
    for says in [b"A".to_vec(), empty_hello()] {
        let port = free_port();
        let (setup, _key) = setup(port, "forceclose=On acquire=20000");
        let httpd = setup.start();
        let _strangers: Vec<_> = (0..40).map(|_| stranger(port, &says)).collect();
        let _container = container(port, 1, Duration::ZERO);
        for _ in 0..4 {
            httpd.get("/app/x").expect(200);
        }
    }
}

#[test]
fn a_container_two_hundred_milliseconds_away_is_accepted_although_no_request_waits_that_long() {
    let port = free_port();
    let (setup, _key) = setup(port, "forceclose=On acquire=100");
    let httpd = setup.start();
    let _strangers: Vec<_> = (0..8).map(|_| stranger(port, b"A")).collect();
    let _container = container(port, 2, Duration::from_millis(200));
    // A handshake that one request has begun and not waited for serves a later request.
    for _ in 0..5 {
        wait_for("the container's answer", || {
            let answer = httpd.get("/app/x");
            assert!([200, 503].contains(&answer.status), "{}", answer.status);
            (answer.status == 200).then(|| assert_eq!(answer.text(), "ours"))
        });
    }
    assert!(!httpd.error_log().contains("refused: no proof"), "{}", httpd.error_log());
}
