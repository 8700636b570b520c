//! When CPING is sent, and what silence costs: rows 22-39 of what mod_jk's users know. The table of all
//! rows is in `jk/reuse.rs`.
//!
//! Backends here are slow on purpose: the tests are about such pauses, and do not use them to
//! synchronise. How long httpd waited at most is in its log, which names the limit that was reached. A
//! clock would also measure how busy the machine is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::request::forward_request;
use test_support::ajp::{ScriptedPeer, chunk, cpong, end_response, headers, raw};
use test_support::httpd::{Httpd, Setup};
use test_support::members::{Gate, Pair, backend, notes, one_child, timed};
use test_support::process::wait_for;
use test_support::tomcat::Tomcat;

/// While a housekeeper checks the only idle connection, a request opens another.
const NO_HOUSEKEEPER: &str = "ProxyAjpMaintain 0";

/// A plain worker at `/app`.
fn plain(setup: Setup, peer: &ScriptedPeer, parameters: &str) -> Httpd {
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app {parameters}", peer.port());
    setup.conf(NO_HOUSEKEEPER).conf(&pass).start()
}

/// Waits until `peer` has read so many CPINGs: it may be slower than httpd, which has given up.
fn wait_for_cpings(peer: &ScriptedPeer, count: usize) {
    wait_for("the CPINGs are read", || (peer.cpings() >= count).then_some(()));
}

/// Answers `…/after-N` after N milliseconds, in one write, `…/never` never, and all others at once.
fn sleepy() -> ScriptedPeer {
    backend(|conn, request| {
        if request.uri.ends_with("/never") {
            return conn.expect_close().map(|()| false);
        }
        if let Some((_, wait)) = request.uri.rsplit_once("/after-") {
            sleep(Duration::from_millis(wait.parse().expect("digits")));
            // The connection may be closed by now.
            return Ok(respond(conn, "late").is_ok());
        }
        respond(conn, &request.uri).map(|()| true)
    })
}

/// A request with `X-Hurry: MS` has that reply timeout; all others have the worker's own, so that a
/// busy machine has enough time to answer.
const HURRY: &str = "SetEnvIf X-Hurry (.+) ajp-reply-timeout=$1";

/// What httpd has waited for in vain, and how long, from its log: `no packet from the backend within
/// 1s`.
fn waited(httpd: &Httpd) -> Vec<String> {
    let of_line = |line: &str| {
        let (before, after) = line.split_once(" within ")?;
        let what = before.rsplit([':', '(']).next()?.trim();
        let limit = after.split([' ', ',', ';', ')']).next()?;
        Some(format!("{what} within {limit}"))
    };
    // The member's line (AJP0202) repeats what the request's line says.
    let log = httpd.error_log();
    log.lines().filter(|line| !line.contains(" AJP0202: ")).filter_map(of_line).collect()
}

/// Answers requests, and only the first `count` CPINGs of all connections.
fn answering_cpings(count: usize) -> ScriptedPeer {
    let answered = AtomicUsize::new(0);
    ScriptedPeer::start(move |conn| {
        while let Some(payload) = conn.read_packet()? {
            if payload != [0x0A] {
                respond(conn, &forward_request(&payload)?.uri)?;
            } else if answered.fetch_add(1, Ordering::SeqCst) < count {
                conn.send(cpong())?;
            }
        }
        Ok(())
    })
}

// row 22
#[test]
fn a_backend_that_stops_answering_cpings_is_a_503_after_one_ping_on_each_of_two_connections() {
    // 400 ms for both together: tests/proxy/pings.rs.
    let peer = answering_cpings(1);
    let httpd = plain(one_child(), &peer, "pingmode=prepost pingprepost=2000");
    let mut client = httpd.client();
    client.get("/app/1").expect(200);

    let (answer, took) = timed(|| client.get("/app/2"));
    assert_eq!(answer.status, 503);
    assert!(took >= 1900, "2 s for both, not {took} ms");
    wait_for_cpings(&peer, 3);
    assert_eq!((peer.connections(), peer.cpings(), peer.requests()), (2, 3, 1));
}

// row 22
#[test]
fn a_member_that_stops_answering_cpings_is_in_error_and_the_other_serves() {
    let setup = one_child().conf(NO_HOUSEKEEPER);
    let b = ScriptedPeer::start(uris);
    let parameters = "pingmode=prepost pingprepost=2000";
    let pair = Pair::start_with(answering_cpings(1), parameters, b, setup);
    pair.httpd.get("/app/1").expect(200);

    let (answer, took) = timed(|| pair.httpd.get("/app/2"));
    answer.expect(200);
    assert!(took >= 1900, "2 s for both, not {took} ms");
    wait_for_cpings(&pair.a, 3);
    assert_eq!((pair.a.connections(), pair.a.cpings()), (2, 3), "and not more often");
    assert_eq!(pair.requests(), (1, 1));
    assert!(pair.a_is_in_error());
}

