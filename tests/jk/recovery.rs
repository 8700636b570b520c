//! Which requests are resent, where, and how often: rows 41-61 of what mod_jk's users know. The table
//! of all rows is in `jk/reuse.rs`.

use std::io;

use test_support::ajp::echo::{read_body, respond, uris};
use test_support::ajp::{
    ForwardRequest, PeerConnection, ScriptedPeer, chunk, end_response, get_body_chunk, headers,
};
use test_support::http::{Generated, Response, sha256};
use test_support::httpd::Httpd;
use test_support::members::{
    Pair, backend, balancer, hold, holding, is_in_error, notes, one_child, prefork, timed,
    two_children,
};
use test_support::process::{free_port, wait_for};

const KEEP: io::Result<bool> = Ok(true);
const CLOSE: io::Result<bool> = Ok(false);

/// On its first `deaths` connections, reads the body too, and closes before headers; on later ones,
/// answers with method, length of the body and its SHA-256.
fn dying(deaths: usize) -> ScriptedPeer {
    backend(move |conn, request| {
        let body = read_body(conn, request, 8192)?;
        if conn.index() < deaths { CLOSE } else { tell(conn, request, body) }
    })
}

fn tell(conn: &mut PeerConnection, request: &ForwardRequest, body: Vec<u8>) -> io::Result<bool> {
    if request.method == "HEAD" {
        conn.send(headers(200))?;
        conn.send(end_response())?;
        return KEEP;
    }
    respond(conn, &told(&request.method, &body)).map(|()| true)
}

fn told(method: &str, body: &[u8]) -> String {
    format!("{method} {} {}", body.len(), sha256([body.to_vec()]))
}

/// A member that answers with method and body of the request.
fn telling() -> ScriptedPeer {
    dying(0)
}

fn post(httpd: &Httpd, target: &str, body: &[u8]) -> Response {
    let length = format!("Content-Length: {}\r\n", body.len());
    httpd.client().request("POST", target, &length, body)
}

fn plain(peer: &ScriptedPeer, parameters: &str) -> Httpd {
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app {parameters}", peer.port());
    one_child().conf(&pass).start()
}

fn pair(a: ScriptedPeer, parameters: &str) -> Pair {
    Pair::start_with(a, parameters, telling(), one_child())
}

// row 41
#[test]
fn a_request_that_a_member_refuses_is_served_by_the_other_after_one_attempt() {
    let b = ScriptedPeer::start(uris);
    let refusing = free_port();
    let members = [
        format!("ajp://127.0.0.1:{refusing} route=a recovery=0"),
        format!("ajp://127.0.0.1:{} route=b lbset=1", b.port()),
    ];
    let httpd = balancer(one_child(), &members).start();

    httpd.get("/app/x").expect(200);
    assert!(is_in_error(&httpd, refusing));
    assert!(!is_in_error(&httpd, b.port()));
    let notes = notes(&httpd, "/app/x");
    assert!(notes.contains("route=b"), "the member that served: {notes}");
    let failures = httpd.messages("AJP0107");
    let name = format!("ajp://127.0.0.1:{refusing}: ");
    assert!(failures.len() == 1 && failures[0].contains(&name), "one attempt: {failures:?}");
}

// row 42
#[test]
fn with_recovery_0_a_get_that_kills_each_connection_is_executed_a_bounded_number_of_times() {
    let pair = pair(dying(usize::MAX), "recovery=0");
    let answer = pair.httpd.get("/app/x");
    let (a, b) = pair.requests();

    assert_eq!((a, b), (1, 1), "each member once, and the default of retries is 1");
    answer.expect(200);
    assert!(!pair.a_is_in_error());
    let log = pair.httpd.error_log();
    let name = format!("ajp://127.0.0.1:{}: ", pair.a.port());
    assert_eq!(log.lines().filter(|line| line.contains(&name)).count(), 1, "{log}");
}

// row 42
#[test]
fn retries_limits_how_often_a_request_is_resent_to_the_same_backend() {
    for (parameters, requests) in
        [("recovery=0 retries=0", 1), ("recovery=0 retries=3", 4), ("recovery=1 retries=3", 1)]
    {
        let peer = dying(usize::MAX);
        let httpd = plain(&peer, parameters);
        assert_eq!(httpd.get("/app/x").status, 502, "{parameters}");
        assert_eq!(peer.requests(), requests, "{parameters}");
    }
}

// rows 43 and 44
#[test]
fn a_post_that_was_read_is_not_executed_again_unless_recovery_says_so() {
    for parameters in ["", "recovery=1", "recovery=25", "recovery=notafterheaders,getalways"] {
        let pair = pair(dying(usize::MAX), parameters);
        assert_eq!(post(&pair.httpd, "/app/x", &[b'x'; 100]).status, 502, "{parameters}");
        assert_eq!(pair.requests(), (1, 0), "{parameters}");
        assert!(!pair.a_is_in_error());
    }
}

