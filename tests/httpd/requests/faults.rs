//! Faults of backends and clients, and what follows: a clear answer, no member's state changes for it,
//! no doubtful connection is used again, and httpd keeps serving.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use test_support::ajp::echo::{read_body, uris_within};
use test_support::ajp::request::forward_request;
use test_support::ajp::{
    ForwardRequest, Packet, PeerConnection, ScriptedPeer, chunk, cpong, echo, end_response,
    headers, raw,
};
use test_support::http::Client;
use test_support::httpd::{Httpd, Mpm};
use test_support::members::one_child;
use test_support::process::{free_port, wait_for};

/// The packets of a whole response with this body.
fn response(body: &str) -> Vec<u8> {
    let headers = headers(200).header("Content-Length", body.len().to_string());
    [headers.into_bytes(), chunk(body).into_bytes(), end_response().into_bytes()].concat()
}

/// A backend that treats a request as its path says. `Ok(false)`: the connection ends here.
fn misbehave(conn: &mut PeerConnection, request: &ForwardRequest) -> io::Result<bool> {
    let length = |n: &str| headers(200).header("Content-Length", n);
    match request.uri.rsplit('/').next().unwrap_or_default() {
        "ok" => {
            conn.send(headers(200).header("X-Connection", conn.index().to_string()))?;
            conn.send(chunk(b"fine"))?;
            conn.send(end_response().reuse(true))?;
            return Ok(true);
        }
        "garbage" => conn.send(raw(b"HTTP/1.1 200 OK\r\n\r\nhello"))?,
        "their-magic" => conn.send(raw([0x12, 0x34, 0, 2, 5, 1]))?,
        "empty-packet" => conn.send(raw([0x41, 0x42, 0, 0]))?,
        "unknown-type" => conn.send(raw([0x41, 0x42, 0, 1, 0x77]))?,
        "cpong" => conn.send(cpong())?,
        "no-headers" => conn.send(end_response())?,
        "body-first" => conn.send(chunk(b"whose?"))?,
        "status-0" => conn.send(headers(0))?,
        "split-header" => conn.send(headers(200).header("X-A", "1\r\nX-Evil: 1"))?,
        "bad-name" => conn.send(headers(200).plain_header("X A", "1"))?,
        "split-reason" => conn.send(headers(200).reason("OK\r\nX-Evil: 1"))?,
        "two-lengths" => {
            conn.send(headers(200).header("Content-Length", "1").header("content-length", "2"))?;
        }
        "lying-header-count" => {
            conn.send(raw([0x41, 0x42, 0, 8, 4, 0, 200, 0, 0, 0, 0xff, 0xff]))?;
        }
        "die" => {}
        "silent" => conn.expect_close()?,
        "too-short" => {
            conn.send(length("100"))?;
            conn.send(chunk(b"only this"))?;
            conn.send(end_response())?;
        }
        "too-long" => {
            conn.send(length("4"))?;
            conn.send(chunk(b"more than four"))?;
            conn.send(end_response())?;
        }
        "cut" => {
            conn.send(headers(200))?;
            conn.send(chunk(vec![b'x'; 5000]))?;
        }
        "cut-with-length" => {
            conn.send(length("10000"))?;
            conn.send(chunk(vec![b'x'; 5000]))?;
        }
        "headers-twice" => {
            conn.send(headers(200))?;
            conn.send(chunk(b"one"))?;
            conn.send(headers(200))?;
        }
        "extra" => {
            // In one write, so that both have arrived when the first is read.
            let both = [response("mine"), response("somebody else's")].concat();
            conn.send(both)?;
            return Ok(true);
        }
        other => panic!("the script does not know {other}"),
    }
    Ok(false)
}

/// Its port is this process's own: nobody listens there once a test has dropped it.
fn backend() -> ScriptedPeer {
    let script = |conn: &mut PeerConnection| {
        while let Some(payload) = conn.read_packet()? {
            if !misbehave(conn, &forward_request(&payload)?)? {
                break;
            }
        }
        Ok(())
    };
    ScriptedPeer::start_at(([127, 0, 0, 1], free_port()).into(), script).expect("a free port")
}

/// The faulty backend as a balancer's first choice, and a sound one that takes over only when the
/// first is in error.
struct Balanced {
    faulty: ScriptedPeer,
    standby: ScriptedPeer,
    httpd: Httpd,
}

impl Balanced {
    fn start(mpm: Mpm) -> Self {
        let (faulty, standby) = (backend(), ScriptedPeer::echo());
        let httpd = Httpd::setup()
            .mpm(mpm)
            .conf("<Proxy balancer://two>")
            .conf(&format!("BalancerMember ajp://127.0.0.1:{} timeout=5", faulty.port()))
            .conf(&format!("BalancerMember ajp://127.0.0.1:{} status=+H", standby.port()))
            .conf("</Proxy>")
            .conf("ProxyPass /app balancer://two/app")
            .conf("ProxyStatus Full")
            .conf("<Location /server-status>\nSetHandler server-status\n</Location>")
            .start();
        Self { faulty, standby, httpd }
    }

