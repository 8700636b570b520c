//! Packet sizes through `proxy::serve` over real sockets: the size that a container accepts is asked,
//! never guessed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use mod_proxy_ajp_rs::pool::CloseReason;
use mod_proxy_ajp_rs::protocol::PacketSize;
use mod_proxy_ajp_rs::proxy::ProxyError;
use test_support::ajp::echo::{echo_sized, respond, uris_within};
use test_support::ajp::request::forward_request;
use test_support::ajp::{
    Packet, PeerConnection, ScriptedPeer, chunk, cpong, end_response, get_body_chunk, headers,
};
use test_support::front::{Front, SHORT, get, post};

/// A container with this packetSize.
fn container(packet_size: usize) -> ScriptedPeer {
    ScriptedPeer::start(move |conn| uris_within(conn, packet_size))
}

/// Answers plain CPINGs, closes on padded ones, and gives everything else to `answer`.
fn unaskable(
    conn: &mut PeerConnection,
    answer: impl Fn(&mut PeerConnection, &str) -> io::Result<bool>,
) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        match &payload[..] {
            [0x0A] => conn.send(cpong())?,
            [0x0A, ..] => return Ok(()),
            _ => {
                if !answer(conn, &forward_request(&payload)?.uri)? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_container_s_body_requests_limit_the_next_first_piece() {
    for size in [8192, 10_000, 65_536] {
        let peer = ScriptedPeer::start(move |conn| echo_sized(conn, size));
        let front = Front::to(&peer);
        let body = vec![b'b'; 100_000];

        front.ask(post("/", &body)).result.expect("an answer");
        let next = front.ask(post("/", &body));

        next.result.as_ref().expect("an answer");
        assert_eq!(next.client.reads[0], size - 6);
        front.settled(&peer, 1);
    }
}

#[test]
fn packets_larger_than_any_configured_size_are_accepted() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(headers(200).header("X-Long", "h".repeat(60_000)))?;
        // 65535 bytes of payload, the most there can be.
        conn.send(chunk(vec![b'c'; 65_531]))?;
        conn.send(end_response())?;
        conn.expect_close()
    });
    let front = Front::to(&peer);

    let answer = front.ask(get("/"));

    answer.is(200, vec![b'c'; 65_531]);
    assert_eq!(answer.client.heads[0].headers().next().unwrap().1.len(), 60_000);
    assert_eq!(front.idle(), 1);
}

#[test]
fn a_request_of_8192_bytes_is_sent_unasked_and_a_larger_one_asked_for_once() {
    let peer = container(65_536);
    let front = Front::to(&peer);

    front.ask(get("/small").padding(7_000)).is(200, "/small");
    assert_eq!((peer.connections(), peer.padded_cpings()), (1, 0));
    front.ask(get("/large").padding(20_000)).is(200, "/large");
    assert_eq!((peer.connections(), peer.padded_cpings()), (2, 1));
    front.ask(get("/again").padding(20_000)).is(200, "/again");
    front.ask(get("/less").padding(12_000)).is(200, "/less");
    assert_eq!((peer.connections(), peer.padded_cpings()), (2, 1));
    front.settled(&peer, 1);
}

#[test]
fn a_request_that_the_container_does_not_accept_is_431_or_414_and_never_sent() {
    for packet_size in [8192, 9000, 16_384] {
        let peer = container(packet_size);
        let front = Front::to(&peer);
        let path = format!("/{}", "p".repeat(25_000));

        let header = front.ask(get("/").padding(20_000));
        let failure = header.fails_with(431);
        assert!(
            matches!(failure.error, ProxyError::RequestTooLarge { packet, limit: 8192, .. } if packet > 20_000)
        );
        assert!(failure.error.to_string().contains("packetSize"));
        let questions = peer.padded_cpings();
        front.ask(get(&path)).fails_with(414);
        front.ask(get("/").padding(30_000)).fails_with(431);
        assert_eq!(peer.padded_cpings(), questions, "refused for a minute without asking");
        assert_eq!(peer.requests(), 0);
        front.ask(get("/ok")).is(200, "/ok");
        front.settled(&peer, 1);
    }
}

#[test]
fn one_request_that_is_too_large_does_not_affect_others() {
    let peer = container(16_384);
    let front = Front::to(&peer);

    front.ask(get("/before").padding(12_000)).is(200, "/before");
    front.ask(get("/huge").padding(42_000)).fails_with(431);
    front.ask(get("/after").padding(12_000)).is(200, "/after");
}

