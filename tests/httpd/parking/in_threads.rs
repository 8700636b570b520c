//! Requests that cannot wait without a thread: they wait in one, and are answered all the same.

use std::fs;

use test_support::ajp::Packet;
use test_support::ajp::echo::respond;
use test_support::ajp::request::forward_request;
use test_support::ajp::{
    HoldingPeer, ScriptedPeer, chunk, cpong, end_response, flush, get_body_chunk, headers,
};
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::members::Gate;
use test_support::parking::{Load, two_threads, uri, wait_for_parked, wait_for_rest};
use test_support::process::wait_for;

fn start(setup: Setup) -> (HoldingPeer, Httpd) {
    let peer = HoldingPeer::start();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = setup.conf(&pass).start();
    (peer, httpd)
}

/// One request is in flight, and has a thread.
#[track_caller]
fn has_a_thread(httpd: &Httpd) {
    let load = Load { parked: 0, busy: 1, in_use: 1, waiting: 0 };
    wait_for("a request in flight", || (Load::of(httpd) == load).then_some(()));
}

#[test]
fn streams_of_http_2_wait_in_threads() {
    let (peer, httpd) = start(two_threads().modules(&["http2"]).conf("Protocols h2c http/1.1"));
    let curl = std::thread::scope(|scope| {
        let asked = scope.spawn(|| httpd.curl(&["--http2-prior-knowledge"], "http", "/app/0"));
        peer.wait_for_held(1);
        has_a_thread(&httpd);
        peer.answer("/app/0");
        asked.join().expect("an answer")
    });
    assert_eq!(curl, "/app/0");
    wait_for_rest(&httpd);
}

#[test]
fn pieces_of_a_page_wait_in_threads() {
    let setup = two_threads()
        .modules(&["include"])
        .conf("AddOutputFilter INCLUDES .shtml\n<Directory />\nOptions +Includes\n</Directory>");
    let (peer, httpd) = start(setup);
    let page = "[<!--#include virtual=\"/app/0\" --><!--#include virtual=\"/app/1\" -->]";
    fs::write(httpd.root().join("htdocs/page.shtml"), page).expect("it is ours");
    let mut client = httpd.client();
    client.send("GET /page.shtml HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for number in 0..2 {
        peer.wait_for_held(1);
        has_a_thread(&httpd);
        peer.answer(&uri(number));
    }
    assert_eq!(client.response("GET").expect(200).text(), "[/app/0/app/1]");
    wait_for_rest(&httpd);
}

#[test]
fn a_request_whose_body_is_not_all_there_waits_in_a_thread_and_without_one_once_it_is() {
    let peer = ScriptedPeer::start(|conn| {
        let request = conn.expect_forward_request()?;
        let mut body = conn.read_body_packet()?;
        while body.len() < request.content_length() {
            conn.send(get_body_chunk(8186))?;
            body.extend(conn.read_body_packet()?);
        }
        // The test has seen the request wait when it asks for this.
        conn.send(headers(200))?;
        conn.send([chunk(&body), test_support::ajp::flush()].concat())?;
        conn.read_packet()?;
        Ok(())
    });
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = two_threads().conf(&pass).start();
    let mut client = httpd.client();
    client.send("POST /app/0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello");
    peer.wait_for_requests(1);
    has_a_thread(&httpd);
    client.send("world");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk().as_deref(), Some(&b"helloworld"[..]));
    wait_for_parked(&httpd, 1);
    drop(client);
    wait_for_rest(&httpd);
}

#[test]
fn a_container_that_answers_before_the_body_is_there_is_heard_in_a_thread() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        let answer = [headers(413).into_bytes(), chunk("too much")].concat();
        conn.send([answer, end_response().reuse(false).into_bytes()].concat())?;
        conn.expect_close()
    });
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = two_threads().conf(&pass).start();
    let mut client = httpd.client();
    client.send("POST /app/0 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nhello\r\n");
    assert_eq!(client.response("POST").expect(413).text(), "too much");
    wait_for_rest(&httpd);
}

