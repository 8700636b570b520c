//! Two real Tomcats behind a balancer over two children: rows 70, 72, 74 and 75 of what mod_jk's
//! users know (see `jk/sessions.rs`).

use std::sync::OnceLock;

use test_support::http::{Response, said};
use test_support::httpd::{Httpd, Setup};
use test_support::members::{balancer, is_in_error, two_children};
use test_support::process::free_port;
use test_support::tomcat::Tomcat;

/// Both nodes, with `LoadBalancerDrainingValve`. `/app/session` creates sessions, and answers with
/// `node=`.
fn tomcat() -> &'static Tomcat {
    static SHARED: OnceLock<Tomcat> = OnceLock::new();
    SHARED.get_or_init(Tomcat::start_draining)
}

/// A balancer of node1 and node2 with these parameters.
fn nodes(words: [&str; 2]) -> Setup {
    let ports = [tomcat().port, tomcat().node2_port];
    let line =
        |at: usize| format!("ajp://127.0.0.1:{} route=node{} {}", ports[at], at + 1, words[at]);
    balancer(two_children(), &[line(0), line(1)])
        .conf("ProxySet balancer://members stickysession=JSESSIONID|jsessionid")
}

/// A session from the time when both nodes were active: a disabled one with that valve creates none.
fn session_at(node: &str) -> String {
    let httpd = nodes(["", ""]).conf("SetEnvIf X-Node (.+) ajp-route=$1").start();
    let answer = httpd.request("GET", "/app/session", &format!("X-Node: {node}\r\n")).expect(200);
    assert_eq!(said(&answer.text(), "node"), node);
    said(&answer.text(), "id")
}

fn with(httpd: &Httpd, session: &str) -> Response {
    httpd.request("GET", "/app/session", &format!("Cookie: JSESSIONID={session}\r\n"))
}

#[track_caller]
fn node(answer: Response) -> String {
    said(&answer.expect(200).text(), "node")
}

/// The old session stays at node1, and all new ones go to node2.
#[track_caller]
fn drains(words: [&str; 2]) {
    let old = session_at("node1");
    let httpd = nodes(words).start();
    for count in 2..=6 {
        let answer = with(&httpd, &old).expect(200).text();
        assert_eq!(said(&answer, "node"), "node1");
        assert_eq!(said(&answer, "count"), count.to_string(), "the same session");
    }
    for _ in 0..20 {
        assert_eq!(node(httpd.get("/app/session")), "node2");
    }
}

// row 70
#[test]
fn a_tomcat_with_loadfactor_0_keeps_its_sessions_and_begins_none() {
    drains(["loadfactor=0", ""]);
}

// row 74
#[test]
fn a_disabled_tomcat_keeps_its_sessions_begins_none_and_gets_its_activation() {
    drains(["activation=disabled", ""]);
    let old = session_at("node1");
    let httpd = nodes(["activation=disabled", ""]).start();
    let cookie = format!("Cookie: JSESSIONID={old}\r\n");
    let of = |headers: &str| {
        let answer = httpd.request("GET", "/app/echo?attr=JK_LB_ACTIVATION", headers).expect(200);
        answer.said("attribute JK_LB_ACTIVATION")
    };
    assert_eq!((of(&cookie), of("")), ("DIS".into(), "ACT".into()));
}

// row 72
#[test]
fn with_localonly_the_other_tomcat_keeps_its_sessions_while_new_ones_get_503() {
    let old = session_at("node2");
    let down = free_port();
    let members = [
        format!("ajp://127.0.0.1:{down} route=node1 local=On"),
        format!("ajp://127.0.0.1:{} route=node2", tomcat().node2_port),
    ];
    let httpd =
        balancer(two_children(), &members).conf("ProxySet balancer://members localonly=On").start();
    for count in 2..=5 {
        httpd.get("/app/session").expect(503);
        with(&httpd, "gone.node1").expect(503);
        let answer = with(&httpd, &old).expect(200).text();
        assert_eq!(said(&answer, "count"), count.to_string(), "the same session");
    }
    assert!(is_in_error(&httpd, down));
}

// row 75
#[test]
fn a_disabled_tomcat_sends_a_client_whose_session_has_ended_to_the_other_one() {
    let httpd = nodes(["activation=disabled", ""]).start();

    let answer = with(&httpd, "0123456789ABCDEF.node1").expect(307);
    assert_eq!(answer.header("Location"), Some("/app/session"));
    let removed = answer.header("Set-Cookie").expect("the cookie is removed");
    assert!(removed.starts_with("JSESSIONID=") && removed.contains("Max-Age=0"), "{removed}");

    // As a browser returns: without the cookie.
    let next = httpd.get("/app/session").expect(200);
    assert_eq!(said(&next.text(), "node"), "node2");
    let id = said(&next.text(), "id");
    assert_eq!(node(with(&httpd, &id)), "node2", "and stays there");
}

// row 75
#[test]
fn a_disabled_tomcat_removes_a_session_that_has_ended_from_the_path_and_keeps_live_ones() {
    let old = session_at("node1");
    let httpd = nodes(["activation=disabled", ""]).start();

    let answer = httpd.get("/app/session;jsessionid=0123456789ABCDEF.node1?n=1").expect(307);
    assert_eq!(answer.header("Location"), Some("/app/session?n=1"));
    assert_eq!(node(httpd.get("/app/session?n=1")), "node2");
    assert_eq!(node(with(&httpd, &old)), "node1");
}

// row 75
#[test]
fn a_tomcat_that_is_not_disabled_creates_a_new_session_for_one_that_has_ended() {
    let httpd = nodes(["", ""]).start();
    let answer = with(&httpd, "0123456789ABCDEF.node1");
    assert_eq!(node(answer), "node1");
}
