//! When a request is resent, and when it must not be: a stale connection must not be the client's
//! problem, but nothing that may have been executed is executed twice.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mod_proxy_ajp_rs::backend::MaintenanceSettings;
use mod_proxy_ajp_rs::pool::CloseReason;
use mod_proxy_ajp_rs::proxy::{Mark, Phase, Reply};
use test_support::ajp::echo::respond;
use test_support::ajp::{Packet, PeerConnection, ScriptedPeer, chunk, get_body_chunk, headers};
use test_support::front::ask::ask;
use test_support::front::{Front, LONG, SHORT, Signal, get, post, put};

/// The first connection serves a request, reads another with its body, and then follows the script. The
/// others answer one request each with `again`.
fn second_request<S>(then: S) -> ScriptedPeer
where
    S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
{
    ScriptedPeer::start(move |conn| {
        let first = conn.index() == 0;
        if first {
            conn.expect_forward_request()?;
            respond(conn, "first")?;
        }
        let request = conn.expect_forward_request()?;
        if request.content_length() > 0 {
            assert_eq!(conn.read_body_packet()?.len(), request.content_length());
        }
        if first {
            return then(conn);
        }
        respond(conn, "again")?;
        conn.expect_close()
    })
}

fn dies(conn: &mut PeerConnection) -> io::Result<()> {
    conn.close();
    Ok(())
}

/// A front with one idle connection to this peer.
fn warm(peer: &ScriptedPeer) -> Front {
    let front = Front::to(peer);
    front.ask(get("/first")).is(200, "first");
    assert_eq!(front.idle(), 1);
    front
}

// Stale connections.

#[test]
fn a_connection_closed_while_idle_costs_a_connection_and_no_request() {
    for post_it in [false, true] {
        // A unix socket: an action at one end is seen at the other at once.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ajp.sock");
        let peer = ScriptedPeer::start_unix(&path, |conn| {
            let request = conn.expect_forward_request()?;
            if request.content_length() > 0 {
                conn.read_body_packet()?;
            }
            respond(conn, "first")
        })
        .unwrap();
        let front = Front::at_socket(&path);
        front.ask(get("/")).is(200, "first");
        peer.wait_for_open_connections(0);

        let answer = front.ask(if post_it { post("/", "body") } else { get("/") });

        let finished = answer.is(200, "first");
        assert_eq!((finished.attempts, finished.reused), (1, false));
        assert_eq!((peer.connections(), peer.requests()), (2, 2));
        assert_eq!(front.closed(CloseReason::ClosedByPeer), 1);
    }
}

#[test]
fn a_request_that_was_not_completely_written_is_resent_whatever_its_method() {
    let (sending, closed) = (Signal::new(), Signal::new());
    let (is_sending, has_closed) = (sending.clone(), closed.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ajp.sock");
    let peer = ScriptedPeer::start_unix(&path, move |conn| {
        conn.expect_forward_request()?;
        if conn.index() == 0 {
            respond(conn, "first")?;
            is_sending.wait();
            conn.close();
            has_closed.give();
            return Ok(());
        }
        assert_eq!(conn.read_body_packet()?, b"pay 100");
        respond(conn, "again")?;
        conn.expect_close()
    })
    .unwrap();
    let front = Front::at_socket(&path);
    front.ask(get("/first")).is(200, "first");

    // The connection has been found open; it closes in the moment before the request is written.
    let answer = front.ask(post("/again", "pay 100").by(|client| {
        client.before_body = Some(Box::new(move || {
            sending.give();
            closed.wait();
        }));
    }));

    assert_eq!(answer.is(200, "again").attempts, 2);
    assert_eq!((peer.connections(), peer.requests()), (2, 2));
    front.settled(&peer, 1);
}

#[test]
fn a_request_whose_reused_connection_dies_is_resent_with_its_query() {
    let peer = second_request(dies);
    let front = warm(&peer);

    let answer = front.ask(get("/again").query("a=1&b=2"));

    let finished = answer.is(200, "again");
    assert_eq!((finished.attempts, finished.reused), (2, false));
    assert_eq!((peer.connections(), peer.requests()), (2, 3));
    assert_eq!(peer.last_request().unwrap().attribute("query_string"), Some("a=1&b=2"));
    assert!(answer.client.was_told("again"), "{:?}", answer.client.notes);
    front.settled(&peer, 1);
}

#[test]
fn a_put_is_resent_with_its_body() {
    let peer = second_request(dies);
    let front = warm(&peer);

    let answer = front.ask(put("/again", "the whole body"));

    assert_eq!(answer.is(200, "again").attempts, 2);
    assert_eq!(answer.client.reads.len(), 1, "the client was asked once");
    assert_eq!(answer.uploaded, 28, "sent twice, counted twice");
    front.settled(&peer, 1);
}

#[test]
fn every_idempotent_method_is_resent_and_no_other() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        let peer = second_request(dies);
        let front = warm(&peer);
        let answer = front.ask(ask(method, "/again", None));
        assert_eq!(answer.result.expect("an answer").attempts, 2, "{method}");
    }
    for method in ["POST", "PATCH"] {
        let peer = second_request(dies);
        let front = warm(&peer);
        let answer = front.ask(ask(method, "/again", None));
        answer.fails_with(502);
        assert_eq!(peer.requests(), 2, "{method}");
    }
}

