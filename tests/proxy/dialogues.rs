//! One request through `proxy::serve` over real sockets, and the connection it leaves behind:
//! packets, passes, flushes, reuse.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mod_proxy_ajp_rs::pool::CloseReason;
use mod_proxy_ajp_rs::proxy::Flush;
use test_support::ajp::echo::{respond, uris};
use test_support::ajp::{
    Packet, PeerConnection, ScriptedPeer, chunk, cpong, end_response, flush, headers,
};
use test_support::front::ask::ask;
use test_support::front::{Front, LONG, Signal, get};

// Requests without a body.

#[test]
fn a_get_is_answered_and_its_connection_serves_the_next() {
    let peer = ScriptedPeer::start(uris);
    let front = Front::to(&peer);

    let first = front.ask(get("/one")).is(200, "/one");
    assert!(!first.reused);
    for path in ["/two", "/three"] {
        let finished = front.ask(get(path)).is(200, path);
        assert!(finished.reused);
        assert_eq!(finished.attempts, 1);
    }

    assert_eq!((peer.connections(), peer.requests()), (1, 3));
    front.settled(&peer, 1);
}

#[test]
fn status_and_headers_reach_the_client_as_they_came() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(headers(404).reason("Nope").header("Content-Type", "a/b").header("X-Y", "z"))?;
        conn.send(end_response())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    answer.is(404, "");
    let head = &answer.client.heads[0];
    assert_eq!(head.reason(), b"Nope");
    let names: Vec<_> = head.headers().map(|(name, value)| (name.name(), value)).collect();
    assert_eq!(names, [(&b"Content-Type"[..], &b"a/b"[..]), (b"X-Y", b"z")]);
}

#[test]
fn the_answer_to_head_has_a_length_and_no_body() {
    let peer = ScriptedPeer::start(|conn| {
        assert_eq!(conn.expect_forward_request()?.method, "HEAD");
        conn.send(headers(200).header("Content-Length", "5000"))?;
        conn.send(end_response())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    front.ask(ask("HEAD", "/", None)).is(200, "");

    assert_eq!(front.idle(), 1);
}

#[test]
fn interim_responses_are_skipped() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(headers(100))?;
        conn.send(headers(103).header("Link", "</style.css>"))?;
        respond(conn, "final")?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    answer.is(200, "final");
    assert_eq!(answer.client.heads.len(), 1);
}

// Reuse.

#[test]
fn a_connection_that_ends_with_reuse_0_is_closed() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(headers(200))?;
        conn.send(end_response().reuse(false))?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    for _ in 0..2 {
        front.ask(get("/")).is(200, "");
    }

    assert_eq!(peer.connections(), 2);
    front.settled(&peer, 0);
}

#[test]
fn with_forceclose_every_request_has_a_connection_of_its_own() {
    let peer = ScriptedPeer::start(uris);
    let front = Front::to(&peer).force_close();

    for path in ["/a", "/b", "/c"] {
        front.ask(get(path)).is(200, path);
    }

    assert_eq!((peer.connections(), peer.requests()), (3, 3));
    assert_eq!(front.closed(CloseReason::Forced), 3);
    front.settled(&peer, 0);
}

#[test]
fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ajp.sock");
    let peer = ScriptedPeer::start_unix(&path, uris).unwrap();
    let front = Front::at_socket(&path);

    for path in ["/a", "/b"] {
        front.ask(get(path)).is(200, path);
    }

    assert_eq!(peer.connections(), 1);
    front.settled(&peer, 1);
}

// Passes and flushes.

#[test]
fn bytes_of_one_receive_leave_in_one_pass() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        let response = [headers(200).into_bytes(), chunk("a"), chunk("b"), chunk("c")].concat();
        conn.send([response, end_response().into_bytes()].concat())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    answer.is(200, "abc");
    assert_eq!(answer.client.shape(), "abcE");
}

#[test]
fn headers_alone_wait_for_the_next_bytes() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        let packets = [headers(200).into_bytes(), chunk("ab"), end_response().into_bytes()];
        for packet in packets {
            for byte in packet {
                conn.send([byte].as_slice())?;
            }
        }
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    answer.is(200, "ab");
    assert!(["ab|E", "abE"].contains(&&*answer.client.shape()), "{}", answer.client.shape());
}

#[test]
fn the_backend_s_flush_is_passed_on_in_its_place() {
    let passed = Signal::new();
    let seen = passed.clone();
    let peer = ScriptedPeer::start(move |conn| {
        conn.expect_forward_request()?;
        conn.send([flush(), headers(200).into_bytes(), flush()].concat())?;
        seen.wait_for(1);
        conn.send([chunk("a"), flush(), chunk("b"), end_response().into_bytes()].concat())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/").by(|client| client.on_pass = passed));

    answer.is(200, "ab");
    assert_eq!(answer.client.shape(), "F|aFbE");
}

/// Sends a piece, and the rest after that has been passed on.
fn pauses(passed: Signal) -> impl Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync {
    move |conn| {
        conn.expect_forward_request()?;
        conn.send([headers(200).into_bytes(), chunk("a")].concat())?;
        passed.wait();
        conn.send([chunk("b"), end_response().into_bytes()].concat())?;
        conn.expect_close()
    }
}

#[test]
fn flushpackets_decides_what_happens_when_the_backend_pauses() {
    for (setting, shape) in [
        (Flush::Off, "a|bE"),
        (Flush::On, "aF|bE"),
        // Passed on after the wait, since nothing more had come.
        (Flush::Auto(Duration::from_millis(20)), "aF|bE"),
    ] {
        let passed = Signal::new();
        let peer = ScriptedPeer::start(pauses(passed.clone()));
        let front = Front::to(&peer).flush(setting);

        let answer = front.ask(get("/").by(|client| client.on_pass = passed));

        answer.is(200, "ab");
        assert_eq!(answer.client.shape(), shape, "{setting:?}");
    }
}

#[test]
fn flushpackets_auto_does_not_flush_while_more_is_coming() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send([headers(200).into_bytes(), chunk("a")].concat())?;
        conn.send([chunk("b"), end_response().into_bytes()].concat())?;
        conn.expect_close()
    });
    let front = Front::to(&peer).flush(Flush::Auto(LONG));

    let answer = front.ask(get("/"));

    answer.is(200, "ab");
    assert!(!answer.client.shape().contains('F'), "{}", answer.client.shape());
}

#[test]
fn a_ping_is_answered_before_every_request() {
    let peer = ScriptedPeer::start(|conn| {
        for _ in 0..2 {
            conn.expect_cping()?;
            conn.send(cpong())?;
            conn.expect_forward_request()?;
            respond(conn, "pong")?;
        }
        conn.expect_close()
    });
    let front = Front::to(&peer).ping(LONG);

    for _ in 0..2 {
        front.ask(get("/")).is(200, "pong");
    }

    assert_eq!((peer.connections(), peer.cpings(), peer.requests()), (1, 2, 2));
    front.settled(&peer, 1);
}

#[test]
fn a_panic_closes_the_connection_and_frees_its_place() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send([headers(200).into_bytes(), chunk("half")].concat())?;
        conn.expect_close()
    });
    let front = Front::to(&peer).max(1, Duration::ZERO);

    let panicking = get("/").by(|client| client.pass_panics = Some(1));
    let result = catch_unwind(AssertUnwindSafe(|| front.ask(panicking)));

    assert!(result.is_err());
    front.settled(&peer, 0);
}
