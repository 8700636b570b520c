//! A request that goes from one member to the next arrives whole.

use std::io::Write;
use std::process::{Command, Stdio};

use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer, chunk, cpong, end_response, headers};
use test_support::http::{Generated, Response, sha256};
use test_support::httpd::{Httpd, Setup};
use test_support::process::{free_port, wait_for};
use test_support::tomcat::Tomcat;

/// A balancer whose first choice is `first`, and whose second is a real Tomcat.
fn balanced(first: &str) -> Setup {
    Httpd::setup()
        .conf("<Proxy balancer://two>")
        .conf(&format!("BalancerMember {first} route=first"))
        .conf(&format!(
            "BalancerMember ajp://127.0.0.1:{} route=second status=+H",
            Tomcat::shared().port
        ))
        .conf("</Proxy>\nProxyPass /app balancer://two/app")
}

/// A port on which nothing listens.
fn refusing() -> String {
    format!("ajp://127.0.0.1:{}", free_port())
}

fn upload(httpd: &Httpd, body: &[u8], headers: &str) -> Response {
    let length = format!("Content-Length: {}\r\n{headers}", body.len());
    httpd.client().request("POST", "/app/upload", &length, body)
}

#[test]
fn an_upload_of_any_size_arrives_whole_after_the_first_member_refused() {
    for size in [1, 5, 8186, 8187, 30_000, 300_000] {
        let httpd = balanced(&refusing()).start();
        let body = Generated::bytes(size, size);
        let answer = upload(&httpd, &body, "").expect(200);

        assert_eq!(answer.said("length"), size.to_string());
        assert_eq!(answer.said("sha256"), sha256([body]));
    }
}

#[test]
fn a_chunked_upload_arrives_whole_after_the_first_member_refused() {
    let httpd = balanced(&refusing()).start();
    let body = Generated::bytes(20_000, 3);
    let mut client = httpd.client();
    client
        .send("POST /app/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("4e20\r\n");
    client.send(&body);
    client.send("\r\n0\r\n\r\n");

    assert_eq!(client.response("POST").expect(200).said("sha256"), sha256([body]));
}

#[test]
fn an_upload_that_an_input_filter_unpacks_arrives_whole_after_the_first_member_refused() {
    let httpd = balanced(&refusing())
        .modules(&["filter", "deflate"])
        .conf("<Location /app>\nSetInputFilter DEFLATE\n</Location>")
        .start();
    let body = Generated::bytes(50_000, 4);

    let answer = upload(&httpd, &gzip(&body), "Content-Encoding: gzip\r\n").expect(200);
    assert_eq!(answer.said("sha256"), sha256([body]));
}

#[test]
fn an_upload_that_an_input_filter_unpacks_arrives_whole_after_it_probed_a_member_in_error() {
    let httpd = balanced(&format!("{} retry=1", refusing()))
        .modules(&["filter", "deflate"])
        .conf("<Location /app>\nSetInputFilter DEFLATE\n</Location>")
        .start();
    let body = Generated::bytes(50_000, 4);
    for _ in 0..2 {
        let answer = upload(&httpd, &gzip(&body), "Content-Encoding: gzip\r\n").expect(200);
        assert_eq!(answer.said("sha256"), sha256([body.clone()]));
        // Now `retry` has passed: the unpacked body was read before the member was chosen.
        std::thread::sleep(std::time::Duration::from_millis(1200));
    }
    let refused = httpd.messages("AJP0107");
    assert_eq!(refused.len(), 2, "both have asked the first member: {refused:?}");
}

#[test]
fn an_input_filter_may_unpack_a_body_to_nothing() {
    let httpd = balanced(&refusing())
        .modules(&["filter", "deflate"])
        .conf("<Location /app>\nSetInputFilter DEFLATE\n</Location>")
        .start();

    let answer = upload(&httpd, &gzip(b""), "Content-Encoding: gzip\r\n").expect(200);
    assert_eq!(answer.said("length"), "0");
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is part of every Debian");
    let mut input = gzip.stdin.take().expect("stdin is piped");
    std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(data).expect("gzip reads it all"));
        gzip.wait_with_output().expect("gzip ends").stdout
    })
}

