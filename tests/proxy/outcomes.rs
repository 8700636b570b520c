//! The consequences of failures for the client and for the member: the table of docs/reference.md
//! ("What follows from a failure"), row by row, each with a backend that fails in that way.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use mod_proxy_ajp_rs::backend::{AcquireFailure, PingError};
use mod_proxy_ajp_rs::exchange::ExchangeError;
use mod_proxy_ajp_rs::messages::Level;
use mod_proxy_ajp_rs::net::ConnectError;
use mod_proxy_ajp_rs::pool::{AcquireError, CloseReason};
use mod_proxy_ajp_rs::protocol::CodecError;
use mod_proxy_ajp_rs::proxy::{ClientError, Mark, Phase, ProxyError, Reply};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use test_support::ajp::echo::respond;
use test_support::ajp::{
    Packet, ScriptedPeer, chunk, cpong, end_response, flush, get_body_chunk, headers, raw,
};
use test_support::front::{Ask, Front, LONG, SHORT, Signal, get, post, untouched};

/// Answers every request with these bytes, and nothing after them.
fn answering(bytes: Vec<u8>) -> ScriptedPeer {
    ScriptedPeer::start(move |conn| {
        conn.expect_forward_request()?;
        conn.send(&bytes)?;
        conn.expect_close()
    })
}

/// Sends the first bytes, and the others when the client has some of them.
fn answering_twice(one: Vec<u8>, other: Vec<u8>, passed: Signal) -> ScriptedPeer {
    ScriptedPeer::start(move |conn| {
        conn.expect_forward_request()?;
        conn.send(&one)?;
        passed.wait();
        conn.send(&other)?;
        conn.expect_close()
    })
}

/// A port that is taken, so that no other test can have it, and on which no process listens.
fn deaf_port() -> (OwnedFd, u16) {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let flags = SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    let bound = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    (socket, bound.port())
}

// No connection.

#[test]
fn a_backend_that_refuses_connections_is_in_error() {
    let (_socket, port) = deaf_port();
    let front = Front::at("127.0.0.1", port);

    let answer = front.ask(get("/"));

    let failure = answer.is_member_error();
    let ProxyError::Acquire(AcquireFailure::Connect { source, .. }) = &failure.error else {
        panic!("{failure:?}")
    };
    assert_eq!(*source, ConnectError::Refused);
    assert_eq!(failure.phase, Phase::Connect);
    assert_eq!(front.backend.stats().in_use, 0);
}

#[test]
fn a_missing_unix_socket_is_an_error_of_the_member() {
    let folder = tempfile::tempdir().unwrap();
    let front = Front::at_socket(&folder.path().join("ajp.sock"));

    let answer = front.ask(get("/"));

    let text = answer.is_member_error().error.to_string();
    assert!(text.contains("ajp.sock failed: no such file"), "{text}");
}

#[test]
fn a_backend_whose_connects_time_out_is_in_error() {
    // A listener with a backlog of 0 that accepts no connection.
    let (listener, port) = deaf_port();
    rustix::net::listen(&listener, 0).unwrap();
    let mut front = Front::at("127.0.0.1", port).timeout(SHORT);
    front.settings.connect.options.timeout = SHORT;
    // Connections are opened until the backlog is full, and then there is no answer.
    let answer = loop {
        let answer = front.ask(get("/"));
        if answer.failure().phase == Phase::Connect {
            break answer;
        }
        answer.fails_with(504);
    };

    let failure = answer.is_member_error();

    let ProxyError::Acquire(AcquireFailure::Connect { source, .. }) = &failure.error else {
        panic!("{failure:?}")
    };
    assert!(source.is_timeout());
    assert!(!answer.consequence().notes.timed_out, "failontimeout is about requests");
}

#[test]
fn a_name_that_cannot_be_resolved_is_an_error_of_the_member() {
    // Refused before anything is sent.
    let front = Front::at("a\0b", 8009);

    let answer = front.ask(get("/"));

    let error = &answer.is_member_error().error;
    assert!(matches!(error, ProxyError::Acquire(AcquireFailure::Resolve(_))), "{error}");
}

#[test]
fn the_addresses_of_a_name_are_tried_in_turn() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        respond(conn, "found")?;
        conn.expect_close()
    });
    // If it is ::1 as well, that comes first, and no process listens there.
    let front = Front::at("localhost", peer.port());

    front.ask(get("/")).is(200, "found");

    front.settled(&peer, 1);
}

