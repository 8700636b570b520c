//! Request bodies through `proxy::serve` over real sockets: every packet except the first of an
//! announced body is asked for, and none is larger than was asked; and body packets sent ahead.

use std::io::Write;
use std::os::unix::net::UnixStream;

use test_support::ajp::echo::{read_body, respond};
use test_support::ajp::{Packet, ScriptedPeer, chunk, end_response, get_body_chunk, headers};
use test_support::front::{Front, Signal, get, post, put};

// Request bodies.

#[test]
fn the_first_piece_of_an_announced_body_comes_with_the_request() {
    let peer = ScriptedPeer::start(|conn| {
        let request = conn.expect_forward_request()?;
        assert_eq!(
            (request.method.as_str(), request.header("content-length")),
            ("POST", Some("5"))
        );
        // Nothing has been asked for.
        assert_eq!(conn.read_body_packet()?, b"hello");
        respond(conn, "thanks")?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(post("/", "hello"));

    answer.is(200, "thanks");
    assert_eq!((answer.uploaded, answer.downloaded), (5, 6));
    assert_eq!(front.idle(), 1);
}

#[test]
fn a_long_body_is_sent_piece_by_piece_as_it_is_asked_for() {
    let body = vec![b'x'; 30_000];
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        let mut pieces = vec![conn.read_body_packet()?.len()];
        for asked in [8186, 100, 8186, 8186, 8186] {
            conn.send(get_body_chunk(asked))?;
            pieces.push(conn.read_body_packet()?.len());
        }
        respond(conn, &format!("{pieces:?}"))?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(put("/", &body));

    answer.is(200, "[8186, 8186, 100, 8186, 5342, 0]");
    assert_eq!(answer.uploaded, 30_000);
    assert_eq!(answer.client.reads, [8186, 8186, 100, 8186, 8186, 8186]);
    assert_eq!(front.idle(), 1);
}

#[test]
fn a_chunked_body_is_not_touched_until_it_is_asked_for() {
    let peer = ScriptedPeer::start(|conn| {
        let request = conn.expect_forward_request()?;
        let body = read_body(conn, &request, 8192)?;
        respond(conn, &body.len().to_string())?;
        // Not asked for: only the next request may come.
        conn.expect_forward_request()?;
        respond(conn, "unread")?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(post("/", vec![b'y'; 20_000]).chunked());
    answer.is(200, "20000");
    assert_eq!(answer.client.reads, [8186; 4]);

    let answer = front.ask(post("/", "never asked for").chunked());
    answer.is(200, "unread");
    assert!(answer.client.reads.is_empty());
    assert_eq!(peer.connections(), 1);
}

#[test]
fn two_packets_asked_for_in_one_write_are_two_packets() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send([get_body_chunk(2), get_body_chunk(3)].concat())?;
        let pieces = [conn.read_body_packet()?, conn.read_body_packet()?];
        assert_eq!(pieces, [b"ab".to_vec(), b"cde".to_vec()]);
        respond(conn, "ok")?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    front.ask(post("/", "abcdefg").chunked()).is(200, "ok");

    assert_eq!(front.idle(), 1);
}

#[test]
fn a_container_that_asks_for_the_body_of_a_get_gets_an_empty_packet() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(get_body_chunk(8186))?;
        assert!(conn.read_body_packet()?.is_empty());
        respond(conn, "ok")?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    answer.is(200, "ok");
    assert!(answer.client.reads.is_empty());
    assert_eq!(front.idle(), 1);
}

#[test]
fn a_body_that_was_read_ahead_is_sent_no_faster_than_asked_for() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        let mut body = Vec::new();
        for asked in [4, 1, 8186, 8186, 8186] {
            conn.send(get_body_chunk(asked))?;
            let data = conn.read_body_packet()?;
            assert!(data.len() <= asked.into(), "{} bytes, asked for {asked}", data.len());
            body.extend(data);
        }
        respond(conn, std::str::from_utf8(&body).unwrap())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(post("/", "0123456789abcdef").read_ahead(10));

    answer.is(200, "0123456789abcdef");
    assert_eq!(answer.uploaded, 16);
    assert_eq!(front.idle(), 1);
}

#[test]
fn a_container_that_asks_for_more_than_a_packet_holds_gets_a_full_packet() {
    for asked in [65_534, 65_535] {
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            conn.send(get_body_chunk(asked))?;
            let mut length = conn.read_body_packet()?.len();
            conn.send(get_body_chunk(asked))?;
            length += conn.read_body_packet()?.len();
            respond(conn, &length.to_string())?;
            conn.expect_close()
        });
        let front = Front::to(&peer);

        front.ask(post("/", vec![b'z'; 70_000]).chunked()).is(200, "70000");
    }
}

