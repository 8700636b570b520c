//! Clients that read slowly get their own bytes, while the receive buffers already serve other
//! requests.
//!
//! Pauses here are clients that read slowly; no test synchronises with them.

use std::io;
use std::thread::{scope, sleep};
use std::time::Duration;

use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer, chunk, end_response, headers};
use test_support::httpd::Httpd;
use test_support::members::one_child;

const PIECES: usize = 512;
const PIECE: usize = 8000;

/// Answers `/app/x<letter>` with 4 MB of that letter.
fn letters(conn: &mut PeerConnection) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        let letter = *forward_request(&payload)?.uri.as_bytes().last().unwrap_or(&b'?');
        conn.send(headers(200).header("Content-Length", (PIECES * PIECE).to_string()))?;
        for _ in 0..PIECES {
            conn.send(chunk(vec![letter; PIECE]))?;
        }
        conn.send(end_response())?;
    }
    Ok(())
}

/// Downloads the letter's body, with a pause after each piece that arrives.
fn downloads_its_own(httpd: &Httpd, letter: u8, pause: Duration) {
    let mut client = httpd.client();
    let mut received = 0;
    client.send(format!("GET /app/x{} HTTP/1.1\r\nHost: localhost\r\n\r\n", letter as char));
    let answer = client.response_into("GET", &mut |piece| {
        assert!(piece.iter().all(|byte| *byte == letter), "somebody else's bytes");
        received += piece.len();
        if !pause.is_zero() {
            sleep(pause);
        }
    });
    assert_eq!((answer.status, received), (200, PIECES * PIECE));
    assert!(answer.complete);
}

#[test]
fn slow_and_quick_clients_get_their_own_bytes_from_one_backend() {
    let peer = ScriptedPeer::start(letters);
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = one_child().conf(&pass).start();
    scope(|scope| {
        for letter in b'a'..=b'f' {
            let httpd = &httpd;
            scope.spawn(move || downloads_its_own(httpd, letter, Duration::from_millis(5)));
        }
        for letter in b'A'..=b'D' {
            let httpd = &httpd;
            scope.spawn(move || {
                for _ in 0..10 {
                    downloads_its_own(httpd, letter, Duration::ZERO);
                }
            });
        }
    });
}