#[test]
fn a_pool_without_a_free_place_is_busy_and_not_in_error() {
    for wait in [Duration::ZERO, SHORT] {
        let refused = Signal::new();
        let is_refused = refused.clone();
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            is_refused.wait();
            respond(conn, "slow")?;
            conn.expect_close()
        });
        let front = Front::to(&peer).max(1, wait);
        thread::scope(|scope| {
            scope.spawn(|| front.ask(get("/slow")).is(200, "slow"));
            peer.wait_for_requests(1);

            let answer = front.ask(post("/", "x"));

            refused.give();
            let failure = answer.ends(Reply::Status(503), Mark::Transient);
            let ProxyError::Acquire(AcquireFailure::Busy(busy)) = &failure.error else {
                panic!("{failure:?}")
            };
            assert_eq!(*busy, AcquireError::Busy { max: 1, waited: wait });
        });
        assert_eq!(peer.connections(), 1);
        front.settled(&peer, 1);
    }
}

#[test]
fn an_unanswered_cping_on_a_new_connection_is_an_error_of_the_member() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_cping()?;
        conn.expect_close()
    });
    let front = Front::to(&peer).ping(SHORT);

    let answer = front.ask(post("/", "body"));

    let failure = answer.is_member_error();
    let ProxyError::Acquire(AcquireFailure::Ping(PingError::TimedOut { after })) = failure.error
    else {
        panic!("{failure:?}")
    };
    assert_eq!(after, SHORT);
    assert_eq!((peer.cpings(), peer.requests()), (1, 0));
    front.settled(&peer, 0);
}

#[test]
fn any_other_answer_to_a_first_cping_is_an_error_of_the_member() {
    let answers =
        [end_response().into_bytes(), [cpong(), cpong()].concat(), raw("SSH-2.0-OpenSSH_9.2\r\n")];
    for bytes in answers {
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_cping()?;
            conn.send(&bytes)?;
            conn.expect_close()
        });
        let front = Front::to(&peer).ping(LONG);

        let answer = front.ask(get("/"));

        let error = &answer.is_member_error().error;
        assert!(matches!(error, ProxyError::Acquire(AcquireFailure::Ping(_))), "{error}");
        assert_eq!(peer.requests(), 0);
        front.settled(&peer, 0);
    }
}

// Closed, or silent.

#[test]
fn a_backend_that_dies_before_an_answer_is_a_502_and_no_error_of_the_member() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.reset()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    assert!(matches!(answer.fails_with(502).error, ProxyError::ConnectionClosed(_)));
    assert_eq!(answer.consequence().level(), Level::Error);
    front.settled(&peer, 0);
}

#[test]
fn a_timeout_before_anything_reached_the_client_is_a_504() {
    for bytes in [Vec::new(), headers(100).into_bytes(), headers(200).into_bytes()] {
        let peer = answering(bytes.clone());
        let front = Front::to(&peer).timeout(SHORT);

        let answer = front.ask(get("/"));

        let failure = answer.fails_with(504);
        assert!(matches!(failure.error, ProxyError::TimedOut { after } if after == SHORT));
        assert!(answer.consequence().notes.timed_out);
        assert_eq!(peer.requests(), 1, "{bytes:02x?}");
        front.settled(&peer, 0);
    }
}

#[test]
fn half_a_packet_is_a_502_after_the_timeout_whatever_the_reply_timeout() {
    let peer = answering(vec![0x41]);
    let mut front = Front::to(&peer).timeout(SHORT);
    front.settings.usual.reply_timeout = LONG;

    let answer = front.ask(get("/"));

    let failure = answer.fails_with(502);
    assert!(matches!(failure.error, ProxyError::PartialPacket { after } if after == SHORT));
    front.settled(&peer, 0);
}

#[test]
fn a_timeout_after_something_reached_the_client_cuts_the_response() {
    for begun in [chunk("some"), flush()] {
        let peer = answering([headers(200).into_bytes(), begun].concat());
        // The answer has to come within this time.
        let front = Front::to(&peer).timeout(SHORT * 20);

        let answer = front.ask(get("/"));

        answer.is_cut();
        assert!(answer.consequence().notes.timed_out);
        front.settled(&peer, 0);
    }
}

#[test]
fn a_response_without_an_end_is_cut_even_if_it_had_all_its_bytes() {
    for missing in [Vec::new(), end_response().into_bytes()[..5].to_vec()] {
        let passed = Signal::new();
        let (seen, last) = (passed.clone(), missing.clone());
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            let begun = headers(200).header("Content-Length", "4").into_bytes();
            conn.send([begun, chunk("four")].concat())?;
            seen.wait();
            conn.send(&last)
        });
        let front = Front::to(&peer);

        let answer = front.ask(get("/").by(|client| client.on_pass = passed));

        assert!(matches!(answer.is_cut().error, ProxyError::ConnectionClosed(_)), "{missing:02x?}");
        front.settled(&peer, 0);
    }
}