#[test]
fn a_post_that_was_read_is_not_resent() {
    let peer = second_request(dies);
    let front = warm(&peer);

    let answer = front.ask(post("/again", "pay 100"));

    let failure = answer.fails_with(502);
    assert!(failure.reused);
    assert_eq!(failure.phase, Phase::FirstByte);
    assert_eq!((peer.connections(), peer.requests()), (1, 2));
    front.settled(&peer, 0);
}

// Once, and on a new connection.

/// Two connections become idle; each dies at its second request. A third answers.
fn two_that_die() -> ScriptedPeer {
    let both = Signal::new();
    ScriptedPeer::start(move |conn| {
        if conn.index() < 2 {
            conn.expect_forward_request()?;
            both.meet(2);
            respond(conn, "first")?;
            if conn.read_packet()?.is_some() {
                conn.close();
            }
            return Ok(());
        }
        conn.expect_forward_request()?;
        respond(conn, "again")?;
        conn.expect_close()
    })
}

/// Makes two requests at once, so that two connections are idle.
pub fn warm_two(front: &Front) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| front.ask(get("/first")).is(200, "first"));
        }
    });
    assert_eq!(front.idle(), 2);
}

#[test]
fn a_request_is_resent_on_a_new_connection_although_others_are_idle() {
    let peer = two_that_die();
    let front = Front::to(&peer);
    warm_two(&front);

    let finished = front.ask(get("/again")).is(200, "again");

    assert_eq!((finished.attempts, finished.reused), (2, false));
    assert_eq!((peer.connections(), peer.requests()), (3, 4));
    front.settled(&peer, 2);
}

#[test]
fn a_request_is_resent_in_the_place_of_the_connection_that_died() {
    let peer = two_that_die();
    // Both places are taken, one by the connection that stays idle.
    let front = Front::to(&peer).max(2, Duration::ZERO);
    warm_two(&front);

    front.ask(get("/again")).is(200, "again");

    assert_eq!(front.closed(CloseReason::Evicted), 0, "the idle one had done nothing");
    front.settled(&peer, 2);
}

#[test]
fn a_resend_does_not_wait_behind_others_for_a_place() {
    let (read, freed) = (Signal::new(), Signal::new());
    let (has_read, may_die) = (read.clone(), freed.clone());
    let peer = ScriptedPeer::start(move |conn| {
        let index = conn.index();
        while let Some(payload) = conn.read_packet()? {
            let request = test_support::ajp::request::forward_request(&payload)?;
            if index == 0 && request.uri == "/dies" {
                has_read.give();
                may_die.wait();
                conn.close();
                return Ok(());
            }
            respond(conn, &request.uri)?;
        }
        Ok(())
    });
    let front = Front::to(&peer).max(1, LONG);
    front.ask(get("/warm")).is(200, "/warm");

    thread::scope(|scope| {
        scope.spawn(|| front.ask(get("/dies")).is(200, "/dies"));
        read.wait();
        scope.spawn(|| front.ask(get("/waits")).is(200, "/waits"));
        while front.backend.stats().waiting == 0 {
            thread::yield_now();
        }
        freed.give();
    });

    // The waiting request came later: it is sent when the other has been answered.
    assert_eq!(peer.last_request().unwrap().uri, "/waits");
    assert_eq!(peer.connections(), 2);
}

/// Answers the first request of its first connection, and reads every other without an answer.
fn dying_after_the_first() -> ScriptedPeer {
    ScriptedPeer::start(|conn| {
        if conn.index() == 0 {
            conn.expect_forward_request()?;
            respond(conn, "first")?;
        }
        conn.expect_forward_request()?;
        conn.close();
        Ok(())
    })
}

#[test]
fn a_request_is_resent_once_and_no_more() {
    let peer = dying_after_the_first();
    let front = warm(&peer);

    let answer = front.ask(get("/again"));

    let failure = answer.fails_with(502);
    assert!(!failure.reused, "the failure of the fresh connection is told");
    assert_eq!((peer.connections(), peer.requests()), (2, 3));
}