// row 43
#[test]
fn with_recovery_0_a_post_is_executed_once_more_with_the_same_body() {
    for parameters in ["recovery=0", "recovery=always", "recovery=2"] {
        let pair = pair(dying(1), parameters);
        let body = Generated::bytes(100, 1);
        let answer = post(&pair.httpd, "/app/x", &body);

        assert_eq!(answer.expect(200).text(), told("POST", &body), "{parameters}");
        assert_eq!(pair.requests(), (1, 1), "each member once: {parameters}");
        assert!(notes(&pair.httpd, "/app/x").contains("attempts=2"));
    }
}

// row 45
#[test]
fn a_response_that_ends_after_its_headers_is_cut_and_no_other_member_is_tried() {
    for parameters in ["recovery=2", "recovery=3", "recovery=0", ""] {
        let a = backend(|conn, _| {
            conn.send(headers(200).header("Content-Length", "100"))?;
            conn.send(test_support::ajp::flush())?;
            conn.send(chunk(b"not all"))?;
            conn.send(test_support::ajp::flush())?;
            CLOSE
        });
        let pair = pair(a, parameters);
        let answer = pair.httpd.get("/app/x");

        assert!(!answer.complete, "{parameters}: {}", answer.status);
        assert_eq!(pair.requests(), (1, 0), "{parameters}");
        assert!(!pair.a_is_in_error());
    }
}

#[test]
fn a_request_whose_response_ends_after_its_headers_fails_over_if_the_client_has_none_of_it() {
    let a = backend(|conn, _| {
        conn.send(headers(203).header("X-Of", "a").header("Set-Cookie", "of=a"))?;
        CLOSE
    });
    let pair = pair(a, "");

    let answer = pair.httpd.get("/app/x").expect(200);
    assert_eq!((answer.header("X-Of"), answer.header("Set-Cookie")), (None, None));
    assert_eq!(pair.requests(), (1, 1));
    pair.httpd.request("POST", "/app/x", "").expect(502);
    assert_eq!(pair.requests(), (2, 1));
    assert!(!pair.a_is_in_error());
}