// Not AJP.

#[track_caller]
fn protocol_error(bytes: Vec<u8>, error: &ExchangeError) {
    let peer = answering(bytes);
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    let failure = answer.fails_with(502);
    let ProxyError::Protocol(found) = &failure.error else { panic!("{failure:?}") };
    assert_eq!(found, error);
    assert_eq!((peer.connections(), peer.requests()), (1, 1));
    front.settled(&peer, 0);
}

#[test]
fn bytes_that_are_not_ajp_are_a_502() {
    let magic = |offset, expected, found| CodecError::BadMagic { offset, expected, found };
    protocol_error(raw("HTTP/1.1 200 OK\r\n\r\n"), &magic(0, 0x41, 0x48).into());
    protocol_error(raw([0x15, 0x03, 0x03, 0x00, 0x02]), &magic(0, 0x41, 0x15).into());
    protocol_error(raw([0x12, 0x34, 0x00, 0x02]), &magic(0, 0x41, 0x12).into());
    protocol_error(raw("AJ"), &magic(1, 0x42, 0x4A).into());
    protocol_error(raw([0x41, 0x42, 0, 0]), &CodecError::EmptyPacket.into());
    protocol_error(raw([0x41, 0x42, 0, 1, 0x77]), &CodecError::UnknownType { code: 0x77 }.into());
}

#[test]
fn a_response_that_cannot_be_decoded_is_a_502() {
    protocol_error(headers(0).into_bytes(), &CodecError::BadStatus { status: 0 }.into());
    let unknown = headers(200).coded_header(0xA0FF, "x").into_bytes();
    protocol_error(unknown, &CodecError::UnknownHeaderCode { code: 0xA0FF }.into());
    let lie = raw([0x41, 0x42, 0, 6, 0x03, 0, 9, b'h', b'i', 0]);
    protocol_error(lie, &CodecError::ChunkLength { stated: 9, room: 2 }.into());
}

#[test]
fn packets_out_of_order_are_a_502() {
    let ok = || headers(200).into_bytes();
    let end = || end_response().into_bytes();
    protocol_error([ok(), ok()].concat(), &ExchangeError::HeadersTwice);
    protocol_error([ok(), chunk("x"), ok(), end()].concat(), &ExchangeError::HeadersTwice);
    protocol_error(chunk("x"), &ExchangeError::BodyBeforeHeaders);
    protocol_error(end(), &ExchangeError::EndWithoutHeaders);
    protocol_error(cpong(), &ExchangeError::UnexpectedCPong);
    protocol_error([ok(), cpong(), end()].concat(), &ExchangeError::UnexpectedCPong);
    protocol_error(get_body_chunk(0), &ExchangeError::BodyOfNoLengthAskedFor);
}

#[test]
fn a_body_asked_for_after_its_end_is_a_502() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        for _ in 0..2 {
            conn.send(get_body_chunk(8186))?;
        }
        assert!(conn.read_body_packet()?.is_empty());
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    let failure = answer.fails_with(502);
    let ProxyError::Protocol(error) = &failure.error else { panic!("{failure:?}") };
    assert_eq!(*error, ExchangeError::BodyAskedForAfterEnd);
    front.settled(&peer, 0);
}

#[test]
fn bytes_that_are_not_ajp_cut_a_response_that_has_begun() {
    let garbage =
        [raw("HTTP/1.1 500"), cpong(), headers(200).into_bytes(), raw([0x41, 0x42, 0, 0])];
    for bytes in garbage {
        let passed = Signal::new();
        let begun = [headers(200).into_bytes(), chunk("begun")].concat();
        let peer = answering_twice(begun, bytes, passed.clone());
        let front = Front::to(&peer);

        let answer = front.ask(get("/").by(|client| client.on_pass = passed));

        assert!(matches!(answer.is_cut().error, ProxyError::Protocol(_)));
        assert_eq!(answer.client.received(), b"begun");
        front.settled(&peer, 0);
    }
}

// Content-Length.