#[test]
fn the_response_held_back_is_passed_on_before_more_of_the_request_is_read() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send([headers(200).into_bytes(), chunk("so far"), get_body_chunk(8186)].concat())?;
        assert_eq!(conn.read_body_packet()?, b"more");
        conn.send([chunk(" so good"), end_response().into_bytes()].concat())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(post("/", "more").chunked());

    answer.is(200, "so far so good");
    assert_eq!(answer.client.passes_at_read, [1]);
    assert_eq!(answer.client.shape(), "so far| so goodE");
}

// END_RESPONSE while a body packet that was asked for is missing.

/// A whole response that says that the connection may be used again.
fn whole(text: &str) -> Vec<u8> {
    [headers(200).into_bytes(), chunk(text), end_response().into_bytes()].concat()
}

#[test]
fn a_container_that_ends_right_after_it_asked_for_a_body_gets_none_and_its_connection_is_closed() {
    for announced in [false, true] {
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            if announced {
                conn.read_body_packet()?;
            }
            conn.send([get_body_chunk(8186), whole("enough")].concat())?;
            conn.expect_close()
        });
        let front = Front::to(&peer);
        let ask = post("/", vec![b'b'; 20_000]);

        let answer = front.ask(if announced { ask } else { ask.chunked() });

        answer.is(200, "enough");
        // A body packet of 512 to 767 bytes would be read as a request made by the client.
        assert_eq!(answer.uploaded, if announced { 8186 } else { 0 });
        front.settled(&peer, 0);
    }
}

#[test]
fn a_container_that_ends_while_the_module_waits_for_the_client_gets_no_body_and_its_connection_is_closed()
 {
    let (reading, ended) = (Signal::new(), Signal::new());
    let (is_reading, has_ended) = (reading.clone(), ended.clone());
    let peer = ScriptedPeer::start(move |conn| {
        conn.expect_forward_request()?;
        conn.send(get_body_chunk(8186))?;
        is_reading.wait();
        conn.send(whole("too late"))?;
        has_ended.give();
        conn.expect_close()
    });
    let front = Front::to(&peer);
    let slow = post("/", "here at last").chunked().by(|client| {
        client.during_read = Some(Box::new(move |_| {
            reading.give();
            ended.wait();
        }));
    });

    let answer = front.ask(slow);

    answer.is(200, "too late");
    assert_eq!(answer.uploaded, 0);
    front.settled(&peer, 0);
}

#[test]
fn a_container_that_ends_with_a_body_packet_partly_sent_is_heard_and_its_connection_is_closed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("ajp.sock");
    let done = Signal::new();
    let go_on = done.clone();
    let _peer = ScriptedPeer::start_unix(&path, move |conn| {
        conn.expect_forward_request()?;
        // 2.6 MB, which no socket holds: when the first packet has been read, another one is being
        // sent.
        conn.send(get_body_chunk(65_530).repeat(40))?;
        conn.read_body_packet()?;
        conn.send(whole("enough"))?;
        // Nothing more is read before the answer is there.
        go_on.wait();
        while conn.read_body_packet().is_ok() {}
        Ok(())
    })
    .expect("a socket");
    let front = Front::at_socket(&path);

    let answer = front.ask(post("/", vec![b'b'; 3_000_000]).chunked());
    done.give();

    answer.is(200, "enough");
    assert_eq!(front.idle(), 0);
}

