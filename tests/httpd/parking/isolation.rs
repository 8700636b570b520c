//! Many requests that wait at once: no client gets anything of another one's answer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use test_support::ajp::request::forward_request;
use test_support::ajp::{
    HoldingPeer, Packet, PeerConnection, ScriptedPeer, chunk, end_response, flush, headers,
};
use test_support::http::{Client, Response};
use test_support::httpd::Httpd;
use test_support::parking::{
    ask_all, two_threads, two_threads_over_tls, uri, wait_for_parked, wait_for_rest,
};
use test_support::random::Random;
use test_support::tls::Certificates;

const CLIENTS: usize = 200;
const ROUNDS: usize = 5;

#[test]
fn two_hundred_clients_whose_answers_come_in_a_random_order_get_their_own() {
    let peer = HoldingPeer::start();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = two_threads().conf(&pass).start();
    let mut clients = ask_all(&httpd, CLIENTS);
    peer.wait_for_held(CLIENTS);
    wait_for_parked(&httpd, CLIENTS);

    let mut random = Random::new(1);
    let mut left = peer.held();
    while !left.is_empty() {
        peer.answer(&left.swap_remove(random.below(left.len())));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
    assert_eq!(peer.peer().requests(), CLIENTS);
    wait_for_rest(&httpd);
}

/// The answer to a request is its URI, so many times.
fn repeated(uri: &str) -> String {
    let number = uri.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
    uri.repeat(1 + number % 3000)
}

/// Answers each request with [`repeated`], after pauses and in pieces that are another's each time.
fn with_delays(conn: &mut PeerConnection) -> io::Result<()> {
    let mut random = Random::new(conn.index() as u64);
    while let Some(payload) = conn.read_packet()? {
        let uri = forward_request(&payload)?.uri;
        let mut pause = || sleep(Duration::from_millis(random.below(40) as u64));
        pause();
        conn.send(headers(200).header("X-Uri", &uri))?;
        let text = repeated(&uri);
        for piece in text.as_bytes().chunks(1 + text.len() / 3) {
            for part in piece.chunks(8000) {
                conn.send(chunk(part))?;
            }
            conn.send(flush())?;
            pause();
        }
        conn.send(end_response().into_bytes())?;
    }
    Ok(())
}

/// A connection that httpd keeps open or closes while it is idle (as stock: when no thread is). A request goes over
/// a new one if nothing came of it.
fn get(httpd: &Httpd, kept: &mut Option<Client>, target: &str) -> Response {
    let over_kept = kept.take().and_then(|mut old| Some((old.try_get(target)?, old)));
    let (answer, client) = over_kept.unwrap_or_else(|| {
        let mut new = httpd.client();
        (new.get(target), new)
    });
    *kept = Some(client);
    answer
}

#[test]
fn two_hundred_clients_at_once_get_their_own_answers_over_connections_that_are_kept_open() {
    let peer = ScriptedPeer::start(with_delays);
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = two_threads().conf(&pass).start();
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (httpd, answered) = (&httpd, &answered);
            scope.spawn(move || {
                let mut kept = None;
                for round in 0..ROUNDS {
                    let target = format!("/app/{number}/{round}");
                    let answer = get(httpd, &mut kept, &target).expect(200);
                    assert_eq!(answer.header("X-Uri"), Some(&*target));
                    assert!(answer.text() == repeated(&target), "{target}: {}", answer.text());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), CLIENTS * ROUNDS);
    assert_eq!(peer.requests(), CLIENTS * ROUNDS, "no request has come twice");
    wait_for_rest(&httpd);
}

#[test]
fn two_hundred_clients_at_once_get_their_own_answers_over_tls() {
    let peer = ScriptedPeer::start(with_delays);
    let certificates = Certificates::new();
    let (httpd, port) = two_threads_over_tls(peer.port(), &certificates);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut transfers = String::new();
    for number in 0..CLIENTS * ROUNDS {
        let file = folder.path().join(number.to_string());
        let line = format!("url = https://127.0.0.1:{port}/app/{number}\noutput = {file:?}\n");
        transfers.write_str(&line).expect("a String");
    }
    let list = folder.path().join("transfers");
    fs::write(&list, transfers).expect("our own directory");
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--insecure",
            "--http1.1",
            "--fail",
            "--max-time",
            "120",
        ])
        .args(["--noproxy", "*", "--parallel", "--parallel-max", &CLIENTS.to_string()])
        // A connection that httpd has closed while it was idle.
        .args(["--retry", "100", "--retry-all-errors", "--retry-delay", "1"])
        .arg("--config")
        .arg(&list)
        .output()
        .expect("curl is installed (ci/setup)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let wrong: BTreeSet<usize> = (0..CLIENTS * ROUNDS)
        .filter(|number| {
            let body = fs::read_to_string(folder.path().join(number.to_string()));
            body.ok() != Some(repeated(&format!("/app/{number}")))
        })
        .collect();
    assert_eq!(wrong, BTreeSet::new());
    assert_eq!(peer.requests(), CLIENTS * ROUNDS, "no request has come twice");
    wait_for_rest(&httpd);
}
