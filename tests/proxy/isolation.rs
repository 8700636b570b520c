//! No user ever gets another user's answer: backends that send too much, too late or out of order, and
//! the request that comes after.

use std::io;
use std::thread;

use mod_proxy_ajp_rs::pool::CloseReason;
use mod_proxy_ajp_rs::proxy::{ClientError, ProxyError};
use test_support::ajp::echo::{respond, uris};
use test_support::ajp::request::forward_request;
use test_support::ajp::{
    Packet, PeerConnection, ScriptedPeer, chunk, cpong, end_response, flush, get_body_chunk,
    headers,
};
use test_support::front::{Front, LONG, SHORT, Signal, get, post};

fn response(text: &str) -> Vec<u8> {
    [headers(200).into_bytes(), chunk(text), end_response().into_bytes()].concat()
}

/// The bytes that a confused backend may send behind its answer.
fn too_much() -> Vec<Vec<u8>> {
    vec![
        response("for somebody else"),
        headers(200).into_bytes(),
        chunk("more"),
        flush(),
        end_response().into_bytes(),
        end_response().reuse(false).into_bytes(),
        get_body_chunk(8186),
        cpong(),
        vec![0x41],
        end_response().into_bytes()[..5].to_vec(),
        response("half")[..20].to_vec(),
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        vec![0x00],
        vec![b'x'; 100_000],
    ]
}

/// The first connection answers its first request and then follows the script; all other connections
/// and requests are answered with their URI.
fn first_then<S>(then: S) -> ScriptedPeer
where
    S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
{
    ScriptedPeer::start(move |conn| {
        if conn.index() == 0 {
            then(conn)?;
        }
        uris(conn)
    })
}

#[test]
fn bytes_after_the_end_in_the_same_write_close_the_connection() {
    for surplus in too_much() {
        let sent = [response("/alice"), surplus.clone()].concat();
        let peer = first_then(move |conn| {
            conn.expect_forward_request()?;
            // It closes before it has read everything.
            let _ = conn.send(&sent);
            Ok(())
        });
        let front = Front::to(&peer);

        front.ask(get("/alice")).is(200, "/alice");
        let bob = front.ask(get("/bob")).is(200, "/bob");

        assert!(!bob.reused, "{surplus:02x?}");
        assert_eq!(peer.connections(), 2);
    }
}

#[test]
fn bytes_that_come_while_a_connection_is_idle_close_it() {
    for surplus in too_much() {
        let (idle, late) = (Signal::new(), Signal::new());
        let (is_idle, is_late) = (idle.clone(), late.clone());
        // A unix socket: what one end sends, the other has.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ajp.sock");
        let sent = surplus.clone();
        let peer = ScriptedPeer::start_unix(&path, move |conn| {
            if conn.index() == 0 {
                conn.expect_forward_request()?;
                respond(conn, "/alice")?;
                is_idle.wait();
                conn.send(&sent)?;
                is_late.give();
            }
            uris(conn)
        })
        .unwrap();
        let front = Front::at_socket(&path);
        front.ask(get("/alice")).is(200, "/alice");
        assert_eq!(front.idle(), 1);
        idle.give();
        late.wait();

        let bob = front.ask(get("/bob")).is(200, "/bob");

        assert!(!bob.reused, "{surplus:02x?}");
        assert_eq!(front.closed(CloseReason::Unread), 1);
        assert_eq!((peer.connections(), peer.requests()), (2, 2));
    }
}

#[test]
fn a_second_response_is_found_although_the_first_just_fills_the_buffer() {
    // The receive buffer begins with 8192 bytes: END_RESPONSE is the last of them, and what comes
    // behind it stays in the socket.
    let empty = response("").len();
    let first = response(&"f".repeat(8192 - empty));
    assert_eq!(first.len(), 8192);
    let peer = first_then(move |conn| {
        conn.expect_forward_request()?;
        let _ = conn.send([&first[..], &response("for somebody else")].concat());
        Ok(())
    });
    let front = Front::to(&peer);

    front.ask(get("/alice")).is(200, "f".repeat(8192 - empty));
    let bob = front.ask(get("/bob")).is(200, "/bob");

    assert!(!bob.reused);
    assert_eq!(front.closed(CloseReason::Unread), 1);
}

