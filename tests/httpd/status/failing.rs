//! Workers that fail: ajp-status says so of single ones too, over all children, and when it is over.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::uris;
use test_support::httpd::Httpd;
use test_support::members::{backend, balancer, named, one_child, prefork};
use test_support::process::{free_port, wait_for};
use test_support::status::{member, order, report, with_status};

use super::client;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// What ajp-status says of the worker at this port.
#[track_caller]
fn worker(httpd: &Httpd, port: u16) -> Value {
    member(&report(httpd), &format!(":{port}")).clone()
}

/// Starts a container at this port that answers every request.
fn answering_at(port: u16) -> ScriptedPeer {
    ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), uris).expect("the port is free")
}

#[test]
fn a_dead_single_backend_fails_after_three_requests_over_all_children_until_the_next_answer() {
    let port = free_port();
    let setup = prefork(4).conf(&format!("ProxyPass /single ajp://127.0.0.1:{port}"));
    let httpd = with_status(setup).start();
    // After 503 a connection is closed, so each child has one of these requests.
    let clients = [(); 3].map(|()| client(&httpd));
    let began = now();
    for (at, mut client) in clients.into_iter().enumerate() {
        assert_eq!(worker(&httpd, port)["failing_since"], Value::Null, "after {at}");
        client.get("/single/x").expect(503);
    }
    let said = worker(&httpd, port);
    let since = said["failing_since"].as_f64().expect("it fails");
    // The two clocks are read one after the other.
    assert!(since > began - 1.0 && since <= now(), "{began} {since}");
    assert_eq!((&said["usable"], &said["takes_new_sessions"]), (&true.into(), &true.into()));
    assert_eq!(report(&httpd)["health"], "bad");

    let _back = answering_at(port);
    httpd.get("/single/x").expect(200);
    let said = worker(&httpd, port);
    assert_eq!(said["failing_since"], Value::Null);
    assert_eq!(said["last_error"]["text"], "connection refused", "that has been, all the same");
    assert_eq!(report(&httpd)["health"], "good");
}

#[test]
fn the_last_error_says_when_and_what_for_a_single_worker_and_a_member() {
    let (dead, peer) = (free_port(), named("fine"));
    let missing = "unix:/nowhere/ajp.sock|ajp://localhost";
    let members = [format!("ajp://127.0.0.1:{dead}"), format!("ajp://127.0.0.1:{}", peer.port())];
    let setup = balancer(one_child(), &members).conf(&format!("ProxyPass /unix \"{missing}\""));
    let httpd = with_status(setup).start();
    assert_eq!(worker(&httpd, dead)["last_error"], Value::Null);
    let began = now();
    (0..2).for_each(|_| drop(httpd.get("/app/x").expect(200)));
    httpd.get("/unix/x").expect(503);
    let report = report(&httpd);
    let of_member = &member(&report, &format!(":{dead}"))["last_error"];
    assert_eq!(
        (&of_member["reason"], &of_member["text"]),
        (&"connect".into(), &"connection refused".into())
    );
    let time = of_member["time"].as_f64().expect("a time");
    assert!(time > began - 1.0 && time <= now(), "{began} {time}");
    let of_unix = &member(&report, "ajp://localhost")["last_error"];
    assert_eq!((&of_unix["reason"], &of_unix["text"]), (&"connect".into(), &"no such file".into()));
    assert_eq!(member(&report, &format!(":{}", peer.port()))["last_error"], Value::Null);
    let prop = httpd.get("/ajp-status?mime=prop").expect(200).text();
    assert!(prop.contains(".last_error=connection refused\n"), "{prop}");
}

#[test]
fn a_member_is_in_error_since_the_first_mark_whatever_its_probes_find() {
    let (dead, peer) = (free_port(), named("fine"));
    let members =
        [format!("ajp://127.0.0.1:{dead} retry=1"), format!("ajp://127.0.0.1:{}", peer.port())];
    let httpd = with_status(balancer(one_child(), &members)).start();
    let failed = |times: u64| {
        wait_for("it has been tried", || {
            httpd.get("/app/x").expect(200);
            let said = worker(&httpd, dead);
            (said["errors"]["connect"].as_u64() >= Some(times)).then_some(said)
        })
    };
    let seconds = |said: &Value| said["in_error_since"].as_f64().expect("it is in error").round();
    let (first, later) = (failed(1), failed(3));
    assert!((seconds(&first) - seconds(&later)).abs() <= 1.0, "{first} {later}");
    assert!(later["last_error"]["time"].as_f64() > first["last_error"]["time"].as_f64());
    assert!(later["failing_since"].is_number(), "it fails, too");
    let _back = answering_at(dead);
    wait_for("it is back", || {
        httpd.get("/app/x").expect(200);
        let said = worker(&httpd, dead);
        (said["in_error_since"].is_null() && said["failing_since"].is_null()).then_some(())
    });
}

#[test]
fn what_a_client_causes_neither_makes_a_worker_fail_nor_ends_that_it_fails() {
    let port = free_port();
    let setup = one_child().conf(&format!("ProxyPass /single ajp://127.0.0.1:{port}"));
    let httpd = with_status(setup).start();
    let invalid = |count: usize| {
        for _ in 0..count {
            // More headers than a packet has room for.
            let large = format!("X-Large: {}\r\n", "x".repeat(7000)).repeat(10);
            let status = httpd.client().request("GET", "/single/x", &large, b"").status;
            assert!((400..500).contains(&status), "{status}");
        }
    };
    invalid(4);
    assert_eq!(worker(&httpd, port)["failing_since"], Value::Null);
    (0..3).for_each(|_| drop(httpd.get("/single/x").expect(503)));
    let since = worker(&httpd, port)["failing_since"].clone();
    assert!(since.is_number(), "{since}");
    invalid(1);
    assert!(worker(&httpd, port)["failing_since"].is_number());
}

