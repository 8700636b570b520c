//! The life of a member in the log: in error, back, drained, stopped and active again, each once over all
//! children.

use std::net::SocketAddr;

use test_support::ajp::{ScriptedPeer, end_response, headers};
use test_support::httpd::Httpd;
use test_support::manager::{NONCE, manage};
use test_support::members::{
    backend, balancer, hold, holding, named, one_child, serving, two_children,
};
use test_support::process::{free_port, wait_for};
use test_support::status::{order, with_status};

const IN_ERROR: &str = "AJP0202";
const BACK: &str = "AJP0203";
const ACTIVATION: &str = "AJP0204";

/// The lines of a message, once there is one.
#[track_caller]
fn said(httpd: &Httpd, number: &str) -> Vec<String> {
    wait_for(number, || Some(httpd.messages(number)).filter(|lines| !lines.is_empty()))
}

/// Requests over two connections at a time, each of which has a child of its own.
fn request_in_both_children(httpd: &Httpd, count: usize) {
    let mut clients = [httpd.client(), httpd.client()];
    for _ in 0..count {
        for client in &mut clients {
            client.get("/app/x").expect(200);
        }
    }
    assert!(serving(httpd) >= 2, "those of before a restart count, too");
}

fn start_at(port: u16) -> ScriptedPeer {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let script = |conn: &mut _| test_support::ajp::echo::uris(conn);
    ScriptedPeer::start_at(address, script).expect("the port is free")
}

#[test]
fn that_a_member_is_in_error_and_back_is_said_once_over_all_children() {
    let (dead, spare) = (free_port(), named("b"));
    let httpd = balancer(
        two_children(),
        &[
            format!("ajp://127.0.0.1:{dead} route=a retry=1"),
            format!("ajp://127.0.0.1:{} route=b", spare.port()),
        ],
    )
    .start();
    let name = format!("balancer://members ajp://127.0.0.1:{dead}: ");

    request_in_both_children(&httpd, 6);
    let in_error = said(&httpd, IN_ERROR);
    wait_for("it has been probed", || {
        httpd.get("/app/x");
        (httpd.messages("AJP0107").len() >= 3).then_some(())
    });
    assert_eq!(httpd.messages(IN_ERROR), in_error, "not again with each probe");
    assert_eq!(in_error.len(), 1, "{in_error:?}");
    let line = &in_error[0];
    assert!(line.contains(":warn]"), "{line}");
    assert!(line.contains(&format!("{name}in error for 1 s (")), "{line}");
    assert!(line.contains("connection refused"), "{line}");
    assert_eq!(httpd.messages(BACK), [""; 0]);

    let _back = start_at(dead);
    wait_for("it is back", || {
        request_in_both_children(&httpd, 2);
        Some(()).filter(|()| !httpd.messages(BACK).is_empty())
    });
    request_in_both_children(&httpd, 4);
    let back = httpd.messages(BACK);
    assert_eq!(back.len(), 1, "{back:?}");
    assert!(back[0].contains(":notice]"), "{back:?}");
    assert!(back[0].contains(&format!("{name}back after ")), "{back:?}");
    assert_eq!(httpd.messages(IN_ERROR).len(), 1);
}

#[test]
fn a_member_that_every_request_tries_again_is_in_error_once_and_back_once() {
    let (dead, spare) = (free_port(), named("b"));
    let httpd = balancer(
        one_child(),
        &[
            format!("ajp://127.0.0.1:{dead} route=a retry=0"),
            format!("ajp://127.0.0.1:{} route=b", spare.port()),
        ],
    )
    .start();

    for _ in 0..6 {
        httpd.get("/app/x").expect(200);
    }
    let in_error = said(&httpd, IN_ERROR);
    assert_eq!(in_error.len(), 1, "{in_error:?}");
    assert!(in_error[0].contains("(retry=0)"), "{in_error:?}");
    let _back = start_at(dead);
    wait_for("it is back", || {
        httpd.get("/app/x").expect(200);
        Some(()).filter(|()| !httpd.messages(BACK).is_empty())
    });
    for _ in 0..4 {
        httpd.get("/app/x").expect(200);
    }
    assert_eq!((httpd.messages(IN_ERROR).len(), httpd.messages(BACK).len()), (1, 1));
}

#[test]
fn a_mark_of_mod_proxy_balancer_is_said_with_its_reason() {
    let failing = backend(|conn, request| {
        if request.uri.ends_with("/silent") {
            conn.expect_close()?;
            return Ok(false);
        }
        conn.send(headers(507))?;
        conn.send(end_response()).map(|()| true)
    });
    for (target, timeout, words, reason) in [
        ("/app/bad", "", "failonstatus=507", "(status 507, which failonstatus lists)"),
        ("/app/silent", "timeout=1", "failontimeout=On", "(a timeout, with failontimeout=On)"),
    ] {
        let member = format!("ajp://127.0.0.1:{} route=a {timeout}", failing.port());
        let httpd = balancer(one_child(), &[member])
            .conf(&format!("ProxySet balancer://members {words}"))
            .start();

        httpd.get(target);

        let lines = said(&httpd, IN_ERROR);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("in error for 60 s ") && lines[0].contains(reason), "{lines:?}");
    }
}

#[test]
fn a_listed_answer_and_too_many_timeouts_are_said_with_their_reason() {
    let listed = backend(|conn, _| {
        conn.send(headers(500))?;
        conn.send(end_response()).map(|()| true)
    });
    let spare = named("b");
    let httpd = balancer(
        one_child(),
        &[
            format!("ajp://127.0.0.1:{} route=a failstatus=500", listed.port()),
            format!("ajp://127.0.0.1:{} route=b lbset=1", spare.port()),
        ],
    )
    .start();

    assert_eq!(httpd.get("/app/x").expect(200).text(), "b");

    let lines = said(&httpd, IN_ERROR);
    assert!(lines[0].contains("(status 500, which failstatus lists)"), "{lines:?}");
}