#[test]
fn requests_of_a_server_with_proxyremote_wait_in_threads() {
    let (peer, httpd) =
        start(two_threads().conf("ProxyRemote http://127.0.0.2:1 http://127.0.0.1:1"));
    let mut client = httpd.client();
    client.send("GET /app/0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    peer.wait_for_held(1);
    has_a_thread(&httpd);
    peer.answer("/app/0");
    assert_eq!(client.response("GET").expect(200).text(), "/app/0");
}

#[test]
fn a_virtual_host_without_parking_waits_in_threads_beside_one_that_parks() {
    let hosts = two_threads().conf("<VirtualHost *:*>\nServerName one\n</VirtualHost>");
    let hosts =
        hosts.conf("<VirtualHost *:*>\nServerName two\nProxyAjpParking Off\n</VirtualHost>");
    let (peer, httpd) = start(hosts);
    for (host, parked) in [("one", 1), ("two", 0)] {
        let mut client = httpd.client();
        client.send(format!("GET /app/{host} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        peer.wait_for_held(1);
        let load = Load { parked, busy: 1, in_use: 1, waiting: 0 };
        wait_for(host, || (Load::of(&httpd) == load).then_some(()));
        peer.answer_all();
        assert_eq!(client.response("GET").expect(200).text(), format!("/app/{host}"));
    }
}

#[test]
fn a_flush_of_its_own_reaches_a_client_that_is_still_sending_its_body() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(get_body_chunk(8186))?;
        conn.read_body_packet()?;
        conn.send(headers(200))?;
        conn.send(chunk("seen"))?;
        // It comes when the chunk has been handed over.
        std::thread::sleep(std::time::Duration::from_millis(500));
        conn.send(flush())?;
        conn.send(get_body_chunk(8186))?;
        conn.read_body_packet()?;
        conn.send(end_response())
    });
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = two_threads().conf(&pass).start();
    let mut client = httpd.client();
    client.send("POST /app/0 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nfirst\r\n");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk().as_deref(), Some(&b"seen"[..]));
    client.send("0\r\n\r\n");
    assert_eq!(client.chunk().as_deref(), Some(&b""[..]));
    assert_eq!(peer.errors(), [""; 0]);
    wait_for_rest(&httpd);
}

/// Two virtual hosts, of which one does not park.
const TWO_HOSTS: &str = "<VirtualHost *:*>\nServerName parks\n</VirtualHost>\n\
                         <VirtualHost *:*>\nServerName stays\nProxyAjpParking Off\n</VirtualHost>";

/// Sends a request to this virtual host, with a header of this text.
fn ask(httpd: &Httpd, host: &str, text: &str, number: usize) -> Client {
    let (mut client, uri) = (httpd.client(), uri(number));
    client.send(format!("GET {uri} HTTP/1.1\r\nHost: {host}\r\nX: {text}\r\n\r\n"));
    client
}

#[test]
fn a_request_that_asks_for_the_packet_size_keeps_its_thread_since_others_may_wait_for_its_answer_in_all_others()
 {
    let gate = Gate::default();
    let peer = {
        let gate = gate.clone();
        ScriptedPeer::start(move |conn| {
            while let Some(payload) = conn.read_packet()? {
                match &payload[..] {
                    [0x0A] => conn.send(cpong())?,
                    // The question, whose bytes are as many as the request's.
                    [0x0A, ..] => {
                        gate.wait();
                        conn.send(cpong())?;
                    }
                    _ => respond(conn, &forward_request(&payload)?.uri)?,
                }
            }
            Ok(())
        })
    };
    let httpd = two_threads()
        .conf("LimitRequestFieldSize 20000")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app ping=60", peer.port()))
        .conf(TWO_HOSTS)
        .start();
    let field = "x".repeat(10_000);
    let first = ask(&httpd, "parks", &field, 0);
    let asks = Load { parked: 0, busy: 1, in_use: 0, waiting: 0 };
    wait_for("the question", || (Load::of(&httpd) == asks).then_some(()));

    // More than there are threads beside it.
    let others = [1, 2].map(|number| ask(&httpd, "stays", &field, number));
    gate.open();
    for (number, mut client) in [first].into_iter().chain(others).enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
    wait_for_rest(&httpd);
}

#[test]
fn the_wait_in_a_thread_for_the_place_of_a_parked_request_ends_after_timeout() {
    let peer = HoldingPeer::start();
    let worker = format!("ajp://127.0.0.1:{}/app max=1 timeout=1 replytimeout=60000", peer.port());
    let httpd = two_threads().conf(&format!("ProxyPass /app {worker}")).conf(TWO_HOSTS).start();
    let mut first = ask(&httpd, "parks", "", 0);
    wait_for_parked(&httpd, 1);

    // The parked request needs a thread to go on, and requests that wait as this one does may have all.
    let response = ask(&httpd, "stays", "", 1).response("GET");
    assert_eq!(response.status, 503);
    peer.answer(&uri(0));
    assert_eq!(first.response("GET").expect(200).text(), uri(0));
    wait_for_rest(&httpd);
}
