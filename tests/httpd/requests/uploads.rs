//! Request bodies that go ahead of being asked for, between clients and containers that do as they like.

use std::io::Read;
use std::time::{Duration, Instant};

use test_support::ajp::echo::respond;
use test_support::ajp::{Packet, PeerConnection, ScriptedPeer, chunk, end_response, headers};
use test_support::ajp::{echo::read_body, encode::get_body_chunk};
use test_support::front::Signal;
use test_support::httpd::{Httpd, Setup};
use test_support::status::{number, pool, report, with_status};
use test_support::tls::{Certificates, TlsClient};

fn before(peer: &ScriptedPeer, setup: Setup) -> Httpd {
    let port = peer.port();
    setup.conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app uploadahead=65536")).start()
}

const CHUNKED: &str = "POST /app/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A whole response that says that the connection may be used again.
fn whole(text: &str) -> Vec<u8> {
    [headers(200).into_bytes(), chunk(text), end_response().into_bytes()].concat()
}

#[test]
fn an_answer_reaches_a_client_that_has_not_sent_the_body_that_is_waited_for() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(get_body_chunk(8186))?;
        conn.send(whole("no, thanks"))?;
        // Nothing more comes on this connection.
        conn.expect_close()
    });
    let httpd = before(&peer, with_status(Httpd::setup()));
    let mut client = httpd.client();
    client.send(CHUNKED);

    // It would wait for the client until Timeout, which is 60 seconds.
    let answer = client.response("POST").expect(200);

    assert_eq!(answer.text(), "no, thanks");
    peer.wait_for_open_connections(0);
    let report = report(&httpd);
    let closed = &pool(&report, &peer.port().to_string())["closed"];
    assert_eq!((number(&closed["early_answer"]), number(&closed["dropped"])), (1, 0), "{report}");
    let figures = httpd.get("/ajp-status?format=openmetrics").expect(200).text();
    let wanted = figures.lines().any(|line| {
        line.starts_with("ajp_pool_closed_total")
            && line.contains("reason=\"early_answer\"")
            && line.ends_with(" 1")
    });
    assert!(wanted, "{figures}");
}

#[test]
fn an_answer_reaches_a_tls_client_that_has_sent_a_part_of_its_body_and_is_silent() {
    let certificates = Certificates::new();
    let path = |name: &str| certificates.file(name).display().to_string();
    let peer = ScriptedPeer::start(|conn| {
        let request = conn.expect_forward_request()?;
        if request.is_chunked() {
            conn.send(get_body_chunk(8186))?;
        }
        assert_eq!(conn.read_body_packet()?, b"hel");
        conn.send(get_body_chunk(8186))?;
        // So that the client is being waited for, as a rule.
        std::thread::sleep(Duration::from_millis(200));
        conn.send(whole("no, thanks"))?;
        conn.expect_close()
    });
    let httpd = before(
        &peer,
        Httpd::setup()
            .modules(&["socache_shmcb", "ssl"])
            .conf("SSLEngine On")
            .conf(&format!("SSLCertificateFile {}", path("server.pem")))
            .conf(&format!("SSLCertificateKeyFile {}", path("server.key"))),
    );
    for (framing, part) in
        [("Content-Length: 1000", "hel"), ("Transfer-Encoding: chunked", "5\r\nhel")]
    {
        let mut client = TlsClient::connect(httpd.port());
        client.send(format!("POST /app/x HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{part}"));

        // It would wait for the client until Timeout, which is 60 seconds, and then answer 408.
        let mut received = Vec::new();
        while !received.ends_with(b"no, thanks\r\n0\r\n\r\n") && !received.ends_with(b"no, thanks")
        {
            let mut piece = [0; 4096];
            let count = client.output().read(&mut piece).expect("openssl runs");
            let text = String::from_utf8_lossy(&received);
            assert!(count > 0, "{framing}: {text}");
            received.extend(&piece[..count]);
        }
        assert!(received.starts_with(b"HTTP/1.1 200 "), "{framing}");
        peer.wait_for_open_connections(0);
    }
    assert_eq!(peer.errors(), Vec::<String>::new());
}