// row 46
#[test]
fn a_response_that_ends_after_100_bytes_is_not_completed_by_another_member() {
    let a = backend(|conn, _| {
        conn.send(headers(200))?;
        conn.send(chunk([b'x'; 100]))?;
        // The flush makes sure that the client has these bytes.
        conn.send(test_support::ajp::flush())?;
        CLOSE
    });
    let pair = pair(a, "recovery=0 flushpackets=on");
    let mut client = pair.httpd.client();
    client.send("GET /app/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = client.response("GET");

    assert!(!answer.complete);
    assert_eq!(answer.body, [b'x'; 100]);
    assert_eq!(pair.requests(), (1, 0));
}

// row 47
#[test]
fn getalways_and_headalways_are_exceptions_to_notaftersend_each_for_its_method() {
    for (recovery, method, elsewhere) in [
        ("25", "GET", 1),
        ("25", "HEAD", 1),
        ("17", "GET", 1),
        ("17", "HEAD", 0),
        ("9", "GET", 0),
        ("notaftersend,headalways", "HEAD", 1),
    ] {
        let pair = pair(dying(1), &format!("\"recovery={recovery}\""));
        let answer = pair.httpd.request(method, "/app/x", "");

        let status = if elsewhere == 1 { 200 } else { 502 };
        assert_eq!(answer.status, status, "{recovery} {method}");
        assert_eq!(pair.requests(), (1, elsewhere), "{recovery} {method}");
    }
}

// row 48
#[test]
fn an_upload_that_the_backend_has_read_on_from_is_not_executed_again_even_with_recovery_0() {
    let a = backend(|conn, _| {
        conn.read_body_packet()?;
        conn.send(get_body_chunk(8186))?;
        conn.read_body_packet()?;
        CLOSE
    });
    let pair = pair(a, "recovery=0");
    let answer = post(&pair.httpd, "/app/x", &Generated::bytes(20_480, 1));

    assert_eq!(answer.status, 502);
    assert_eq!(pair.requests(), (1, 0));
}

// row 49
#[test]
fn with_recovery_0_a_chunked_upload_of_which_nothing_was_sent_is_executed_once_more() {
    for (parameters, status, elsewhere) in [("recovery=0", 200, 1), ("", 502, 0)] {
        let a = backend(|conn, request| {
            if conn.index() == 0 {
                return CLOSE;
            }
            let body = read_body(conn, request, 8192)?;
            tell(conn, request, body)
        });
        let pair = pair(a, parameters);
        let mut client = pair.httpd.client();
        client
            .send("POST /app/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("5\r\nhello\r\n0\r\n\r\n");
        let answer = client.response("POST");

        assert_eq!(answer.status, status, "{parameters}");
        assert_eq!(pair.requests(), (1, elsewhere), "{parameters}");
        if status == 200 {
            assert_eq!(answer.text(), told("POST", b"hello"));
        }
    }
}

// row 50
#[test]
fn a_client_that_sends_half_a_body_is_logged_and_no_member_s_fault_with_abortonclienterror_too() {
    for parameters in ["", "recovery=abortonclienterror"] {
        let pair = pair(telling(), parameters);
        let mut client = pair.httpd.client();
        client.send("POST /app/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n");
        client.send([b'x'; 10_000]);
        // The backend has the first piece, and waits for the second.
        pair.a.wait_for_requests(1);
        drop(client);

        pair.a.wait_for_open_connections(0);
        assert!(notes(&pair.httpd, "/app/x").starts_with("/app/x 400"));
        assert!(!pair.a_is_in_error());
        assert_eq!(pair.httpd.get("/app/y").expect(200).text(), told("GET", b""));
        assert_eq!(pair.requests(), (2, 0));
    }
}

// row 51
#[test]
fn a_client_that_stops_a_download_is_no_member_s_fault_and_the_backend_notices() {
    for parameters in ["", "recovery=4"] {
        let a = backend(|conn, request| {
            if request.uri.ends_with("/endless") {
                conn.send(headers(200))?;
                while conn.send(chunk(vec![b'x'; 8000])).is_ok() {}
                return CLOSE;
            }
            tell(conn, request, Vec::new())
        });
        let pair = pair(a, parameters);
        let mut client = pair.httpd.client();
        client.send("GET /app/endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.head();
        drop(client);

        pair.a.wait_for_open_connections(0);
        assert!(!pair.a_is_in_error(), "{parameters}");
        pair.httpd.get("/app/y").expect(200);
        assert_eq!(pair.requests(), (2, 0), "{parameters}");
    }
}

// row 52
#[test]
fn with_retries_a_refused_connect_is_tried_again_after_retryinterval() {
    let port = free_port();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{port}/app retries=2 retryinterval=200");
    let httpd = one_child().conf(&pass).start();
    let (answer, took) = timed(|| httpd.get("/app/x"));

    assert_eq!(answer.status, 503);
    assert!(took >= 400, "two pauses, not {took} ms");
}

// row 52
#[test]
fn without_retries_a_refused_connect_is_not_tried_again() {
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app retryinterval=60000", free_port());
    let httpd = one_child().conf(&pass).start();

    // A pause would take a minute, as long as a client waits.
    httpd.get("/app/x").expect(503);
}

// row 52
#[test]
fn a_backend_that_comes_back_within_its_retries_costs_no_request() {
    let port = free_port();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{port}/app retries=100 retryinterval=500");
    let httpd = one_child().conf(&pass).start();
    let mut client = httpd.client();
    client.send("POST /app/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
    // The test is about this time.
    std::thread::sleep(std::time::Duration::from_millis(700));
    let peer = ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), |conn| {
        test_support::members::serve(
            conn,
            &|conn: &mut PeerConnection, request: &ForwardRequest| {
                let body = read_body(conn, request, 8192)?;
                tell(conn, request, body)
            },
        )
    })
    .expect("the port is ours");

    assert_eq!(client.response("POST").expect(200).text(), told("POST", b"hello"));
    assert_eq!(peer.requests(), 1);
}

// row 53
#[test]
fn every_usable_member_is_tried_once_before_a_503() {
    let ports = [(); 4].map(|()| free_port());
    let member = |port: &u16| format!("ajp://127.0.0.1:{port}");
    let httpd = balancer(one_child(), &ports.each_ref().map(member)).start();
    for round in 1..=2 {
        httpd.get("/app/x").expect(503);
        let failures = httpd.messages("AJP0107");
        for port in &ports {
            let name = format!("ajp://127.0.0.1:{port}: ");
            let tries = failures.iter().filter(|line| line.contains(&name)).count();
            assert_eq!(tries, round, "{failures:?}");
        }
    }

    let tried = |port: &u16| is_in_error(&httpd, *port);
    assert!(ports.iter().all(tried), "{}", httpd.error_log());
}

// row 53
#[test]
fn the_last_of_four_members_serves_when_the_others_refuse() {
    let last = telling();
    let mut members: Vec<_> = (0..3).map(|_| format!("ajp://127.0.0.1:{}", free_port())).collect();
    members.push(format!("ajp://127.0.0.1:{} lbset=1", last.port()));
    let httpd = balancer(one_child(), &members).start();

    let body = Generated::bytes(3000, 1);
    assert_eq!(post(&httpd, "/app/x", &body).expect(200).text(), told("POST", &body));
    assert_eq!(last.requests(), 1);
}

/// Reads the body, answers `status` with a page of its own.
fn failing(status: u16) -> ScriptedPeer {
    backend(move |conn, request| {
        read_body(conn, request, 8192)?;
        conn.send(headers(status))?;
        conn.send(chunk(b"the failing one's page"))?;
        conn.send(end_response()).map(|()| true)
    })
}

// row 57
#[test]
fn a_failstatus_is_answered_by_the_other_member_and_puts_the_first_in_error() {
    let pair = pair(failing(503), "failstatus=503");
    let answer = pair.httpd.get("/app/x");

    assert_eq!(answer.expect(200).text(), told("GET", b""));
    assert_eq!(pair.requests(), (1, 1));
    assert!(pair.a_is_in_error());
    pair.httpd.get("/app/x").expect(200);
    assert_eq!(pair.requests(), (1, 2));
}

// row 58
#[test]
fn a_soft_failstatus_is_answered_by_the_other_member_and_leaves_the_first_alone() {
    let pair = pair(failing(503), "failstatus=500,-503");
    for count in 1..=2 {
        assert_eq!(pair.httpd.get("/app/x").expect(200).text(), told("GET", b""));
        assert_eq!(pair.requests(), (count, count));
        assert!(!pair.a_is_in_error());
    }
}

// rows 57 and 58
#[test]
fn a_status_that_is_not_listed_is_passed_on() {
    let pair = pair(failing(500), "failstatus=503,-502");
    let answer = pair.httpd.get("/app/x");

    assert_eq!(answer.expect(500).text(), "the failing one's page");
    assert!(!pair.a_is_in_error());
    assert_eq!(pair.requests(), (1, 0));
}

// row 59
#[test]
fn a_failstatus_of_a_post_fails_over_only_if_recovery_allows_it() {
    for (parameters, requests) in [("", (1, 0)), ("recovery=1", (1, 0)), ("recovery=0", (1, 1))] {
        let pair = pair(failing(500), &format!("failstatus=500,503 {parameters}"));
        let body = Generated::bytes(100, 1);
        let answer = post(&pair.httpd, "/app/x", &body);

        assert_eq!(pair.requests(), requests, "{parameters}");
        if requests == (1, 1) {
            assert_eq!(answer.expect(200).text(), told("POST", &body));
        } else {
            assert!(answer.status >= 500, "{parameters}: {}", answer.status);
        }
        assert!(pair.a_is_in_error(), "{parameters}");
    }
}

// row 61
#[test]
fn busylimit_counts_the_requests_of_all_children_and_a_busy_member_is_not_in_error() {
    let (a, gate) = holding();
    // Under prefork each request in progress is in another child.
    let pair = Pair::start_with(a, "busylimit=2", telling(), prefork(6));
    let held = hold(&pair.httpd, 2);
    pair.a.wait_for_requests(2);

    assert_eq!(pair.httpd.get("/app/third").expect(200).text(), told("GET", b""), "by b");
    assert_eq!(pair.requests(), (2, 1));
    assert!(!pair.a_is_in_error());
    gate.open();
    for mut client in held {
        client.response("GET").expect(200);
    }
    // The count goes down when the request is over for httpd, not when the client has read it.
    wait_for("a serves again", || {
        (pair.httpd.get("/app/fourth").expect(200).text() == "held").then_some(())
    });
}

// row 61
#[test]
fn a_plain_worker_at_its_busylimit_is_a_503() {
    let (peer, gate) = holding();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app busylimit=1", peer.port());
    let httpd = prefork(4).conf(&pass).start();
    let held = hold(&httpd, 1);
    peer.wait_for_requests(1);

    assert_eq!(httpd.get("/app/second").status, 503);
    gate.open();
    for mut client in held {
        client.response("GET").expect(200);
    }
    wait_for("it serves again", || (httpd.get("/app/third").status == 200).then_some(()));
}

// rows 41 and 85, `escalation`, over two children: the member is in error only when nothing on it succeeds any more
#[test]
fn with_escalation_a_member_that_still_serves_is_not_put_in_error_by_one_refusal() {
    let (a, gate) = holding();
    let port = a.port();
    let pair = Pair::start_with(a, "escalation=30", telling(), two_children());
    let held = hold(&pair.httpd, 1);
    pair.a.wait_for_requests(1);
    // It stops listening, and keeps its connections: as a full or stopping container does.
    let Pair { a, b, httpd } = pair;
    a.stop_listening();

    assert_eq!(httpd.get("/app/x").expect(200).text(), told("GET", b""), "by b");
    assert!(!is_in_error(&httpd, port));
    gate.open();
    for mut client in held {
        client.response("GET").expect(200);
    }
    assert_eq!(b.requests(), 1);
}