#[test]
fn a_busy_member_is_not_said_to_be_in_error() {
    let (peer, gate) = holding();
    let spare = named("b");
    let httpd = balancer(
        one_child(),
        &[
            format!("ajp://127.0.0.1:{} route=a busylimit=1", peer.port()),
            format!("ajp://127.0.0.1:{} route=b lbset=1", spare.port()),
            format!("ajp://127.0.0.1:{} route=c lbset=2", free_port()),
        ],
    )
    .start();
    let held = hold(&httpd, 1);
    peer.wait_for_requests(1);
    // Each sets a temporary mark.
    for _ in 0..200 {
        httpd.get("/app/x").expect(200);
    }
    let cookie = "Cookie: JSESSIONID=x.c\r\n";
    httpd.request("GET", "/app/x", cookie).expect(200);
    let lines = said(&httpd, IN_ERROR);
    gate.open();
    drop(held);

    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].contains(&peer.port().to_string()), "{lines:?}");
}

#[test]
fn a_change_in_balancer_manager_is_said_once_and_an_order_has_its_audit_line_alone() {
    let (a, b) = (named("a"), named("b"));
    let httpd = with_status(balancer(
        two_children(),
        &[
            format!("ajp://127.0.0.1:{} route=a", a.port()),
            format!("ajp://127.0.0.1:{} route=b", b.port()),
        ],
    ))
    .conf(&format!("ProxySet balancer://members nonce={NONCE}"))
    .start();
    let name = |port: u16| format!("balancer://members ajp://127.0.0.1:{port}: ");
    order(&httpd, "drain", "b");

    manage(&httpd, Some(a.port()), "w_status_N=1");
    let lines = said(&httpd, ACTIVATION);
    assert!(lines[0].contains(":notice]"), "{lines:?}");
    assert!(lines[0].contains(&(name(a.port()) + "draining, was active (by ")), "{lines:?}");
    manage(&httpd, Some(a.port()), "w_status_N=0");
    let lines = wait_for("it is active again", || {
        Some(httpd.messages(ACTIVATION)).filter(|lines| lines.len() > 1)
    });
    assert!(lines[1].contains("restored to active, was draining"), "{lines:?}");
    order(&httpd, "activate", "b");
    manage(&httpd, Some(a.port()), "w_status_S=1");
    let lines = wait_for("it is stopped", || {
        Some(httpd.messages(ACTIVATION)).filter(|lines| lines.len() > 2)
    });

    assert!(lines[2].contains("stopped, was active"), "{lines:?}");
    assert_eq!(lines.len(), 3, "{lines:?}");
    let audit = httpd.messages("AJP0406");
    assert_eq!(audit.len(), 2, "{audit:?}");
    assert!(audit.iter().all(|line| line.contains(&name(b.port()))), "{audit:?}");
}

#[test]
fn an_order_to_recover_has_its_audit_line_alone() {
    let (dead, spare) = (free_port(), named("b"));
    let httpd = with_status(balancer(
        one_child(),
        &[
            format!("ajp://127.0.0.1:{dead} route=a"),
            format!("ajp://127.0.0.1:{} route=b lbset=1", spare.port()),
        ],
    ))
    .start();
    httpd.get("/app/x").expect(200);
    assert_eq!(said(&httpd, IN_ERROR).len(), 1);

    order(&httpd, "recover", "a");
    httpd.get("/app/x").expect(200);

    wait_for("it is in error again", || (httpd.messages(IN_ERROR).len() == 2).then_some(()));
    assert_eq!(httpd.messages("AJP0406").len(), 1);
    assert_eq!(httpd.messages(BACK), [""; 0]);
}

#[test]
fn a_member_that_a_health_check_brings_back_is_said_to_be_back() {
    let (dead, spare) = (free_port(), named("b"));
    let check = "hcmethod=TCP hcinterval=1 hcfails=1000 retry=600";
    let httpd = balancer(
        one_child().modules(&["proxy_hcheck"]),
        &[
            format!("ajp://127.0.0.1:{dead} route=a {check}"),
            format!("ajp://127.0.0.1:{} route=b lbset=1", spare.port()),
        ],
    )
    .start();
    httpd.get("/app/x").expect(200);
    assert!(said(&httpd, IN_ERROR)[0].contains("in error for 10 min ("));

    let _back = start_at(dead);

    let back = said(&httpd, BACK);
    assert_eq!(back.len(), 1, "{back:?}");
    assert!(back[0].contains(&format!("ajp://127.0.0.1:{dead}: back after ")), "{back:?}");
}

#[test]
fn a_mark_that_survives_a_restart_is_said_once_after_it() {
    let (dead, spare) = (free_port(), named("b"));
    let httpd = balancer(
        two_children(),
        &[
            format!("ajp://127.0.0.1:{dead} route=a retry=600"),
            format!("ajp://127.0.0.1:{} route=b lbset=1", spare.port()),
        ],
    )
    .conf("BalancerPersist On")
    .start();
    httpd.get("/app/x").expect(200);
    assert_eq!(said(&httpd, IN_ERROR).len(), 1);

    httpd.graceful();

    let lines = wait_for("it is said again", || {
        Some(httpd.messages(IN_ERROR)).filter(|lines| lines.len() > 1)
    });
    assert!(lines[1].contains("(marked before the last restart, by mod_proxy or "), "{lines:?}");
    request_in_both_children(&httpd, 10);
    assert_eq!(httpd.messages(IN_ERROR).len(), 2);
}