#[test]
fn a_waiting_request_is_not_handed_a_connection_with_unread_bytes() {
    let empty = response("").len();
    let waiting = Signal::new();
    let is_waiting = waiting.clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ajp.sock");
    let peer = ScriptedPeer::start_unix(&path, move |conn| {
        if conn.index() == 0 {
            conn.expect_forward_request()?;
            is_waiting.wait();
            // As above: clean as far as has been received, but not in the socket.
            let first = response(&"f".repeat(8192 - empty));
            let _ = conn.send([first, response("for somebody else")].concat());
        }
        uris(conn)
    })
    .unwrap();
    let front = Front::at_socket(&path).max(1, LONG);

    thread::scope(|scope| {
        scope.spawn(|| front.ask(get("/alice")).is(200, "f".repeat(8192 - empty)));
        peer.wait_for_requests(1);
        let bob = scope.spawn(|| front.ask(get("/bob")).is(200, "/bob"));
        while front.backend.stats().waiting == 0 {
            thread::yield_now();
        }
        waiting.give();
        assert!(!bob.join().unwrap().reused);
    });
    assert_eq!(front.closed(CloseReason::Unread), 1);
}

#[test]
fn the_answer_to_a_request_that_timed_out_reaches_no_client() {
    let late = Signal::new();
    let is_late = late.clone();
    let peer = first_then(move |conn| {
        conn.expect_forward_request()?;
        is_late.wait();
        // The connection may be closed already.
        let _ = conn.send(response("/alice"));
        Ok(())
    });
    let mut front = Front::to(&peer).timeout(SHORT);

    front.ask(get("/alice")).fails_with(504);
    late.give();
    front.settings.timeout = LONG;
    front.settings.usual.reply_timeout = LONG;
    let bob = front.ask(get("/bob")).is(200, "/bob");

    assert!(!bob.reused);
    assert_eq!(peer.connections(), 2);
}

#[test]
fn the_rest_of_an_answer_whose_client_has_gone_reaches_no_client() {
    let gone = Signal::new();
    let is_gone = gone.clone();
    let peer = first_then(move |conn| {
        conn.expect_forward_request()?;
        conn.send([headers(200).into_bytes(), chunk("/ali")].concat())?;
        is_gone.wait();
        let _ = conn.send([chunk("ce"), end_response().into_bytes()].concat());
        Ok(())
    });
    let front = Front::to(&peer);

    let alice = front.ask(get("/alice").by(|client| {
        client.pass_fails = Some((1, ClientError::Gone));
        client.on_pass = gone;
    }));
    let bob = front.ask(get("/bob")).is(200, "/bob");

    assert!(matches!(alice.failure().error, ProxyError::Client(ClientError::Gone)));
    assert!(!bob.reused);
}