#[test]
fn a_request_that_was_never_written_is_resent_once_and_no_more() {
    let (sending, closed) = (Signal::new(), Signal::new());
    let (is_sending, has_closed) = (sending.clone(), closed.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ajp.sock");
    let peer = ScriptedPeer::start_unix(&path, move |conn| {
        is_sending.wait_for(conn.index() + 1);
        conn.close();
        has_closed.give();
        Ok(())
    })
    .unwrap();
    let front = Front::at_socket(&path);

    let attempts = AtomicUsize::new(0);
    let answer = front.ask(post("/", "pay 100").by(|client| {
        client.before_body = Some(Box::new(move || {
            sending.give();
            closed.wait_for(attempts.fetch_add(1, Ordering::Relaxed) + 1);
        }));
    }));

    assert_eq!(answer.fails_with(502).phase, Phase::Request);
    assert_eq!((peer.connections(), peer.requests()), (2, 0));
    front.settled(&peer, 0);
}

/// Reads requests and never answers one.
fn dying() -> ScriptedPeer {
    ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.close();
        Ok(())
    })
}

#[test]
fn a_request_whose_new_connection_dies_is_resent_once_if_idempotent() {
    let peer = dying();
    let front = Front::to(&peer);

    assert_eq!(front.ask(get("/")).fails_with(502).phase, Phase::FirstByte);
    assert_eq!((peer.connections(), peer.requests()), (2, 2));
    assert_eq!(front.ask(post("/", "pay 100")).fails_with(502).phase, Phase::FirstByte);
    assert_eq!((peer.connections(), peer.requests()), (3, 3));
    front.settled(&peer, 0);
}

#[test]
fn with_other_members_a_request_whose_new_connection_dies_goes_to_them_if_idempotent() {
    let peer = dying();
    let mut front = Front::to(&peer);
    front.settings.usual.has_others = true;

    front.ask(get("/")).ends(Reply::Elsewhere(502), Mark::Transient);
    assert_eq!(peer.requests(), 1);
    front.ask(post("/", "pay 100")).fails_with(502);
    assert_eq!(peer.requests(), 2);
    front.settled(&peer, 0);
}

// Never after the first byte, never after a timeout, never without its body.

#[test]
fn nothing_is_resent_after_a_byte_of_a_response() {
    let responses = [vec![0x41], headers(100).into_bytes(), headers(200).into_bytes(), chunk("")];
    for bytes in responses {
        let sent = bytes.clone();
        let peer = second_request(move |conn| conn.send(&sent));
        let front = warm(&peer);

        let answer = front.ask(get("/again"));

        answer.fails_with(502);
        assert_eq!((peer.connections(), peer.requests()), (1, 2), "{bytes:02x?}");
        front.settled(&peer, 0);
    }
}

#[test]
fn a_response_that_had_begun_is_cut_and_its_request_not_resent() {
    let passed = Signal::new();
    let seen = passed.clone();
    let peer = second_request(move |conn| {
        conn.send([headers(200).into_bytes(), chunk("half of")].concat())?;
        seen.wait();
        conn.close();
        Ok(())
    });
    let front = warm(&peer);

    let answer = front.ask(get("/again").by(|client| client.on_pass = passed));

    answer.is_cut();
    assert_eq!(answer.client.received(), b"half of");
    assert_eq!(peer.requests(), 2);
}

#[test]
fn a_request_that_times_out_is_not_resent() {
    let peer = second_request(|conn| conn.expect_close());
    let mut front = warm(&peer);
    front.settings.usual.reply_timeout = SHORT;

    let answer = front.ask(get("/again"));

    let failure = answer.fails_with(504);
    assert!(failure.reused);
    assert!(answer.consequence().notes.timed_out);
    assert_eq!((peer.connections(), peer.requests()), (1, 2));
    front.settled(&peer, 0);
}

#[test]
fn a_request_whose_body_was_read_further_is_not_resent() {
    let peer = ScriptedPeer::start(|conn| {
        if conn.index() == 0 {
            conn.expect_forward_request()?;
            respond(conn, "first")?;
        }
        conn.expect_forward_request()?;
        conn.send(get_body_chunk(4))?;
        conn.read_body_packet()?;
        conn.close();
        Ok(())
    });
    let front = warm(&peer);

    front.ask(put("/again", "0123456789").chunked()).fails_with(502);

    assert_eq!((peer.connections(), peer.requests()), (1, 2));
}

#[test]
fn a_post_is_kept_off_a_connection_that_the_backend_may_just_be_closing() {
    let peer = ScriptedPeer::start(|conn| {
        let requests = if conn.index() == 0 { 1 } else { usize::MAX };
        for _ in 0..requests {
            conn.expect_forward_request()?;
            respond(conn, "ok")?;
        }
        Ok(())
    });
    let front = Front::to(&peer);
    front.ask(get("/")).is(200, "ok");
    peer.wait_for_open_connections(0);
    // The housekeeper finds it closed: this backend closes after a second.
    let maintenance = MaintenanceSettings { connect: front.settings.connect.clone(), min: 0 };
    let swept = front.backend.sweep(&maintenance, Instant::now() + Duration::from_secs(1));
    assert_eq!(swept.closed_by_peer, 1);

    assert!(!front.ask(get("/")).is(200, "ok").reused);
    assert!(front.ask(get("/")).is(200, "ok").reused, "a GET may be sent again");
    assert!(!front.ask(post("/", "pay 100")).is(200, "ok").reused);
}