#[test]
fn what_a_slow_client_has_sent_is_passed_on_before_it_sends_more() {
    let has_come = Signal::new();
    let arrived = has_come.clone();
    let peer = ScriptedPeer::start(move |conn| {
        conn.expect_forward_request()?;
        conn.send(get_body_chunk(8186))?;
        assert_eq!(conn.read_body_packet()?, b"hello");
        arrived.give();
        conn.send(get_body_chunk(8186))?;
        assert_eq!(conn.read_body_packet()?, b" world");
        conn.send(get_body_chunk(8186))?;
        assert!(conn.read_body_packet()?.is_empty());
        respond(conn, "thanks")?;
        conn.expect_close()
    });
    let httpd = before(&peer, Httpd::setup());
    let mut client = httpd.client();
    client.send(CHUNKED);
    client.send("5\r\nhello\r\n");
    has_come.wait();
    client.send("6\r\n world\r\n0\r\n\r\n");

    assert_eq!(client.response("POST").expect(200).text(), "thanks");
    assert_eq!(peer.errors(), Vec::<String>::new());
}

/// Asks for a body of which no more than its begin comes.
fn asks(conn: &mut PeerConnection) -> std::io::Result<()> {
    conn.expect_forward_request()?;
    conn.send(get_body_chunk(8186))?;
    assert_eq!(conn.read_body_packet()?, b"hel");
    conn.send(get_body_chunk(8186))?;
    conn.expect_close()
}

#[test]
fn a_client_that_sends_nothing_is_a_408_after_its_timeout() {
    for (limit, modules) in [
        // The container has longer than the client.
        ("Timeout 1\nProxyTimeout 60", &[][..]),
        ("RequestReadTimeout body=1", &["reqtimeout"][..]),
    ] {
        let peer = ScriptedPeer::start(asks);
        let httpd = before(&peer, Httpd::setup().modules(modules).conf(limit));
        let mut client = httpd.client();
        let start = Instant::now();
        client.send(format!("{CHUNKED}5\r\nhel"));

        assert_eq!(client.response("POST").status, 408, "{limit}");
        assert!(start.elapsed() >= Duration::from_millis(900), "{limit}");
        peer.wait_for_open_connections(0);
        assert_eq!(peer.errors(), Vec::<String>::new(), "{limit}");
    }
}

#[test]
fn a_client_that_leaves_while_its_body_is_waited_for_ends_the_request() {
    let peer = ScriptedPeer::start(asks);
    let httpd = before(&peer, Httpd::setup());
    let mut client = httpd.client();
    client.send(CHUNKED);
    client.send("5\r\nhel");
    peer.wait_for_requests(1);
    drop(client);

    peer.wait_for_open_connections(0);
    assert_eq!(peer.errors(), Vec::<String>::new());
}

#[test]
fn a_container_that_closes_with_packets_unread_has_its_answer_delivered() {
    for read in [1, 2, 5] {
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            for _ in 0..read {
                conn.send(get_body_chunk(8186))?;
                conn.read_body_packet()?;
            }
            conn.send(whole("enough"))?;
            // With bytes unread that is a reset.
            conn.reset()
        });
        let httpd = before(&peer, Httpd::setup());
        let mut client = httpd.client();
        client.send("POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
        let _ = client.try_send(vec![b'b'; 500_000]);

        assert_eq!(client.response("POST").expect(200).text(), "enough", "{read}");
    }
}

#[test]
fn packets_ahead_are_as_the_rules_want_them_and_the_connection_serves_the_next_request() {
    let peer = ScriptedPeer::start(|conn| {
        for _ in 0..3 {
            let request = conn.expect_forward_request()?;
            let body = read_body(conn, &request, 8192)?;
            respond(conn, &body.len().to_string())?;
        }
        conn.expect_close()
    });
    // Not with a housekeeper: while it checks the idle connection, a request opens another.
    let httpd = before(&peer, Httpd::setup().conf("ProxyAjpMaintain 0"));
    let mut client = httpd.client();
    for _ in 0..3 {
        client.send("POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
        client.send(vec![b'b'; 500_000]);
        assert_eq!(client.response("POST").expect(200).text(), "500000");
    }
    assert_eq!(peer.connections(), 1);
}