#[test]
fn the_body_that_an_end_did_not_wait_for_is_never_the_next_request() {
    // Both in one write: it is unknown whether the container would read the packet as the body that it
    // asked for, or as the next request.
    let peer = first_then(|conn| {
        conn.expect_forward_request()?;
        conn.send([get_body_chunk(4), response("/alice")].concat())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    front.ask(post("/alice", "body").chunked()).is(200, "/alice");
    front.ask(get("/bob")).is(200, "/bob");

    assert_eq!((peer.connections(), peer.requests()), (2, 2));
    front.settled(&peer, 1);
}

#[test]
fn a_request_body_cannot_be_taken_for_the_next_request() {
    // The body is a FORWARD_REQUEST in a packet of its own, and the container never reads it.
    let smuggled = {
        let string = |text: &str| {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes();
            [&length[..], text.as_bytes(), &[0]].concat()
        };
        let parts = [
            vec![0x02, 0x02],
            string("HTTP/1.1"),
            string("/admin"),
            string("127.0.0.1"),
            vec![0xFF, 0xFF],
            string("localhost"),
            vec![0, 80, 0, 0, 0, 0xFF],
        ];
        let payload = parts.concat();
        assert_eq!(forward_request(&payload).unwrap().uri, "/admin");
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[0x12, 0x34], &length[..], &payload].concat()
    };
    let peer = ScriptedPeer::start(uris);
    let front = Front::to(&peer);

    front.ask(post("/alice", &smuggled).chunked()).is(200, "/alice");
    front.ask(get("/bob")).is(200, "/bob");

    assert_eq!((peer.connections(), peer.requests()), (1, 2));
    assert_eq!(peer.last_request().unwrap().uri, "/bob");
    front.settled(&peer, 1);
}

#[test]
fn bytes_a_client_still_holds_are_not_overwritten_by_the_next_answer() {
    let peer = ScriptedPeer::start(|conn| {
        while let Some(payload) = conn.read_packet()? {
            let request = forward_request(&payload)?;
            let text = request.uri.repeat(20_000 / request.uri.len());
            let half = text.len() / 2;
            conn.send([headers(200).into_bytes(), chunk(&text[..half])].concat())?;
            conn.send([chunk(&text[half..]), end_response().into_bytes()].concat())?;
        }
        Ok(())
    });
    let front = Front::to(&peer);

    let users: Vec<_> = (10..30).map(|number| format!("/user/{number}")).collect();
    let answers: Vec<_> = users.iter().map(|path| front.ask(get(path.as_str()))).collect();

    assert_eq!(peer.connections(), 1);
    for (path, answer) in users.iter().zip(answers) {
        answer.is(200, path.repeat(20_000 / path.len()));
    }
}

/// Answers with the URI, and misbehaves as its last digits say.
fn unreliable(conn: &mut PeerConnection) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        let request = forward_request(&payload)?;
        let answer = response(&request.uri);
        let number: usize = request.uri.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap();
        match number % 17 {
            3 => return Ok(()),
            5 => conn.send([answer, response("/wrong/second")].concat())?,
            7 => conn.send([answer, end_response().into_bytes()].concat())?,
            9 => conn.send(&answer[..answer.len() - 3])?,
            11 => {
                conn.send(&answer)?;
                return conn.reset();
            }
            13 => {
                let end = end_response().reuse(false).into_bytes();
                conn.send([headers(200).into_bytes(), chunk(&request.uri), end].concat())?;
            }
            15 => conn.send([answer, vec![0x41, 0x42, 0x00]].concat())?,
            _ => conn.send(&answer)?,
        }
        if number % 17 == 9 {
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn among_many_users_of_an_unreliable_backend_nobody_sees_another_s_answer() {
    let peer = ScriptedPeer::start(|conn| {
        // A connection that is closed does not matter here.
        let _ = unreliable(conn);
        Ok(())
    });
    let front = Front::to(&peer).max(4, LONG);

    let answered: usize = thread::scope(|scope| {
        let user = |user: usize| {
            let front = &front;
            move || {
                let ask = |number: usize| {
                    let path = format!("/user/{user}/{number}");
                    let answer = front.ask(get(path.as_str()));
                    if answer.result.is_ok() {
                        answer.is(200, &path);
                    } else {
                        let got = answer.client.received();
                        assert!(path.as_bytes().starts_with(&got), "{path} got {got:?}");
                    }
                    usize::from(answer.result.is_ok())
                };
                (0..200).map(|step| ask(user * 31 + step)).sum::<usize>()
            }
        };
        let users: Vec<_> = (0..8).map(|number| scope.spawn(user(number))).collect();
        users.into_iter().map(|user| user.join().unwrap()).sum()
    });

    assert!(answered > 1000, "{answered} of 1600 answered");
    let stats = front.backend.stats();
    assert!(stats.reused > 100, "{stats:?}");
    assert_eq!((stats.in_use, stats.waiting), (0, 0));
}
