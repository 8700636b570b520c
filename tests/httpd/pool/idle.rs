//! Idle connections are closed when their time is over, and when the container has closed them or has
//! moved.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::{PeerConnection, ScriptedPeer, raw};
use test_support::httpd::{Httpd, Mpm};
use test_support::process::{free_port, wait_for};

use super::{ask, proxy, proxy_with, sockets};
/// Four children, under an MPM with threads. Prefork has four anyway.
const FOUR_CHILDREN: &str = "StartServers 4\nMinSpareThreads 64\nMaxSpareThreads 128\n";

#[track_caller]
fn idle_connections_are_closed_after_ttl(mpm: Mpm) {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy(mpm, &peer, "ttl=1");
    let _clients = ask(&httpd, 4);
    assert!(peer.connections() >= 1);

    peer.wait_for_open_connections(0);
    wait_for("no socket is left", || sockets(&httpd, peer.port()).is_empty().then_some(()));
    assert_eq!(peer.requests(), 4, "no further request was needed");
}

#[test]
fn after_ttl_all_idle_connections_are_closed_with_no_request_under_event() {
    idle_connections_are_closed_after_ttl(Mpm::Event);
}

#[test]
fn after_ttl_all_idle_connections_are_closed_with_no_request_under_worker() {
    idle_connections_are_closed_after_ttl(Mpm::Worker);
}

#[test]
fn after_ttl_all_idle_connections_are_closed_with_no_request_under_prefork() {
    idle_connections_are_closed_after_ttl(Mpm::Prefork);
}

#[test]
fn idlemax_closes_idle_connections_as_ttl_does() {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy(Mpm::Event, &peer, "ttl=600 idlemax=300");
    let _clients = ask(&httpd, 2);
    peer.wait_for_open_connections(0);
}

/// The backend goes down; httpd's sockets, at least one in each of four children, are closed too.
#[track_caller]
fn nothing_stays_in_close_wait(mpm: Mpm, parameters: &str, conf: &str) {
    // A port that no other test gets when this container is gone.
    let port = free_port();
    let peer =
        ScriptedPeer::start_at((Ipv4Addr::LOCALHOST, port).into(), uris).expect("a free port");
    let httpd = proxy_with(mpm, &peer, parameters, conf);
    let _clients = ask(&httpd, 4);
    wait_for("four children have connections", || (sockets(&httpd, port).len() >= 4).then_some(()));

    drop(peer);
    wait_for("no socket is left", || sockets(&httpd, port).is_empty().then_some(()));

    assert_eq!(httpd.get("/app/hello").status, 503, "the backend is away, httpd is not");
}

#[test]
fn what_the_backend_closes_does_not_stay_in_close_wait_under_event() {
    nothing_stays_in_close_wait(Mpm::Event, "min=1", FOUR_CHILDREN);
}

#[test]
fn what_the_backend_closes_does_not_stay_in_close_wait_under_worker() {
    nothing_stays_in_close_wait(Mpm::Worker, "min=1", FOUR_CHILDREN);
}

#[test]
fn what_the_backend_closes_does_not_stay_in_close_wait_under_prefork() {
    nothing_stays_in_close_wait(Mpm::Prefork, "", "");
}

#[test]
fn an_idle_connection_with_unread_bytes_is_closed() {
    let now = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&now);
    let peer = ScriptedPeer::start(move |conn: &mut PeerConnection| {
        conn.expect_forward_request()?;
        respond(conn, "hello")?;
        wait_for("the test says so", || told.load(Ordering::Acquire).then_some(()));
        conn.send(raw(b"A"))?;
        conn.expect_close()
    });
    let httpd = proxy(Mpm::Event, &peer, "");
    let _clients = ask(&httpd, 1);
    assert_eq!(peer.open_connections(), 1);

    now.store(true, Ordering::Release);

    peer.wait_for_open_connections(0);
    assert_eq!(peer.requests(), 1);
}

/// The name of a backend gets another address while httpd runs.
#[track_caller]
fn a_backend_that_moves_is_found_without_a_restart(mpm: Mpm) {
    let port = free_port();
    let start = |host| ScriptedPeer::start_at(SocketAddr::from((host, port)), uris);
    let old = start([127, 0, 0, 1]).expect("a free port");
    let new = start([127, 0, 0, 2]).expect("a free port");
    let hosts = tempfile::NamedTempFile::new().expect("a temporary file");
    // httpd's children, which are another user, read it.
    fs::set_permissions(hosts.path(), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let lead_to = |address: &str| {
        fs::write(hosts.path(), format!("127.0.0.1 localhost\n{address} backend.test\n"))
            .expect("it is ours");
    };
    lead_to("127.0.0.1");
    let httpd = Httpd::setup()
        .mpm(mpm)
        .hosts(hosts.path())
        .conf(&format!("ProxyPass /app ajp://backend.test:{port}/app addressttl=1"))
        .start();
    let _clients = ask(&httpd, 4);
    assert!(old.open_connections() > 0);

    lead_to("127.0.0.2");

    old.wait_for_open_connections(0);
    assert_eq!(old.requests(), 4, "no request was needed to leave the old address");
    let _clients = ask(&httpd, 4);
    assert_eq!((old.requests(), new.requests()), (4, 4));
}

#[test]
fn a_backend_that_moves_is_found_without_a_restart_under_event() {
    a_backend_that_moves_is_found_without_a_restart(Mpm::Event);
}

#[test]
fn a_backend_that_moves_is_found_without_a_restart_under_prefork() {
    a_backend_that_moves_is_found_without_a_restart(Mpm::Prefork);
}