#[test]
fn a_body_that_disagrees_with_its_length_is_a_502_while_nothing_has_been_sent() {
    let length = |value: &str| headers(200).header("Content-Length", value).into_bytes();
    let end = || end_response().into_bytes();
    let long = ExchangeError::LengthMismatch { announced: 1, received: 2 };
    protocol_error([length("1"), chunk("ab"), end()].concat(), &long);
    let short = ExchangeError::LengthMismatch { announced: 3, received: 2 };
    protocol_error([length("3"), chunk("ab"), end()].concat(), &short);
    protocol_error([length("2,2"), end()].concat(), &ExchangeError::BadContentLength);
    let two = headers(200).header("Content-Length", "1").header("Content-Length", "2");
    protocol_error([two.into_bytes(), end()].concat(), &ExchangeError::BadContentLength);
}

#[test]
fn a_body_that_disagrees_with_its_length_cuts_a_response_that_has_begun() {
    let begun =
        || [headers(200).header("Content-Length", "6").into_bytes(), chunk("four")].concat();
    for rest in [end_response().into_bytes(), [chunk("two"), end_response().into_bytes()].concat()]
    {
        let passed = Signal::new();
        let peer = answering_twice(begun(), rest, passed.clone());
        let front = Front::to(&peer);

        let answer = front.ask(get("/").by(|client| client.on_pass = passed));

        let failure = answer.is_cut();
        let ProxyError::Protocol(error) = &failure.error else { panic!("{failure:?}") };
        assert!(matches!(error, ExchangeError::LengthMismatch { announced: 6, .. }));
        assert_eq!(answer.client.received(), b"four", "not a byte too many");
        front.settled(&peer, 0);
    }
}

// Failures of the client.

/// Asks with a client that fails; the backend would answer. The connection must be closed.
fn client_fails(ask: Ask, reply: Reply) -> Level {
    let peer = ScriptedPeer::start(|conn| {
        let request = conn.expect_forward_request()?;
        if request.is_chunked() {
            conn.send(get_body_chunk(4))?;
            conn.read_body_packet()?;
            conn.send(get_body_chunk(4))?;
        } else {
            conn.send([headers(200).into_bytes(), chunk("half")].concat())?;
        }
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(ask);

    answer.ends(reply, untouched(reply));
    assert_eq!(peer.requests(), 1);
    assert_eq!(front.closed(CloseReason::Dropped), 1);
    front.settled(&peer, 0);
    answer.consequence().level()
}

#[test]
fn a_client_that_goes_away_in_the_response_closes_the_connection() {
    let gone = get("/").by(|client| client.pass_fails = Some((1, ClientError::Gone)));
    assert_eq!(client_fails(gone, Reply::Nothing), Level::Info);
}

#[test]
fn a_filter_that_answers_or_fails_closes_the_connection() {
    let answered = get("/").by(|client| client.pass_fails = Some((1, ClientError::Answered)));
    client_fails(answered, Reply::Answered);
    let failed = ClientError::FilterFailed { code: 20014 };
    client_fails(get("/").by(|client| client.pass_fails = Some((1, failed))), Reply::Cut);
    let at_once = get("/").by(|client| client.begin_fails = Some(failed));
    client_fails(at_once, Reply::Status(500));
}

#[test]
fn a_filter_that_withholds_the_request_body_causes_a_warning() {
    let withheld = ClientError::BodyWithheld { after: SHORT };
    let ask = post("/", "0123456789").chunked();
    let ask = ask.by(|client| client.read_fails = Some((2, withheld)));
    assert_eq!(client_fails(ask, Reply::Status(408)), Level::Warning);
}

#[test]
fn a_request_body_that_fails_is_the_client_s_fault() {
    for (error, reply) in [
        (ClientError::BodyRefused { status: 408 }, Reply::Status(408)),
        (ClientError::BodyRefused { status: 413 }, Reply::Status(413)),
        (ClientError::BodyTooShort { missing: 6 }, Reply::Status(400)),
        (ClientError::Gone, Reply::Nothing),
    ] {
        let ask = post("/", "0123456789").chunked();
        let ask = ask.by(|client| client.read_fails = Some((2, error)));
        assert_eq!(client_fails(ask, reply), Level::Info);
    }
}

#[test]
fn a_client_that_goes_away_with_the_last_piece_leaves_a_clean_connection() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        respond(conn, "whole")?;
        conn.expect_forward_request()?;
        respond(conn, "next")?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let gone = front.ask(get("/").by(|client| client.pass_fails = Some((1, ClientError::Gone))));

    assert_eq!(gone.consequence().reply, Reply::Nothing);
    front.ask(get("/")).is(200, "next");
    front.settled(&peer, 1);
}
