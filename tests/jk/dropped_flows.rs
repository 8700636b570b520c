//! Idle connections behind a firewall that drops them, and unreachable addresses: rows 4, 17 and 18
//! (see `jk/reuse.rs`). The backend lives in a network namespace: root, `ip` and `nft`.

use std::net::SocketAddrV4;

use test_support::ajp::ScriptedPeer;
use test_support::httpd::Httpd;
use test_support::members::{Gate, burst, held_by, notes, one_child, serve, timed};
use test_support::namespace::Namespace;
use test_support::process::wait_for;
use test_support::sockets::{self, State};
use test_support::status::{number, pool, report, with_status};

/// Ten connections in httpd's pool, and a backend behind a firewall.
struct Dropped {
    httpd: Httpd,
    peer: ScriptedPeer,
    address: SocketAddrV4,
    namespace: Namespace,
}

impl Dropped {
    /// How many connections did not answer a ping, and how many were closed because another one did
    /// not.
    fn broken_and_suspect(&self) -> (usize, usize) {
        let report = report(&self.httpd);
        let closed = &pool(&report, &format!(":{}", self.address.port()))["closed"];
        (number(&closed["broken"]), number(&closed["suspect"]))
    }

    /// Without a housekeeper (`maintain` 0) unless the test is about it: while it checks the only idle connection, a
    /// request opens another.
    fn start(maintain: u32, parameters: &str) -> Self {
        let namespace = Namespace::new();
        let gate = Gate::default();
        let answers = held_by(gate.clone());
        let peer = ScriptedPeer::start_on(namespace.listen(), move |conn| serve(conn, &answers))
            .expect("it listens already");
        let address = SocketAddrV4::new(namespace.address(), peer.port());
        let httpd = with_status(one_child())
            .conf(&format!("ProxyAjpMaintain {maintain}"))
            .conf(&format!("ProxyPass /app ajp://{address}/app timeout=30 {parameters}"))
            .start();
        burst(&httpd, &peer, &gate, 10);
        assert_eq!(sockets::count(State::Established, address), 10);
        Self { httpd, peer, address, namespace }
    }
}

// row 17
#[test]
fn ten_silently_dropped_connections_cost_one_ping_timeout_together() {
    let dropped = Dropped::start(0, "pingmode=prepost pingprepost=6000");
    assert_eq!(dropped.namespace.forget_connections(), 10);

    let (answer, took) = timed(|| dropped.httpd.get("/app/x"));
    answer.expect(200);
    assert!(took >= 2950, "half of the ping timeout, not {took} ms");
    assert_eq!(dropped.broken_and_suspect(), (1, 9), "one ping for all ten");
    dropped.httpd.get("/app/x").expect(200);
    assert_eq!(dropped.broken_and_suspect(), (1, 9), "and none for the next");
    assert_eq!(dropped.peer.connections(), 11);
}

// row 17
#[test]
fn ten_silently_dropped_connections_cost_an_upload_no_more_and_it_is_executed_once() {
    let dropped = Dropped::start(0, "ping=6000ms");
    dropped.namespace.forget_connections();
    let (before, body) = (dropped.peer.requests(), [b'x'; 1024]);

    let (answer, took) = timed(|| {
        dropped.httpd.client().request("POST", "/app/x", "Content-Length: 1024\r\n", &body)
    });
    answer.expect(200);
    assert!(took >= 2950, "half of the ping timeout, not {took} ms");
    assert_eq!(dropped.broken_and_suspect(), (1, 9), "one ping for all ten");
    assert_eq!((dropped.peer.requests(), dropped.peer.connections()), (before + 1, 11));
}

// row 18
#[test]
fn silently_dropped_connections_are_found_by_interval_pings_before_a_request_needs_them() {
    let dropped = Dropped::start(1, "pingmode=interval pinginterval=1 ping=2000ms");
    dropped.namespace.forget_connections();

    wait_for("the dead connections are closed", || {
        (sockets::count(State::Established, dropped.address) == 0).then_some(())
    });
    dropped.httpd.get("/app/x").expect(200);
    let notes = notes(&dropped.httpd, "/app/x");
    assert!(notes.contains("attempts=1 connection=new"), "no request is delayed: {notes}");
}

// row 4
#[test]
fn a_blackholed_backend_costs_connecttimeout_and_not_timeout() {
    let namespace = Namespace::new();
    let silent = SocketAddrV4::new(namespace.address(), namespace.silent_port());
    let other = ScriptedPeer::start(test_support::ajp::echo::uris);
    let httpd = one_child()
        .conf(&format!("ProxyPass /app ajp://{silent}/app connecttimeout=300 timeout=60"))
        .conf("<Proxy balancer://two>")
        .conf(&format!("BalancerMember ajp://{silent} connecttimeout=300 timeout=60"))
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} lbset=1", other.port()))
        .conf("</Proxy>\nProxyPass /balanced balancer://two/app")
        .start();
    let connects_in_vain = || httpd.messages("AJP0108").len();

    let (answer, took) = timed(|| httpd.get("/app/x"));
    assert_eq!(answer.status, 503);
    assert!(took >= 280, "{took} ms");
    assert_eq!(connects_in_vain(), 1, "{}", httpd.error_log());
    let (answer, took) = timed(|| httpd.get("/balanced/x"));
    assert_eq!(answer.expect(200).text(), "/app/x");
    assert!(took >= 280, "{took} ms");
    assert_eq!(connects_in_vain(), 2, "{}", httpd.error_log());
    httpd.get("/balanced/x").expect(200);
    assert_eq!(connects_in_vain(), 2, "the member is known to be in error");
}