/// Accepts connections, reads requests, and never answers a CPING.
fn deaf(conn: &mut PeerConnection) -> std::io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        assert_eq!(payload, [0x0A], "nothing but CPING comes here");
    }
    Ok(())
}

#[test]
fn an_upload_arrives_whole_after_the_first_member_did_not_answer_cping() {
    let peer = ScriptedPeer::start(deaf);
    let httpd = balanced(&format!("ajp://127.0.0.1:{} ping=100ms", peer.port())).start();
    let body = Generated::bytes(30_000, 5);

    assert_eq!(upload(&httpd, &body, "").expect(200).said("sha256"), sha256([body]));
    wait_for("it has read a CPING", || (peer.cpings() >= 1).then_some(()));
}

/// Answers requests for "slow" once it is told to, and all others at once.
fn hold(conn: &mut PeerConnection) -> std::io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        if payload == [0x0A] {
            conn.send(cpong())?;
            continue;
        }
        if forward_request(&payload)?.uri.ends_with("hold") {
            return conn.expect_close();
        }
        conn.send(headers(200))?;
        conn.send(chunk(b"first"))?;
        conn.send(end_response())?;
    }
    Ok(())
}

#[test]
fn an_upload_arrives_whole_after_the_first_member_was_busy_and_that_member_stays_usable() {
    let peer = ScriptedPeer::start(hold);
    let member = format!("ajp://127.0.0.1:{} max=1 acquire=50", peer.port());
    let httpd = balanced(&member)
        .conf("ThreadsPerChild 8\nMaxRequestWorkers 8\nStartServers 1\nServerLimit 1")
        .conf("ProxyStatus Full\n<Location /server-status>\nSetHandler server-status\n</Location>")
        .start();
    let mut waiting = httpd.client();
    waiting.send("GET /app/hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    peer.wait_for_requests(1);
    let body = Generated::bytes(30_000, 6);

    assert_eq!(upload(&httpd, &body, "").expect(200).said("sha256"), sha256([body]));
    let page = httpd.get("/server-status").expect(200).text();
    assert!(!page.contains("Err"), "{page}");
    // Ends the request that was held so far.
    drop(peer);
    waiting.response("GET");
}

#[test]
fn failonstatus_still_puts_a_member_in_error() {
    let peer = ScriptedPeer::start(hold);
    let httpd = balanced(&format!("ajp://127.0.0.1:{}", peer.port()))
        .conf("<Proxy balancer://two>\nProxySet failonstatus=200\n</Proxy>")
        .start();

    assert_eq!(httpd.get("/app/static.txt").expect(200).text(), "first");
    assert_ne!(httpd.get("/app/static.txt").expect(200).text(), "first");
}

#[test]
fn a_client_that_goes_away_does_not_put_the_member_in_error_whatever_failonstatus_says() {
    let peer = ScriptedPeer::start(|conn| {
        while let Some(payload) = conn.read_packet()? {
            if !forward_request(&payload)?.uri.ends_with("endless") {
                conn.send(headers(200))?;
                conn.send(chunk(b"first"))?;
                conn.send(end_response())?;
                continue;
            }
            conn.send(headers(200))?;
            while conn.send(chunk(vec![b'x'; 8000])).is_ok() {}
            break;
        }
        Ok(())
    });
    let httpd = balanced(&format!("ajp://127.0.0.1:{}", peer.port()))
        .conf("<Proxy balancer://two>\nProxySet failonstatus=400\n</Proxy>")
        .start();
    let mut client = httpd.client();
    client.send("GET /app/endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.head();
    drop(client);
    peer.wait_for_open_connections(0);

    assert_eq!(httpd.get("/app/x").expect(200).text(), "first");
}

#[test]
fn a_request_sent_to_a_proxyremote_is_not_resent_to_the_backend() {
    let dies = || {
        ScriptedPeer::start(|conn| {
            conn.expect_forward_request()?;
            Ok(())
        })
    };
    let (remote, backend) = (dies(), dies());
    let httpd = Httpd::setup()
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", backend.port()))
        .conf(&format!(
            "ProxyRemote ajp://127.0.0.1:{} http://127.0.0.1:{}",
            backend.port(),
            remote.port()
        ))
        .start();

    assert_eq!(httpd.request("POST", "/app/x", "").status, 502);
    assert_eq!((remote.requests(), backend.requests()), (1, 0));
}
