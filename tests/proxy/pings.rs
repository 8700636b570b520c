//! CPING before a request: what silence costs, and which connection is used in the end.
//!
//! Backends here are slow on purpose: the tests are about such pauses, and do not use them to
//! synchronise.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use mod_proxy_ajp_rs::backend::{AcquireFailure, PingError};
use mod_proxy_ajp_rs::config::Pings;
use mod_proxy_ajp_rs::pool::CloseReason;
use mod_proxy_ajp_rs::proxy::ProxyError;
use test_support::ajp::echo::respond;
use test_support::ajp::{Packet, PeerConnection, ScriptedPeer, cpong, end_response, headers};
use test_support::front::{Front, LONG, SHORT, Signal, get, post};

use super::retry::warm_two;

/// Half of it passes before a new connection is opened, and half is left for a slow machine.
const PING: Duration = Duration::from_secs(6);

/// Answers CPING and one request.
fn serve_one(conn: &mut PeerConnection, text: &str) -> io::Result<()> {
    conn.expect_cping()?;
    conn.send(cpong())?;
    conn.expect_forward_request()?;
    respond(conn, text)
}

/// A front with one idle connection to this peer, and room for no other.
fn warm(peer: &ScriptedPeer, pings: Pings) -> Front {
    let mut front = Front::to(peer).ping(LONG).max(1, Duration::ZERO);
    front.ask(get("/first")).is(200, "first");
    assert_eq!(front.idle(), 1);
    front.settings.connect.pings = pings;
    front
}

#[test]
fn a_pooled_connection_that_answers_cping_late_is_used_although_a_new_one_was_opened_beside_it() {
    let pinged = Signal::new();
    let has_pinged = pinged.clone();
    let peer = ScriptedPeer::start(move |conn| {
        if conn.index() > 0 {
            conn.expect_cping()?;
            has_pinged.give();
            return conn.expect_close();
        }
        serve_one(conn, "first")?;
        conn.expect_cping()?;
        // Not before the web server has opened another connection and pinged it.
        pinged.wait();
        conn.send(cpong())?;
        conn.expect_forward_request()?;
        respond(conn, "late")?;
        conn.expect_close()
    });
    let front = warm(&peer, Pings::before_every_request(PING));

    let finished = front.ask(get("/late")).is(200, "late");

    assert!(finished.reused);
    assert_eq!((peer.connections(), peer.requests(), peer.cpings()), (2, 2, 3));
    front.settled(&peer, 1);
}

#[test]
fn a_new_connection_that_answers_cping_takes_the_place_of_a_silent_one() {
    let peer = ScriptedPeer::start(|conn| {
        serve_one(conn, if conn.index() == 0 { "first" } else { "again" })?;
        // Packets on the first connection are not answered.
        while conn.read_packet()?.is_some() {}
        Ok(())
    });
    let front = warm(&peer, Pings { prepost: Some(SHORT), ..Pings::before_every_request(LONG) });

    let finished = front.ask(get("/again")).is(200, "again");

    assert!(!finished.reused);
    assert_eq!((peer.connections(), peer.requests(), peer.cpings()), (2, 2, 3));
    assert_eq!(front.closed(CloseReason::Broken), 1);
    front.settled(&peer, 1);
}

#[test]
fn a_backend_that_is_silent_on_both_connections_is_in_error_after_one_ping_timeout_in_all() {
    let peer = ScriptedPeer::start(|conn| {
        if conn.index() == 0 {
            serve_one(conn, "first")?;
        }
        conn.expect_cping()?;
        conn.expect_close()
    });
    let front = warm(&peer, Pings::before_every_request(SHORT));

    let answer = front.ask(get("/again"));

    let failure = answer.is_member_error();
    let silent = AcquireFailure::Ping(PingError::TimedOut { after: SHORT });
    assert_eq!(failure.error.to_string(), ProxyError::from(silent).to_string());
    assert_eq!((peer.connections(), peer.requests(), peer.cpings()), (2, 1, 3));
    front.settled(&peer, 0);
}

#[test]
fn a_pooled_connection_that_answers_cping_late_is_used_although_no_new_one_can_be_opened() {
    let peer = ScriptedPeer::start(|conn| {
        serve_one(conn, "first")?;
        conn.expect_cping()?;
        sleep(PING * 2 / 3);
        conn.send(cpong())?;
        conn.expect_forward_request()?;
        respond(conn, "late")?;
        conn.expect_close()
    });
    let front = warm(&peer, Pings::before_every_request(PING));
    peer.stop_listening();

    assert!(front.ask(get("/late")).is(200, "late").reused);
    assert_eq!((peer.connections(), peer.requests(), peer.cpings()), (1, 2, 2));
    front.settled(&peer, 1);
}

#[test]
fn a_reused_connection_without_cpong_is_dropped_with_all_older_ones() {
    let both = Signal::new();
    let peer = ScriptedPeer::start(move |conn| {
        conn.expect_cping()?;
        conn.send(cpong())?;
        conn.expect_forward_request()?;
        if conn.index() < 2 {
            both.meet(2);
            respond(conn, "first")?;
            // No packet is answered.
            while conn.read_packet()?.is_some() {}
            return Ok(());
        }
        respond(conn, "again")?;
        conn.expect_close()
    });
    let mut front = Front::to(&peer).ping(LONG);
    warm_two(&front);
    // The new connection, which answers, has all the time that it needs.
    front.settings.connect.pings.prepost = Some(SHORT);

    let finished = front.ask(post("/again", "")).is(200, "again");

    assert_eq!((finished.attempts, finished.reused), (1, false));
    assert_eq!((peer.connections(), peer.requests(), peer.cpings()), (3, 3, 4));
    let closed = (front.closed(CloseReason::Broken), front.closed(CloseReason::Suspect));
    assert_eq!(closed, (1, 1));
    front.settled(&peer, 1);
}

#[test]
fn an_answer_to_cping_that_is_not_cpong_alone_drops_the_connection() {
    let stale = || [headers(200).into_bytes(), end_response().into_bytes()].concat();
    let answers = [
        stale(),
        [cpong(), stale()].concat(),
        [cpong(), vec![0x41]].concat(),
        [cpong(), cpong()].concat(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0x41, 0x42, 0x00, 0x00],
        vec![0x41, 0x42, 0xFF, 0xFF, 0x09],
        Vec::new(),
    ];
    for answer in answers {
        let sent = answer.clone();
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_cping()?;
            conn.send(cpong())?;
            conn.expect_forward_request()?;
            respond(conn, "ok")?;
            if conn.read_packet()?.is_some() {
                conn.send(&sent)?;
                conn.shutdown_write()?;
                conn.expect_close()?;
            }
            Ok(())
        });
        let front = Front::to(&peer).ping(LONG);
        front.ask(get("/")).is(200, "ok");

        let finished = front.ask(get("/")).is(200, "ok");

        assert!(!finished.reused, "{answer:02x?}");
        assert_eq!(peer.requests(), 2);
        front.settled(&peer, 1);
    }
}