#[test]
fn a_container_that_asks_for_small_body_packets_still_accepts_large_requests() {
    for configured in [None, Some(PacketSize::MAX)] {
        let peer = ScriptedPeer::start(|conn| {
            while let Some(payload) = conn.read_packet()? {
                if payload[0] == 0x0A {
                    conn.send(cpong())?;
                    continue;
                }
                let request = forward_request(&payload)?;
                // As Undertow does, whatever its packet size is.
                while request.is_chunked() {
                    conn.send(get_body_chunk(8186))?;
                    if conn.read_body_packet()?.is_empty() {
                        break;
                    }
                }
                respond(conn, &request.uri)?;
            }
            Ok(())
        });
        let front = Front::to(&peer).packet_size(configured);

        front.ask(get("/before").padding(20_000)).is(200, "/before");
        front.ask(post("/upload", vec![b'u'; 80_000]).chunked()).is(200, "/upload");
        front.ask(get("/after").padding(20_000)).is(200, "/after");
        assert_eq!(peer.padded_cpings(), usize::from(configured.is_none()));
    }
}

#[test]
fn a_proxy_that_accepts_and_closes_is_a_container_that_is_not_there() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let peer = ScriptedPeer::start(move |conn| {
        if up.load(Ordering::SeqCst) { uris_within(conn, 65_536) } else { Ok(()) }
    });
    let front = Front::to(&peer);

    front.ask(get("/").padding(12_000)).is_member_error();
    is_up.store(true, Ordering::SeqCst);
    front.ask(get("/up").padding(12_000)).is(200, "/up");
    front.ask(get("/larger").padding(40_000)).is(200, "/larger");
}

#[test]
fn a_refused_connection_is_a_container_that_is_not_there() {
    let peer = container(65_536);
    let front = Front::to(&peer);
    drop(peer);

    front.ask(get("/").padding(12_000)).is_member_error();
}

#[test]
fn a_silent_container_is_not_there_for_all_requests_that_wait_for_its_answer() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_cping()?;
        conn.expect_close()
    });
    let front = Front::to(&peer).ping(SHORT);

    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                front.ask(get("/").padding(12_000)).is_member_error();
            });
        }
    });
    assert_eq!((peer.requests(), peer.padded_cpings()), (0, 0));
}

