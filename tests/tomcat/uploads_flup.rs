//! Request bodies sent ahead of being asked for, to an application behind flup, which is an AJP server in Python.

use std::net::TcpStream;
use std::process::Command;

use test_support::http::{Generated, sha256};
use test_support::httpd::Httpd;
use test_support::members::one_child;
use test_support::places::root;
use test_support::process::{Guarded, free_port, wait_for};

/// Bytes that may go ahead.
const WINDOWS: [usize; 4] = [0, 1, 65_536, 262_144];

struct Flup {
    port: u16,
    _process: Guarded,
}

impl Flup {
    fn start() -> Self {
        let package = root().join("target/flup");
        assert!(package.join("flup").exists(), "flup is installed (ci/setup)");
        let port = free_port();
        let mut python = Command::new("python3");
        python.arg("-B").arg(root().join("test-support/wsgi/uploads.py")).arg(port.to_string());
        let process = Guarded::spawn(python.env("PYTHONPATH", package));
        wait_for("flup listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { port, _process: process }
    }
}

fn before(flup: &Flup, window: usize) -> Httpd {
    let port = flup.port;
    one_child().conf(&format!("ProxyPass / ajp://127.0.0.1:{port}/ uploadahead={window}")).start()
}

#[test]
fn flup_gets_bodies_of_every_size_at_the_edges_of_packets_whole() {
    let flup = Flup::start();
    for window in WINDOWS {
        let httpd = before(&flup, window);
        let mut client = httpd.client();
        for size in
            [1, 4095, 4096, 8186, 8187, 12_281, 12_282, 16_372, 16_373, 65_530, 300_000, 1_000_000]
        {
            let body = Generated::bytes(size, size);
            let hash = sha256([body.clone()]);
            for piece in [1000, 16_384, 1_000_000] {
                let target = format!("/?piece={piece}");
                let length = format!("Content-Length: {size}\r\n");
                let answer = client.request("POST", &target, &length, &body).expect(200);
                assert_eq!(answer.said("length"), size.to_string(), "{window} {target} {size}");
                assert_eq!(answer.said("sha256"), hash, "{window} {target} {size}");
            }
        }
    }
}

/// With more ahead its answer may be lost, as the documents say: it closes its socket with packets unread.
#[test]
fn an_application_behind_flup_that_stops_reading_is_heard_with_one_packet_ahead() {
    let flup = Flup::start();
    let body = Generated::bytes(1_000_000, 2);
    for window in [0, 1] {
        let httpd = before(&flup, window);
        for stop in [0, 100, 8186, 8187, 10_000, 40_000, 300_000, 999_999] {
            let target = format!("/?piece=1000&read={stop}");
            let mut client = httpd.client();
            client.send(format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
            ));
            let _ = client.try_send(&body);
            let answer = client.response("POST").expect(200);
            let read = body[..stop].to_vec();
            assert_eq!(answer.said("length"), stop.to_string(), "{window} {target}");
            assert_eq!(answer.said("sha256"), sha256([read]), "{window} {target}");
            let page = httpd.get(&format!("/?after={stop}")).expect(200);
            assert_eq!(page.said("query"), format!("after={stop}"), "{window} {target}");
        }
    }
}
