//! Clients that do not read hold no thread, and get their whole answer when they do.

use std::io::Read;

use test_support::ajp::request::forward_request;
use test_support::ajp::{ScriptedPeer, chunk, end_response, flush, headers};
use test_support::http::Generated;
use test_support::parking::{
    ask, logged, two_threads, two_threads_over_tls, uri, wait_for_parked, wait_for_rest,
};
use test_support::tls::{Certificates, TlsClient};

/// More than the kernel takes of a connection that nobody reads.
const SIZE: u64 = 8 << 20;
const MANY: u64 = 6;

/// Answers `/app/3` with the bytes of [`Generated`] for 3. `flushes`: a flush follows each packet.
fn large(flushes: bool) -> ScriptedPeer {
    ScriptedPeer::start(move |conn| {
        while let Some(payload) = conn.read_packet()? {
            let uri = forward_request(&payload)?.uri;
            let seed = uri.trim_start_matches("/app/").parse().expect("a number");
            conn.send(headers(200).header("Content-Length", SIZE.to_string()))?;
            let mut body = Generated::new(SIZE, seed);
            while let Some(piece) = body.piece(8000) {
                conn.send(chunk(piece))?;
                if flushes {
                    conn.send(flush())?;
                }
            }
            conn.send(end_response())?;
        }
        Ok(())
    })
}

#[test]
fn clients_that_do_not_read_their_answers_hold_no_thread_and_get_them_whole_later() {
    for (flushes, worker) in [(false, ""), (true, ""), (false, "flushpackets=on")] {
        let peer = large(flushes);
        let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app {worker}", peer.port());
        let httpd = two_threads().conf(&pass).start();
        let ask = |number| ask(&httpd, &uri(number as usize));
        let mut clients: Vec<_> = (0..MANY).map(ask).collect();
        wait_for_parked(&httpd, clients.len());
        httpd.get("/none").expect(404);

        for (seed, client) in clients.iter_mut().enumerate() {
            let answer = client.response("GET").expect(200);
            assert!(answer.body == Generated::bytes(SIZE, seed as u64), "another body");
        }
        wait_for_rest(&httpd);
        assert_eq!(logged(&httpd, &uri(0)).bytes, SIZE);
    }
}

#[test]
fn clients_that_do_not_read_their_answers_over_tls_hold_no_thread_and_get_them_whole_later() {
    let peer = large(false);
    let certificates = Certificates::new();
    let (httpd, port) = two_threads_over_tls(peer.port(), &certificates);
    let mut clients: Vec<_> = (0..MANY)
        .map(|number| {
            let mut client = TlsClient::connect(port);
            let uri = uri(number as usize);
            client.send(format!("GET {uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
            client
        })
        .collect();
    wait_for_parked(&httpd, clients.len());
    httpd.get("/none").expect(404);

    for (seed, client) in clients.iter_mut().enumerate() {
        let mut answer = Vec::new();
        client.output().read_to_end(&mut answer).expect("all of it");
        let body = answer.split_off(answer.len().saturating_sub(SIZE as usize));
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"\r\n\r\n"));
        assert!(body == Generated::bytes(SIZE, seed as u64), "another body");
    }
    wait_for_rest(&httpd);
    assert_eq!(logged(&httpd, &uri(0)).bytes, SIZE);
}