// rows 23 and 24
#[test]
fn pingmode_connect_pings_each_connection_once() {
    let peer = answering_cpings(1);
    let httpd = plain(one_child(), &peer, "pingmode=connect ping=60");
    let mut client = httpd.client();
    for number in 0..5 {
        client.get(&format!("/app/{number}")).expect(200);
    }

    assert_eq!((peer.connections(), peer.cpings(), peer.requests()), (1, 1, 5));
}

// row 25
#[test]
fn pingmode_prepost_pings_before_each_request() {
    for mode in ["prepost", "P"] {
        let peer = ScriptedPeer::echo();
        let httpd = plain(one_child(), &peer, &format!("pingmode={mode} ping=60"));
        let mut client = httpd.client();
        client.get("/app/1").expect(200);
        client.get("/app/2").expect(200);

        assert_eq!((peer.connections(), peer.cpings()), (1, 2), "{mode}");
    }
}

// row 25
#[test]
fn pingmode_connect_and_prepost_ping_a_new_connection_once() {
    let peer = ScriptedPeer::echo();
    let httpd = plain(one_child(), &peer, "\"pingmode=connect,prepost\" ping=60");
    let mut client = httpd.client();
    client.get("/app/1").expect(200);
    assert_eq!(peer.cpings(), 1);
    client.get("/app/2").expect(200);

    assert_eq!((peer.connections(), peer.cpings()), (1, 2));
}

// row 25: the timeouts of the two are their own
#[test]
fn pingconnect_and_pingprepost_are_waited_for_where_they_apply() {
    for (parameters, least) in [("pingconnect=900 pingprepost=300", 900), ("ping=600ms", 600)] {
        let peer = answering_cpings(0);
        let httpd = plain(one_child(), &peer, &format!("pingmode=CP {parameters}"));
        let (answer, took) = timed(|| httpd.get("/app/1"));

        assert_eq!(answer.status, 503);
        assert!(took >= least - 20, "{parameters}: {took} ms");
        wait_for_cpings(&peer, 1);
        assert_eq!(peer.cpings(), 1, "{parameters}");
        assert_eq!(waited(&httpd), [format!("no CPONG within {least}ms")], "{parameters}");
    }
}

// row 26: mod_jk's ten seconds
#[test]
fn pingmode_without_a_timeout_waits_ten_seconds() {
    let peer = answering_cpings(0);
    let httpd = plain(one_child(), &peer, "pingmode=A timeout=30");
    let (answer, took) = timed(|| httpd.get("/app/1"));

    assert_eq!(answer.status, 503);
    assert!(took >= 9_900, "{took} ms");
    assert_eq!((peer.cpings(), waited(&httpd)), (1, vec!["no CPONG within 10s".to_owned()]));
}

// row 27
#[test]
fn bytes_that_a_backend_sends_instead_of_cpong_reach_no_client() {
    let peer = ScriptedPeer::start(|conn| {
        let mut pings = 0;
        while let Some(payload) = conn.read_packet()? {
            if payload != [0x0A] {
                respond(conn, &forward_request(&payload)?.uri)?;
                continue;
            }
            pings += 1;
            if pings == 2 {
                conn.send(chunk(b"somebody else's"))?;
            }
            conn.send(cpong())?;
        }
        Ok(())
    });
    let httpd = plain(one_child(), &peer, "pingmode=prepost ping=60");
    let mut client = httpd.client();
    for number in 0..4 {
        let target = format!("/app/{number}");
        assert_eq!(client.get(&target).expect(200).text(), target);
    }

    assert_eq!((peer.connections(), peer.requests()), (4, 4));
}

// row 28
#[test]
fn a_plain_worker_s_reply_timeout_is_a_504_and_the_request_is_executed_once() {
    for recovery in ["recovery=3", "recovery=0", ""] {
        let peer = sleepy();
        let httpd = plain(one_child(), &peer, &format!("replytimeout=1000 {recovery}"));
        let (answer, took) = timed(|| httpd.get("/app/never"));

        assert_eq!(answer.status, 504, "{recovery}");
        assert!(took >= 950, "{took} ms");
        assert_eq!(waited(&httpd), ["no packet from the backend within 1s"], "{recovery}");
        peer.wait_for_requests(1);
        assert_eq!(peer.requests(), 1, "{recovery}");
    }
}