    #[track_caller]
    fn assert_both_members_are_well(&self, after: &str) {
        let page = self.httpd.get("/server-status").expect(200).text();
        assert!(!page.contains("Err"), "after {after} a member is in error: {page}");
        self.httpd.get("/app/ok").expect(200);
        assert_eq!(self.standby.requests(), 0, "after {after} the standby was asked");
    }
}

/// All faults before SEND_HEADERS has been read completely.
const BAD_STARTS: [&str; 13] = [
    "garbage",
    "their-magic",
    "empty-packet",
    "unknown-type",
    "cpong",
    "no-headers",
    "body-first",
    "status-0",
    "split-header",
    "bad-name",
    "split-reason",
    "two-lengths",
    "lying-header-count",
];

#[test]
fn a_backend_that_speaks_no_ajp_is_a_502_and_stays_in_the_balancer_under_every_mpm() {
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let balanced = Balanced::start(mpm);
        for fault in BAD_STARTS {
            let answer = balanced.httpd.get(&format!("/app/{fault}"));
            assert_eq!(answer.status, 502, "{fault} under {mpm:?}");
            assert!(answer.header("X-Evil").is_none());
            assert!(!answer.text().contains("whose?"));
        }
        balanced.assert_both_members_are_well("bad starts");
    }
}

#[test]
fn each_failure_is_one_log_line_with_the_backend_and_the_next_step() {
    let balanced = Balanced::start(Mpm::Event);
    for fault in BAD_STARTS {
        balanced.httpd.get(&format!("/app/{fault}")).expect(502);
    }
    let log = balanced.httpd.error_log();
    let name = format!("ajp://127.0.0.1:{}: ", balanced.faulty.port());
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&name)).collect();

    assert_eq!(lines.len(), BAD_STARTS.len(), "{log}");
    assert!(lines.iter().all(|line| line.contains("; answering 502")), "{log}");
}

#[test]
fn a_request_that_a_dying_backend_had_goes_to_another_member_if_that_is_safe() {
    let balanced = Balanced::start(Mpm::Event);

    balanced.httpd.get("/app/die").expect(200);
    assert_eq!((balanced.faulty.requests(), balanced.standby.requests()), (1, 1));
    let post = balanced.httpd.client().request("POST", "/app/die", "Content-Length: 1\r\n", b"x");
    assert_eq!(post.status, 502);
    assert_eq!((balanced.faulty.requests(), balanced.standby.requests()), (2, 1));
    let page = balanced.httpd.get("/server-status").expect(200).text();
    assert!(!page.contains("Err"), "{page}");
}

#[test]
fn a_silent_backend_is_a_504_and_stays_in_the_balancer() {
    let balanced = Balanced::start(Mpm::Event);

    assert_eq!(balanced.httpd.get("/app/silent").status, 504);
    assert_eq!(balanced.faulty.requests(), 1, "a request that timed out is not sent again");
    let lines = balanced.httpd.messages("AJP0101");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let says = |text| lines[0].contains(text);
    assert!(
        says("no packet from the backend within ") && says(" while waiting for the response (")
    );
    assert!(lines[0].ends_with("; GET /app/silent; answering 504"), "{lines:?}");
    assert!(!says("packetSize"), "it does not guess: {lines:?}");
    balanced.assert_both_members_are_well("silence");
}

#[test]
fn failontimeout_puts_a_silent_member_in_error() {
    let (faulty, standby) = (backend(), ScriptedPeer::echo());
    let httpd = Httpd::setup()
        .conf("<Proxy balancer://two>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} timeout=5", faulty.port()))
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} status=+H", standby.port()))
        .conf("ProxySet failontimeout=On\n</Proxy>\nProxyPass /app balancer://two/app")
        .start();

    assert_eq!(httpd.get("/app/silent").status, 504);
    httpd.get("/app/ok").expect(200);
    assert_eq!(standby.requests(), 1);
}

#[test]
fn a_response_that_is_cut_never_looks_complete() {
    let balanced = Balanced::start(Mpm::Event);
    for fault in ["cut", "cut-with-length", "headers-twice"] {
        let answer = balanced.httpd.get(&format!("/app/{fault}"));
        // If nothing has been passed on yet, there is still time for a 502.
        assert!(answer.status == 502 || !answer.complete, "{fault}: {:?}", answer.text());
    }
    balanced.assert_both_members_are_well("broken responses");
}