#[test]
fn an_error_of_the_application_ends_the_row_and_an_answer_that_breaks_off_does_not() {
    let peer = backend(|conn, request| {
        use test_support::ajp::{chunk, end_response, headers};
        let path = request.uri.as_str();
        let status = if path.ends_with("/500") { 500 } else { 200 };
        conn.send(headers(status).header("Content-Length", "4"))?;
        if path.ends_with("/cut") {
            conn.send(chunk(b"ha"))?;
            return Ok(false);
        }
        conn.send(chunk(b"full"))?;
        conn.send(end_response())?;
        Ok(true)
    });
    let setup = one_child().conf(&format!("ProxyPass /single ajp://127.0.0.1:{}", peer.port()));
    let httpd = with_status(setup).start();
    for _ in 0..3 {
        assert!(!httpd.get("/single/cut").complete);
    }
    let said = worker(&httpd, peer.port());
    assert!(said["failing_since"].is_number(), "{said}");
    assert_eq!(said["last_error"]["reason"], "broken_off");
    httpd.get("/single/500").expect(500);
    assert_eq!(worker(&httpd, peer.port())["failing_since"], Value::Null);
}

#[test]
fn an_answer_that_failstatus_lists_counts_against_its_member_also_where_the_client_gets_it() {
    let peer = backend(|conn, _| {
        conn.send(test_support::ajp::headers(503))?;
        conn.send(test_support::ajp::end_response())?;
        Ok(true)
    });
    let other = named("other");
    let members = [
        format!("ajp://127.0.0.1:{} failstatus=503 retry=0", peer.port()),
        format!("ajp://127.0.0.1:{} lbset=1", other.port()),
    ];
    let httpd = with_status(balancer(one_child(), &members)).start();
    for _ in 0..3 {
        // It may not be sent to another member.
        httpd.request("POST", "/app/x", "Content-Length: 0\r\n").expect(503);
    }
    assert_eq!((peer.requests(), other.requests()), (3, 0));
    let said = worker(&httpd, peer.port());
    assert!(said["failing_since"].is_number(), "{said}");
    assert_eq!(said["last_error"]["text"], "answered with status 503, which failstatus lists");
}

#[test]
fn a_balancer_whose_members_all_drain_serves_no_new_sessions_and_is_bad() {
    let (a, b) = (named("a"), named("b"));
    let members = [&a, &b].map(|peer| format!("ajp://127.0.0.1:{}", peer.port()));
    let httpd = with_status(balancer(one_child(), &members)).start();
    let states = || {
        let report = report(&httpd);
        let balancer = &report["balancers"][0];
        let taking = [&a, &b].map(|peer| {
            member(&report, &format!(":{}", peer.port()))["takes_new_sessions"] == true
        });
        let serves = balancer["serves_new_sessions"] == true;
        (taking, serves, balancer["health"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(states(), ([true, true], true, "good".into()));
    order(&httpd, "drain", &members[0]);
    assert_eq!(states(), ([false, true], true, "good".into()));
    order(&httpd, "drain", &members[1]);
    assert_eq!(states(), ([false, false], false, "bad".into()));
    let said = worker(&httpd, a.port());
    assert_eq!(said["usable"], true, "its sessions still go there");
    order(&httpd, "activate", &members[1]);
    assert_eq!(states(), ([false, true], true, "good".into()));
}

#[test]
fn a_member_of_another_protocol_keeps_a_balancer_from_being_bad() {
    let a = named("a");
    let members = [format!("ajp://127.0.0.1:{}", a.port()), "http://127.0.0.1:9".to_owned()];
    let setup = balancer(one_child().modules(&["proxy_http"]), &members);
    let httpd = with_status(setup).start();
    order(&httpd, "stop", &members[0]);
    assert_eq!(report(&httpd)["balancers"][0]["serves_new_sessions"], true);
}

#[test]
fn a_graceful_restart_forgets_that_a_worker_fails_and_three_more_requests_show_it_again() {
    let port = free_port();
    let setup = one_child().conf(&format!("ProxyPass /single ajp://127.0.0.1:{port}"));
    let httpd = with_status(setup).start();
    let fail = |count: usize| (0..count).for_each(|_| drop(httpd.get("/single/x").expect(503)));
    fail(3);
    assert!(worker(&httpd, port)["failing_since"].is_number());
    let old = httpd.children();
    httpd.graceful();
    httpd.wait_for_new_children(&old, 1);
    let said = worker(&httpd, port);
    assert_eq!((&said["failing_since"], &said["last_error"]), (&Value::Null, &Value::Null));
    fail(3);
    assert!(worker(&httpd, port)["failing_since"].is_number());
}

#[test]
fn requests_go_to_a_single_worker_that_fails_as_before() {
    let peer = backend(|_, _| Ok(false));
    let setup = one_child().conf(&format!("ProxyPass /single ajp://127.0.0.1:{}", peer.port()));
    let httpd = with_status(setup).start();
    for _ in 0..5 {
        httpd.get("/single/x").expect(502);
    }
    assert!(peer.requests() >= 5, "{}", peer.requests());
    assert!(worker(&httpd, peer.port())["failing_since"].is_number());
}