// row 28
#[test]
fn a_reply_timeout_fails_over_only_if_recovery_allows_it_and_tries_each_member_once() {
    for (recovery, status, requests) in [("", 504, (1, 0)), ("3", 504, (1, 0)), ("0", 200, (1, 1))]
    {
        let recovery = if recovery.is_empty() { "" } else { &format!("recovery={recovery}") };
        let pair =
            Pair::start(sleepy(), &format!("replytimeout=600 maxreplytimeouts=9 {recovery}"));
        let (answer, took) = timed(|| pair.httpd.get("/app/never"));

        assert_eq!(answer.status, status, "{recovery:?}");
        pair.a.wait_for_requests(1);
        assert_eq!(pair.requests(), requests, "{recovery:?}");
        assert!(took >= 550, "{recovery:?}: {took} ms");
        assert_eq!(waited(&pair.httpd), ["no packet from the backend within 600ms"]);
        assert!(!pair.a_is_in_error(), "{recovery:?}");
    }
}

// row 29
#[test]
fn a_reply_timeout_limits_the_gaps_of_a_response_and_not_its_length() {
    let peer = backend(|conn, _| {
        conn.send(headers(200))?;
        for _ in 0..10 {
            sleep(Duration::from_millis(350));
            conn.send(chunk(b"piece "))?;
        }
        conn.send(end_response()).map(|()| true)
    });
    let httpd = plain(one_child(), &peer, "replytimeout=3000");
    let (answer, took) = timed(|| httpd.get("/app/x"));

    assert_eq!(answer.expect(200).text(), "piece ".repeat(10));
    assert!(took > 3400, "{took} ms");
}

// row 30
#[test]
fn a_reply_timeout_after_headers_cuts_the_response_and_tries_no_other_member() {
    let a = backend(|conn, _| {
        conn.send(headers(200))?;
        for _ in 0..3 {
            sleep(Duration::from_millis(100));
            conn.send(chunk(vec![b'x'; 8000]))?;
            conn.send(test_support::ajp::flush())?;
        }
        conn.expect_close().map(|()| false)
    });
    let pair = Pair::start(a, "replytimeout=2000 recovery=0");
    let (answer, took) = timed(|| pair.httpd.get("/app/x"));

    assert!(!answer.complete, "{} {}", answer.status, answer.body.len());
    assert_eq!(answer.body.len(), 3 * 8000, "all that came within the time");
    assert!(took >= 3 * 100 + 1900, "{took} ms");
    assert_eq!(waited(&pair.httpd), ["no packet from the backend within 2s"]);
    assert_eq!(pair.requests(), (1, 0));
}

// row 31
#[test]
fn half_a_packet_and_silence_is_a_502_after_timeout_and_the_connection_is_closed() {
    let half = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(raw([0x41, 0x42, 0, 20, 4, 0]))?;
        conn.expect_close()
    });
    let pair = Pair::start(half, "timeout=2");
    let (answer, took) = timed(|| pair.httpd.get("/app/x"));

    assert_eq!(answer.status, 502);
    assert!(took >= 1900, "{took} ms");
    assert_eq!(waited(&pair.httpd), ["the rest of a packet did not arrive within 2s"]);
    pair.a.wait_for_open_connections(0);
    assert_eq!((pair.a.errors(), pair.requests()), (Vec::new(), (1, 0)));
}

// row 33
#[test]
fn the_environment_of_a_request_sets_its_reply_timeout_and_0_switches_it_off() {
    let peer = sleepy();
    let httpd = one_child()
        .conf("SetEnvIf Request_URI ^/long/ours/ ajp-reply-timeout=500")
        .conf("SetEnvIf Request_URI ^/long/jk/ JK_REPLY_TIMEOUT=500")
        .conf("SetEnvIf Request_URI ^/short/ours/ ajp-reply-timeout=0")
        .conf("SetEnvIf Request_URI ^/short/jk/ JK_REPLY_TIMEOUT=0")
        .conf(&format!(
            "ProxyPass /long ajp://127.0.0.1:{}/long replytimeout=300000 recovery=3",
            peer.port()
        ))
        .conf(&format!("ProxyPass /short ajp://127.0.0.1:{}/short replytimeout=300", peer.port()))
        .start();
    for name in ["ours", "jk"] {
        let (answer, took) = timed(|| httpd.get(&format!("/long/{name}/never")));
        assert_eq!(answer.status, 504, "{name}");
        assert!(took >= 450, "{name}: {took} ms");
        let answer = httpd.get(&format!("/short/{name}/after-1000"));
        assert_eq!(answer.expect(200).text(), "late", "{name}");
    }

    assert_eq!(waited(&httpd), ["no packet from the backend within 500ms"; 2]);
    assert_eq!(httpd.get("/short/other/never").status, 504);
    assert_eq!(httpd.get("/long/other/after-1000").expect(200).text(), "late");
}