#[test]
fn a_body_that_is_not_as_long_as_its_content_length_never_looks_complete() {
    let balanced = Balanced::start(Mpm::Event);
    for fault in ["too-short", "too-long"] {
        let answer = balanced.httpd.get(&format!("/app/{fault}"));
        assert!(answer.status == 502 || !answer.complete, "{fault}: {}", answer.status);
    }
    balanced.assert_both_members_are_well("wrong lengths");
}

#[test]
fn bytes_that_a_backend_sends_after_a_response_never_reach_the_next_client() {
    let balanced = Balanced::start(Mpm::Prefork);
    for _ in 0..20 {
        let answer = balanced.httpd.get("/app/extra").expect(200);
        assert_eq!(answer.text(), "mine");
        let next = balanced.httpd.get("/app/ok").expect(200);
        assert_eq!(next.text(), "fine");
    }
    balanced.assert_both_members_are_well("extra responses");
}

#[test]
fn bytes_that_a_backend_sends_on_an_idle_connection_never_reach_the_next_client() {
    let has_sent = Arc::new(AtomicUsize::new(0));
    let sent = Arc::clone(&has_sent);
    let peer = ScriptedPeer::start(move |conn| {
        while conn.read_packet()?.is_some() {
            conn.send(response("mine"))?;
            std::thread::sleep(Duration::from_millis(50));
            conn.send(response("somebody else's"))?;
            sent.fetch_add(1, SeqCst);
        }
        Ok(())
    });
    let httpd =
        one_child().conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port())).start();
    for round in 1..=10 {
        assert_eq!(httpd.get("/app/x").expect(200).text(), "mine");
        wait_for("the second response is sent", || (has_sent.load(SeqCst) == round).then_some(()));
    }
    assert_eq!(peer.connections(), 10, "none of them was used again");
}

#[test]
fn with_ping_bytes_that_a_backend_sends_even_later_never_reach_the_next_client() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_cping()?;
        conn.send(cpong())?;
        conn.expect_forward_request()?;
        conn.send(response("mine"))?;
        // It arrives when httpd has already taken the connection for another client.
        conn.expect_cping()?;
        conn.send(response("somebody else's"))?;
        conn.expect_close()
    });
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app ping=60", peer.port());
    let httpd = one_child().conf(&pass).start();
    for _ in 0..10 {
        assert_eq!(httpd.get("/app/x").expect(200).text(), "mine");
    }
    assert_eq!((peer.requests(), peer.connections()), (10, 10));
    assert_eq!(peer.errors(), [""; 0]);
}

#[test]
fn a_repeated_content_length_is_passed_on_once() {
    let peer = ScriptedPeer::start(|conn| {
        while conn.read_packet()?.is_some() {
            conn.send(headers(200).header("Content-Length", "5").header("content-length", "05 "))?;
            conn.send(test_support::ajp::flush())?;
            conn.send(chunk(b"hello"))?;
            conn.send(end_response())?;
        }
        Ok(())
    });
    let httpd =
        Httpd::setup().conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port())).start();

    let answer = httpd.get("/app/x").expect(200);
    assert_eq!(answer.all("Content-Length"), ["5"]);
    assert_eq!(answer.text(), "hello");
}

#[test]
fn a_request_that_is_too_large_gets_414_or_431_and_no_connection_is_taken() {
    let faulty = backend();
    let httpd = Httpd::setup()
        .conf("LimitRequestLine 200000\nLimitRequestFieldSize 100000")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app iobuffersize=8192", faulty.port()))
        .start();
    let long = "x".repeat(9000);

    assert_eq!(httpd.get(&format!("/app/{long}")).status, 414);
    assert_eq!(httpd.get(&format!("/app/ok?{long}")).status, 414);
    let header = format!("X-Long: {long}\r\n");
    assert_eq!(httpd.request("GET", "/app/ok", &header).status, 431);
    assert_eq!(faulty.connections(), 0);
    httpd.get("/app/ok").expect(200);
}

#[test]
fn a_backend_that_accepts_no_large_request_is_remembered_and_the_log_names_packetsize() {
    let peer = ScriptedPeer::start(|conn| uris_within(conn, 8192));
    let httpd = Httpd::setup()
        .mpm(Mpm::Prefork)
        .conf("StartServers 1\nMaxRequestWorkers 1\nLimitRequestFieldSize 100000")
        // The question waits as long for each CPONG; else for two seconds, and a late one is none.
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app pingconnect=60000", peer.port()))
        .start();
    let header = format!("X-Long: {}\r\n", "x".repeat(20_000));

    assert_eq!(httpd.request("GET", "/app/ok", &header).status, 431);
    assert!(httpd.error_log().contains("packetSize"), "{}", httpd.error_log());
    let asked = peer.connections();
    assert_eq!(httpd.request("GET", "/app/ok", &header).status, 431);
    assert_eq!(peer.connections(), asked, "the second one is refused without asking");
    httpd.get("/app/ok").expect(200);
}