#[test]
fn an_answer_that_has_arrived_counts_more_than_a_body_packet_that_cannot_be_sent() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send([get_body_chunk(65_530).repeat(2), whole("no more")].concat())?;
        // With bytes unread a close is a reset: the second packet, or the first, cannot be sent.
        conn.reset()
    });
    let front = Front::to(&peer);

    front.ask(post("/", vec![b'b'; 3_000_000]).chunked()).is(200, "no more");

    front.settled(&peer, 0);
}

#[test]
fn a_login_page_that_did_not_read_the_upload_leaves_a_connection_that_is_used_again() {
    let peer = ScriptedPeer::start(|conn| {
        for number in 0..2 {
            conn.expect_forward_request()?;
            assert_eq!(conn.read_body_packet()?.len(), 8186);
            if number == 1 {
                conn.send(get_body_chunk(8186))?;
                assert_eq!(conn.read_body_packet()?.len(), 8186);
            }
            conn.send(whole("who are you?"))?;
        }
        conn.expect_close()
    });
    let front = Front::to(&peer);

    for _ in 0..2 {
        front.ask(post("/", vec![b'b'; 1_000_000])).is(200, "who are you?");
    }

    assert_eq!(peer.connections(), 1);
    front.settled(&peer, 1);
}

// Body packets that go ahead.

#[test]
fn a_container_that_writes_8_mb_before_it_reads_meets_no_front_that_is_stuck() {
    const CHUNKS: usize = 1024;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("ajp.sock");
    let _peer = ScriptedPeer::start_unix(&path, |conn| {
        for _ in 0..2 {
            conn.expect_forward_request()?;
            let mut length = conn.read_body_packet()?.len();
            // The window is wide open for the second request, and none of it is read meanwhile.
            conn.send(get_body_chunk(8186))?;
            conn.send(headers(200))?;
            for _ in 0..CHUNKS {
                conn.send(chunk(vec![b'.'; 8184]))?;
            }
            loop {
                length += conn.read_body_packet()?.len();
                if length >= 2_000_000 {
                    break;
                }
                conn.send(get_body_chunk(8186))?;
            }
            conn.send([chunk(length.to_string()), end_response().into_bytes()].concat())?;
        }
        conn.expect_close()
    })
    .expect("a socket");
    let front = Front::at_socket(&path).upload_ahead(1_048_576);

    for _ in 0..2 {
        let answer = front.ask(post("/", vec![b'b'; 2_000_000]));

        assert_eq!(answer.client.received().len(), CHUNKS * 8184 + 7);
        assert!(answer.client.received().ends_with(b"2000000"));
        assert_eq!(answer.uploaded, 2_000_000);
        assert_eq!(front.idle(), 1, "all of it was asked for");
    }
}

#[test]
fn what_comes_slowly_from_the_client_is_sent_as_it_comes_and_the_container_is_heard_meanwhile() {
    let (mut from, body) = UnixStream::pair().expect("descriptors are left");
    body.set_nonblocking(true).expect("a socket");
    let heard = Signal::new();
    let so_far = heard.clone();
    let peer = ScriptedPeer::start(move |conn| {
        conn.expect_forward_request()?;
        conn.send(get_body_chunk(8186))?;
        conn.send([headers(200).into_bytes(), chunk("welcome")].concat())?;
        assert_eq!(conn.read_body_packet()?, b"hello");
        conn.send(get_body_chunk(8186))?;
        conn.send([chunk(", thanks"), end_response().into_bytes()].concat())?;
        conn.expect_close()
    });
    let front = Front::to(&peer).upload_ahead(65_536);
    let slow = post("/", "").chunked().by(|client| {
        client.body_stream = Some(body);
        client.on_pass = so_far;
    });

    let answer = std::thread::scope(|scope| {
        scope.spawn(move || {
            // The answer is on its way before a byte of the body is.
            heard.wait();
            from.write_all(b"hello").expect("it is read");
            // It stays open: no more of the body comes, and none is needed.
            heard.wait_for(2);
        });
        front.ask(slow)
    });

    answer.is(200, "welcome, thanks");
    assert_eq!(answer.uploaded, 5);
    front.settled(&peer, 0);
}