// row 33
#[test]
fn a_reply_timeout_that_is_not_a_number_has_no_effect() {
    let peer = sleepy();
    let setup = one_child().conf("SetEnv ajp-reply-timeout soon");
    let httpd = plain(setup, &peer, "replytimeout=2000");

    assert_eq!(httpd.get("/app/never").status, 504);
    assert_eq!(waited(&httpd), ["no packet from the backend within 2s"]);
    assert_eq!(httpd.get("/app/x").expect(200).text(), "/app/x");
}

// row 34
#[test]
fn the_late_answer_to_a_request_that_timed_out_reaches_no_client() {
    let (gate, sent) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (has_timed_out, is_sent) = (gate.clone(), Arc::clone(&sent));
    let peer = backend(move |conn, request| {
        if !request.uri.ends_with("/late") {
            return respond(conn, &request.uri).map(|()| true);
        }
        has_timed_out.wait();
        let goes_on = respond(conn, "late").is_ok();
        is_sent.fetch_add(1, Ordering::SeqCst);
        Ok(goes_on)
    });
    let httpd = plain(one_child().conf(HURRY), &peer, "");
    let mut client = httpd.client();
    assert_eq!(client.request("GET", "/app/late", "X-Hurry: 300\r\n", b"").status, 504);
    gate.open();
    wait_for("the late answer is sent", || (sent.load(Ordering::SeqCst) == 1).then_some(()));
    for number in 0..30 {
        let target = format!("/app/{number}");
        assert_eq!(httpd.get(&target).expect(200).text(), target);
    }
}

// row 35
#[test]
fn one_reply_timeout_puts_a_member_in_error_if_none_is_allowed() {
    let pair = Pair::start(sleepy(), "replytimeout=500 recovery=3 maxreplytimeouts=0");
    assert_eq!(pair.get_at("a", "/app/never").status, 504);
    assert!(pair.a_is_in_error());

    pair.get_at("a", "/app/x").expect(200);
    pair.a.wait_for_requests(1);
    assert_eq!(pair.requests(), (1, 1), "the session of a goes on at b");
}

// row 36
#[test]
fn maxreplytimeouts_are_tolerated_and_one_more_puts_the_member_in_error() {
    let setup = one_child().conf(HURRY);
    let b = ScriptedPeer::start(uris);
    let pair = Pair::start_with(sleepy(), "recovery=3 maxreplytimeouts=2", b, setup);
    let times_out = || pair.httpd.request("GET", "/app/never", "X-Hurry: 300\r\n").status == 504;
    for _ in 0..2 {
        assert!(times_out());
        assert!(!pair.a_is_in_error());
        assert_eq!(pair.httpd.get("/app/x").expect(200).text(), "/app/x");
    }
    pair.a.wait_for_requests(4);
    assert_eq!(pair.requests(), (4, 0));

    assert!(times_out());
    assert!(pair.a_is_in_error());
    pair.httpd.get("/app/x").expect(200);
    pair.a.wait_for_requests(5);
    assert_eq!(pair.requests(), (5, 1));
}

// row 32, with a real Tomcat: afterwards requests are served again
#[test]
fn after_a_timeout_the_next_request_is_served_on_a_new_connection() {
    let port = Tomcat::shared().port;
    let httpd =
        one_child().conf(HURRY).conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app")).start();
    httpd.get("/app/static.txt").expect(200);
    assert_eq!(httpd.request("GET", "/app/slow?ms=20000", "X-Hurry: 500\r\n").status, 504);

    httpd.get("/app/echo/after").expect(200);
    assert!(notes(&httpd, "/app/echo/after").contains("connection=new"));
    httpd.get("/app/slow?ms=2").expect(200);
}

// The notes for the access log
#[test]
fn the_access_log_can_show_worker_route_attempts_connection_and_wait() {
    let [a, b] = [(); 2].map(|()| ScriptedPeer::start(uris));
    let pair = Pair::start_with(a, "", b, one_child().conf(NO_HOUSEKEEPER));
    pair.httpd.get("/app/first").expect(200);
    let first = notes(&pair.httpd, "/app/first");
    pair.httpd.get("/app/second").expect(200);
    let second = notes(&pair.httpd, "/app/second");

    let worker = format!("worker=ajp://127.0.0.1:{} route=a attempts=1", pair.a.port());
    assert!(first.contains(&format!("{worker} connection=new wait-us=")), "{first}");
    assert!(second.contains(&format!("{worker} connection=reused wait-us=")), "{second}");
    let (_, wait) = second.rsplit_once("wait-us=").expect("just seen");
    assert!(wait.trim_end_matches('"').parse::<u64>().is_ok(), "{wait}");
}