#[test]
fn a_request_whose_framing_two_servers_could_read_differently_never_reaches_a_backend() {
    let peer = backend();
    let httpd =
        Httpd::setup().conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port())).start();
    for bad in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
    ] {
        let mut client = httpd.client();
        client.send(format!("POST /app/ok HTTP/1.1\r\nHost: localhost\r\n{bad}\r\nhello"));
        let answer = client.response("POST");
        assert!((400..=501).contains(&answer.status), "{bad:?}: {}", answer.status);
    }
    assert_eq!(peer.connections(), 0);
}

#[test]
fn a_client_that_sends_half_a_body_affects_no_other_request() {
    let peer = ScriptedPeer::echo();
    let httpd = Httpd::setup()
        .conf("<Proxy balancer://one>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{}", peer.port()))
        .conf("</Proxy>\nProxyPass /app balancer://one/app\nProxyStatus Full")
        .conf("<Location /server-status>\nSetHandler server-status\n</Location>")
        .start();
    for _ in 0..3 {
        let mut client = httpd.client();
        client.send("POST /app/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf");
        drop(client);
    }
    wait_for("the aborted requests are in the access log", || {
        let aborted = httpd.access_log().iter().filter(|l| l.contains("POST")).count();
        (aborted == 3).then_some(())
    });

    // The backend waits for a body that never comes: such a connection is closed, not used again.
    wait_for("their connections are closed", || (peer.open_connections() == 0).then_some(()));
    assert!(httpd.get("/server-status").expect(200).text().contains("Init Ok"));
    assert!(httpd.get("/app/x").expect(200).text().contains("method: GET"));
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_a_response_affects_no_other_request() {
    let peer = ScriptedPeer::start(|conn| {
        while let Some(payload) = conn.read_packet()? {
            let request = forward_request(&payload)?;
            if !request.uri.ends_with("endless") {
                misbehave(conn, &request)?;
                continue;
            }
            conn.send(headers(200))?;
            // Ends when the connection does: the module closes it when the client is gone.
            while conn.send(chunk(vec![b'x'; 8000])).is_ok() {}
            break;
        }
        Ok(())
    });
    let httpd =
        Httpd::setup().conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port())).start();
    let mut client = httpd.client();
    client.send("GET /app/endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.head();
    drop(client);

    wait_for("the backend's connection is closed", || (peer.open_connections() == 0).then_some(()));
    httpd.get("/app/ok").expect(200);
}

#[test]
fn a_backend_that_restarts_costs_no_request() {
    // In one write: trunk gives the client its page before the end of the answer has come.
    let first = |conn: &mut PeerConnection| {
        let request = conn.expect_forward_request()?;
        read_body(conn, &request, 8192)?;
        conn.send(response("hello"))?;
        conn.expect_close()
    };
    let port = free_port();
    let address =
        ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), first).expect("a free port");
    let httpd = Httpd::setup()
        .mpm(Mpm::Prefork)
        .conf("StartServers 1\nMaxRequestWorkers 1")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app"))
        .start();
    let mut client: Client = httpd.client();
    client.request("POST", "/app/x?a=b", "Content-Length: 5\r\n", b"hello").expect(200);
    drop(address);
    let again = ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), echo).expect("the same port");

    client.request("POST", "/app/x?a=b", "Content-Length: 5\r\n", b"hello").expect(200);
    assert_eq!(again.requests(), 1, "executed once");
}

#[test]
fn with_all_connections_in_use_a_request_gets_503_within_acquire_and_no_member_is_in_error() {
    let balanced = Balanced::start(Mpm::Event);
    let peer = backend();
    let httpd = Httpd::setup()
        .conf("ThreadsPerChild 8\nMaxRequestWorkers 8\nStartServers 1\nServerLimit 1")
        .conf("<Proxy balancer://one>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} max=1 acquire=50", peer.port()))
        .conf("</Proxy>\nProxyPass /app balancer://one/app")
        .conf("ProxyStatus Full")
        .conf("<Location /server-status>\nSetHandler server-status\n</Location>")
        .start();
    let mut waiting = httpd.client();
    waiting.send("GET /app/silent HTTP/1.1\r\nHost: localhost\r\n\r\n");
    peer.wait_for_requests(1);

    assert_eq!(httpd.get("/app/ok").status, 503);
    let page = httpd.get("/server-status").expect(200).text();
    assert!(page.contains("Init Ok"), "{page}");
    balanced.assert_both_members_are_well("nothing");
    // Ends the request that was silent so far: its connection dies, and it is resent to a port on which
    // nothing may listen by then.
    drop(peer);
    let status = waiting.response("GET").status;
    assert!([502, 503].contains(&status), "{status}");
}
