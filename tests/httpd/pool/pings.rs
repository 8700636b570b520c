//! Pings of idle connections.

use std::io;
use std::time::Duration;

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer, cpong};
use test_support::httpd::Mpm;
use test_support::members::ONE_CHILD;
use test_support::process::wait_for;

use super::{ask, proxy, proxy_with, sockets};
/// Closes a connection on which nothing arrives for eight seconds, as Tomcat's keepAliveTimeout does.
const IMPATIENCE: Duration = Duration::from_secs(8);

fn impatient(conn: &mut PeerConnection) -> io::Result<()> {
    conn.set_read_timeout(IMPATIENCE)?;
    while let Some(payload) = conn.read_packet()? {
        if payload == [0x0A] {
            conn.send(cpong())?;
        } else {
            respond(conn, &forward_request(&payload)?.uri)?;
        }
    }
    Ok(())
}

#[track_caller]
fn interval_pings_keep_a_connection_alive(mpm: Mpm) {
    let peer = ScriptedPeer::start(impatient);
    let httpd = proxy(mpm, &peer, "pinginterval=1");
    let mut clients = ask(&httpd, 1);
    wait_for("longer than the backend's patience", || (peer.cpings() >= 10).then_some(()));

    // Before the next request, which opens another if it comes while the connection is pinged.
    assert_eq!((peer.connections(), peer.open_connections()), (1, 1));
    clients[0].get("/app/hello").expect(200);
    assert!(peer.errors().is_empty(), "{:?}", peer.errors());
}

#[test]
fn interval_pings_keep_a_connection_alive_under_event() {
    interval_pings_keep_a_connection_alive(Mpm::Event);
}

#[test]
fn interval_pings_keep_a_connection_alive_under_prefork() {
    interval_pings_keep_a_connection_alive(Mpm::Prefork);
}

#[test]
fn a_connection_that_does_not_answer_an_interval_ping_is_closed_with_no_request() {
    let peer = ScriptedPeer::start(|conn: &mut PeerConnection| {
        conn.expect_forward_request()?;
        respond(conn, "hello")?;
        conn.expect_cping()?;
        conn.expect_close()
    });
    let httpd = proxy(Mpm::Worker, &peer, "pinginterval=1 pingmode=interval ping=200ms");
    let _clients = ask(&httpd, 1);

    wait_for("a CPING", || (peer.cpings() == 1).then_some(()));
    peer.wait_for_open_connections(0);
    assert!(peer.errors().is_empty(), "{:?}", peer.errors());
}

/// Answers requests, and no CPING at all.
fn answers_no_cping(conn: &mut PeerConnection) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        if payload != [0x0A] {
            respond(conn, "hello")?;
        }
    }
    Ok(())
}

#[test]
fn a_backend_that_hangs_does_not_delay_what_is_done_for_another() {
    let silent = ScriptedPeer::start(answers_no_cping);
    let peer = ScriptedPeer::start(uris);
    let conf =
        format!("ProxyPass /silent ajp://127.0.0.1:{}/ pinginterval=1 ping=600", silent.port());
    let conf = format!("{conf} pingmode=interval");
    let httpd = proxy_with(Mpm::Event, &peer, "", &conf);
    httpd.get("/silent").expect(200);
    let _clients = ask(&httpd, 1);
    wait_for("a CPING without answer", || (silent.cpings() > 0).then_some(()));

    let port = peer.port();
    drop(peer);
    wait_for("the other's socket is closed", || sockets(&httpd, port).is_empty().then_some(()));

    assert_eq!(silent.open_connections(), 1, "its ten minutes are not over");
}

#[test]
fn a_request_does_not_wait_while_the_only_connection_is_pinged() {
    let peer = ScriptedPeer::start(answers_no_cping);
    let parameters = "max=1 pinginterval=1 pingmode=interval ping=600";
    let httpd = proxy_with(Mpm::Event, &peer, parameters, ONE_CHILD);
    httpd.get("/app/hello").expect(200);
    wait_for("a CPING without answer", || (peer.cpings() > 0).then_some(()));

    // Otherwise it would be for ten minutes, and no client waits that long.
    httpd.get("/app/hello").expect(200);

    assert_eq!((peer.requests(), peer.connections()), (2, 2), "over a new connection");
}