#[test]
fn a_thousand_large_requests_at_once_are_one_question() {
    let peer = container(16_384);
    let front = Front::to(&peer);
    let answered = AtomicUsize::new(0);

    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..20 {
                    front.ask(get("/many").padding(12_000)).is(200, "/many");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((answered.load(Ordering::SeqCst), peer.padded_cpings()), (1000, 1));
}

#[test]
fn a_container_that_cannot_be_asked_gets_the_request_as_it_is_and_nothing_is_concluded() {
    let peer =
        ScriptedPeer::start(|conn| unaskable(conn, |conn, uri| respond(conn, uri).map(|()| true)));
    let front = Front::to(&peer);

    front.ask(get("/large").padding(20_000)).is(200, "/large");
    let questions = peer.padded_cpings();
    front.ask(get("/larger").padding(60_000)).is(200, "/larger");
    assert_eq!(peer.padded_cpings(), questions, "not asked again at once");
    assert_eq!(peer.requests(), 2);
}

#[test]
fn a_close_after_a_large_request_whose_size_could_not_be_asked_is_like_any_other() {
    let peer = ScriptedPeer::start(|conn| unaskable(conn, |_, _| Ok(false)));
    let front = Front::to(&peer);

    front.ask(post("/", "data").padding(20_000)).fails_with(502);
    front.ask(post("/", "data").padding(20_000)).fails_with(502);
    assert_eq!(peer.requests(), 2, "and the next one is not refused");
}

#[test]
fn after_a_close_on_a_proven_size_the_next_request_asks_again() {
    let requests = AtomicUsize::new(0);
    let peer = ScriptedPeer::start(move |conn| {
        while let Some(payload) = conn.read_packet()? {
            if payload[0] == 0x0A {
                conn.send(cpong())?;
                continue;
            }
            conn.read_body_packet()?;
            if requests.fetch_add(1, Ordering::SeqCst) == 1 {
                return Ok(());
            }
            respond(conn, &forward_request(&payload)?.uri)?;
        }
        Ok(())
    });
    let front = Front::to(&peer);

    front.ask(post("/one", "x").padding(12_000)).is(200, "/one");
    assert_eq!(peer.padded_cpings(), 1);
    front.ask(post("/two", "x").padding(12_000)).fails_with(502);
    front.ask(post("/three", "x").padding(12_000)).is(200, "/three");
    assert_eq!(peer.padded_cpings(), 2);
}

#[test]
fn a_container_that_was_restarted_with_a_smaller_packet_size_refuses_from_then_on() {
    let size = Arc::new(AtomicUsize::new(65_536));
    let now = Arc::clone(&size);
    let peer = ScriptedPeer::start(move |conn| uris_within(conn, now.load(Ordering::SeqCst)));
    let front = Front::to(&peer).force_close();

    front.ask(get("/before").padding(20_000)).is(200, "/before");
    size.store(8192, Ordering::SeqCst);
    // Only this answer, which is the container's, shows the restart.
    front.ask(get("/once").padding(20_000)).is(500, "");
    front.ask(get("/").padding(20_000)).fails_with(431);
    front.ask(get("/").padding(12_000)).fails_with(431);
    front.ask(get("/ok")).is(200, "/ok");
}

#[test]
fn after_the_container_has_closed_idle_connections_a_proof_is_renewed() {
    let size = Arc::new(AtomicUsize::new(65_536));
    let now = Arc::clone(&size);
    let peer = ScriptedPeer::start(move |conn| {
        if conn.index() == 1 {
            conn.expect_forward_request()?;
            return respond(conn, "the last one");
        }
        uris_within(conn, now.load(Ordering::SeqCst))
    });
    let front = Front::to(&peer);

    front.ask(get("/").padding(20_000)).is(200, "the last one");
    peer.wait_for_open_connections(0);
    size.store(8192, Ordering::SeqCst);
    front.ask(get("/ok")).is(200, "/ok");
    assert_eq!(front.closed(CloseReason::ClosedByPeer), 1);
    front.ask(get("/").padding(20_000)).fails_with(431);
}

#[test]
fn a_large_request_that_times_out_says_nothing_about_sizes() {
    let peer = ScriptedPeer::start(|conn| {
        unaskable(conn, |conn, uri| match uri {
            "/slow" => conn.expect_close().map(|()| false),
            uri => respond(conn, uri).map(|()| true),
        })
    });
    let front = Front::to(&peer).timeout(SHORT);

    front.ask(get("/slow").padding(9_000)).fails_with(504);
    front.ask(get("/fast").padding(9_000)).is(200, "/fast");
}

/// The container's answers to requests that are valid AJP, with contents that any client can send: an
/// odd Host, 101 headers, two Content-Lengths, a wrong secret, an attribute that is not allowed.
#[test]
fn an_error_unrelated_to_the_size_affects_no_other_request() {
    for status in [400, 403, 500] {
        for configured in [None, Some(PacketSize::MAX)] {
            let peer = ScriptedPeer::start(move |conn| {
                while let Some(payload) = conn.read_packet()? {
                    if payload[0] == 0x0A {
                        conn.send(cpong())?;
                        continue;
                    }
                    let request = forward_request(&payload)?;
                    if request.uri == "/odd" {
                        conn.send(
                            [
                                headers(status).into_bytes(),
                                end_response().reuse(false).into_bytes(),
                            ]
                            .concat(),
                        )?;
                        return Ok(());
                    }
                    respond(conn, &request.uri)?;
                }
                Ok(())
            });
            let front = Front::to(&peer).packet_size(configured);

            front.ask(get("/before").padding(12_000)).is(200, "/before");
            for _ in 0..3 {
                front.ask(get("/odd").padding(12_000)).is(status, "");
                front.ask(get("/other").padding(12_000)).is(200, "/other");
            }
        }
    }
}

#[test]
fn an_error_to_a_large_request_that_was_not_proven_names_packetsize_and_a_small_one_does_not() {
    let peer = ScriptedPeer::start(|conn| {
        unaskable(conn, |conn, _| {
            conn.send(headers(400))?;
            conn.send(end_response().reuse(false)).map(|()| false)
        })
    });
    for configured in [None, Some(PacketSize::MAX)] {
        let front = Front::to(&peer).packet_size(configured);

        let small = front.ask(get("/"));
        small.is(400, "");
        assert!(!small.client.was_told("packetSize"));
        let large = front.ask(get("/").padding(9_000));
        large.is(400, "");
        assert!(large.client.was_told("packetSize"));
    }
}

#[test]
fn a_403_that_closes_is_explained_unless_the_body_was_asked_for_or_the_connection_is_kept() {
    for (asks, reuse, is_explained) in
        [(false, false, true), (true, false, false), (false, true, false)]
    {
        let peer = ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            conn.read_body_packet()?;
            if asks {
                conn.send(get_body_chunk(100))?;
                conn.read_body_packet()?;
            }
            conn.send([headers(403).into_bytes(), chunk("page")].concat())?;
            conn.send(end_response().reuse(reuse))?;
            conn.expect_close()
        });
        let front = Front::to(&peer);

        let answer = front.ask(post("/", "b"));

        answer.is(403, "page");
        assert_eq!(answer.client.was_told("secretRequired"), is_explained, "{asks} {reuse}");
    }
}
