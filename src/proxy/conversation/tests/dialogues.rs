//! Dialogues as tables.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::scene::World::{Client, Closes, Gone, Hears, Late, No, Readable, Takes, Yes};
use super::scene::{World, ask_for, chunk, end, head, pong};
use super::script::{REPLY, Script, hears, sent, then, whole};
use super::*;
use crate::config::Pings;
use crate::exchange::{Phase, RequestBody};
use crate::pool::CloseReason;
use crate::proxy::{ClientError, Flush, ProxyError, Resend};

// An answer.

#[test]
fn a_get_on_an_idle_connection_takes_four_steps() {
    let mut scene = Scene::get().warm();
    let (result, traffic) = scene.goes(&then(sent(), &[(REPLY, whole("hi")), ("pass", Yes)]));

    let finished = result.expect("an answer");
    assert!(finished.reused);
    assert_eq!((traffic.attempts, traffic.status, traffic.downloaded), (1, Some(200), 2));
    assert_eq!(scene.client.got, "200HhiE|");
    assert_eq!(scene.left(), (1, 0));
}

#[test]
fn the_connection_is_given_back_before_the_last_of_the_response_is_handed_over() {
    for gone in [Client(ClientError::Gone), Gone] {
        let mut scene = Scene::get().warm();
        let mut conversation = scene.begin();
        for world in [Yes, Yes, whole("hi")] {
            scene.step(&mut conversation, world);
        }
        assert_eq!(scene.left(), (1, 0), "a slow client must not keep it");
        assert_eq!(scene.step(&mut conversation, gone), "pass");
        let failure = conversation.take_end().0.unwrap_err();
        assert!(matches!(failure.error, ProxyError::Client(ClientError::Gone)));
        assert_eq!((failure.phase, scene.left()), (Phase::Body, (1, 0)));
    }
}

#[test]
fn what_has_come_is_handed_over_before_more_is_waited_for() {
    for (flush, pass) in [(Flush::Off, "pass"), (Flush::On, "pass flush")] {
        let mut scene = Scene::get().warm();
        scene.settings.flush = flush;
        let pieces = [
            (REPLY, hears(&[head(200), chunk("a")])),
            (pass, Yes),
            (REPLY, hears(&[chunk("b"), end(true)])),
            ("pass", Yes),
        ];
        scene.goes(&then(sent(), &pieces)).0.expect("an answer");
    }
    for (more, pass) in [(Readable, "pass"), (No, "pass flush")] {
        let mut scene = Scene::get().warm();
        scene.settings.flush = Flush::Auto(Duration::from_millis(20));
        let pieces = [
            (REPLY, hears(&[head(200), chunk("a")])),
            ("wait r 20ms", more),
            (pass, Yes),
            (REPLY, hears(&[chunk("b"), end(true)])),
            ("pass", Yes),
        ];
        scene.goes(&then(sent(), &pieces)).0.expect("an answer");
    }
}

#[test]
fn headers_alone_wait_for_what_follows_and_the_rest_of_a_packet_has_the_shorter_time() {
    let mut scene = Scene::get().warm();
    let answer = [head(200), chunk("hello"), end(true)].concat();
    let (first, rest) = answer.split_at(head(200).len());
    let (second, rest) = rest.split_at(6);
    let pieces = [
        (REPLY, Hears(first.to_vec())),
        (REPLY, Hears(second.to_vec())),
        ("receive 60s", Hears(rest.to_vec())),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &pieces)).0.expect("an answer");
    assert_eq!(scene.client.got, "200HhelloE|");
}

#[test]
fn a_connection_is_kept_only_if_the_end_says_so_and_nothing_follows_it() {
    for (answer, idle) in [
        (hears(&[head(200), end(true)]), 1),
        (hears(&[head(200), end(false)]), 0),
        (hears(&[head(200), end(true), vec![0x41]]), 0),
    ] {
        let mut scene = Scene::get().warm();
        scene.goes(&then(sent(), &[(REPLY, answer), ("pass", Yes)])).0.expect("an answer");
        assert_eq!(scene.left(), (idle, 0));
        assert_eq!(scene.pool.stats().closed.of(CloseReason::EarlyAnswer), 0, "the body was none");
    }
}

#[test]
fn the_rest_of_a_packet_is_waited_for_by_timeout_and_a_packet_by_replytimeout() {
    let script = then(sent(), &[(REPLY, No)]);
    let failure = Scene::get().warm().goes(&script).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::TimedOut { .. }), "{}", failure.error);
    let begun = head(200)[..7].to_vec();
    let script = then(sent(), &[(REPLY, Hears(begun)), ("receive 60s", No)]);
    let failure = Scene::get().warm().goes(&script).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::PartialPacket { .. }), "{}", failure.error);
}

#[test]
fn a_request_that_must_not_be_sent_twice_takes_no_connection_in_doubt() {
    let second = Duration::from_secs(1);
    for (repeats, after_send, is_idempotent, uses_it) in [
        (1, None, true, true),
        (1, None, false, false),
        (0, None, true, false),
        (1, Some(false), true, false),
        (2, Some(true), false, true),
    ] {
        let mut scene = Scene::get().warm();
        scene.backend.idle_connection_closed(second, scene.start);
        scene.passed.set(second);
        scene.settings.usual.resend = Resend { repeats, after_send, ..Resend::default() };
        scene.request.is_idempotent = is_idempotent;
        let mut script = vec![("place", Yes)];
        script.extend((!uses_it).then_some(("connect", Yes)));
        script.extend([("send", Yes), (REPLY, whole("hi")), ("pass", Yes)]);
        let finished = scene.goes(&script).0.expect("an answer");
        assert_eq!(finished.reused, uses_it);
    }
}

// The request body.

#[test]
fn an_announced_body_leaves_with_the_request_and_goes_on_as_it_is_asked_for() {
    let mut scene = Scene::new(RequestBody::Announced, b"0123456789", Some(4)).warm();
    let script = [
        (REPLY, Hears(ask_for(3))),
        ("piece 3", Yes),
        ("send", Yes),
        ("ahead 3", Yes),
        (REPLY, Hears(ask_for(8186))),
        ("piece 8186", Yes),
        ("send", Yes),
        (REPLY, Hears([ask_for(8186), head(200), end(true)].concat())),
    ];
    // Asked for once more and ended in one breath: the packet that is due is not sent.
    let script = then(then(sent(), &script), &[("piece 8186", Yes), ("pass", Yes)]);
    let (result, traffic) = scene.goes(&script);
    result.expect("an answer");
    assert_eq!(traffic.uploaded, 10);
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn the_body_packets_are_as_the_protocol_wants_them() {
    let mut scene = Scene::new(RequestBody::Announced, b"0123456789", Some(4)).warm();
    let mut conversation = scene.begin();
    for world in [Yes, Yes, Hears(ask_for(9)), Yes, Yes, Hears(ask_for(9)), Yes, Takes(3), Yes] {
        scene.step(&mut conversation, world);
    }
    let sent = &conversation.connection().expect("an attempt").sent;
    let packets = [
        &b"\x12\x34\x00\x04\x02req"[..],
        b"\x12\x34\x00\x06\x00\x040123",
        b"\x12\x34\x00\x08\x00\x06456789",
        b"\x12\x34\x00\x02\x00\x00",
    ];
    assert_eq!(*sent, packets.concat());
}

#[test]
fn the_end_is_looked_for_after_a_wait_for_the_client() {
    let asked = || Hears(ask_for(4));
    let mut scene = Scene::new(RequestBody::OnRequest, b"0123", None).warm();
    let late = [(REPLY, asked()), ("piece 4", Late), ("receive 0ns", whole("x")), ("pass", Yes)];
    scene.goes(&then(sent(), &late)).0.expect("an answer");
    assert_eq!(scene.left(), (0, 0));

    let mut scene = Scene::new(RequestBody::OnRequest, b"0123", None).warm();
    let passed = [
        (REPLY, hears(&[head(200), chunk("so far"), ask_for(4)])),
        ("pass", Yes),
        ("piece 4", Yes),
        ("receive 0ns", No),
        ("send", Yes),
        ("ahead 4", Yes),
        (REPLY, Hears(end(true))),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &passed)).0.expect("an answer");
    assert_eq!((&*scene.client.got, scene.left()), ("200Hso far|E|", (1, 0)));
}

#[test]
fn a_client_that_fails_ends_the_request_and_the_connection() {
    let error = ClientError::BodyTooShort { missing: 3 };
    for (recovery, resets) in [("always", 0), ("abortonclienterror", 1)] {
        let mut scene = Scene::new(RequestBody::OnRequest, b"0123", None);
        Arc::make_mut(&mut scene.settings.worker).set("recovery", recovery).expect("a rule");
        let mut scene = scene.warm();
        let script = [(REPLY, Hears(ask_for(4))), ("piece 4", Client(error))];
        let failure = scene.goes(&then(sent(), &script)).0.unwrap_err();
        assert!(matches!(failure.error, ProxyError::Client(_)));
        assert_eq!((scene.left(), scene.resets.load(Relaxed)), ((0, 0), resets), "{recovery}");
    }
}

#[test]
fn a_connection_that_cannot_be_replaced_ends_the_request_where_connecting_is_tried_once() {
    let mut scene = Scene::get().warm();
    let script = then(sent(), &[(REPLY, Closes), ("connect", No)]);
    let (result, traffic) = scene.goes(&script);
    assert_eq!(result.unwrap_err().phase, Phase::Connect);
    assert_eq!((traffic.attempts, scene.left()), (1, (0, 0)));
}

#[test]
fn a_client_that_is_gone_ends_every_wait() {
    let steps: [Script; 5] = [
        vec![("place", Gone)],
        vec![("place", Yes), ("connect", Gone)],
        then(vec![("place", Yes), ("connect", Yes)], &[("send", Gone)]),
        vec![("place", Yes), ("connect", Yes), ("send", Yes), (REPLY, Gone)],
        vec![
            ("place", Yes),
            ("connect", Yes),
            ("send", Yes),
            (REPLY, hears(&[head(200), chunk("a")])),
            ("pass", Gone),
        ],
    ];
    for script in steps {
        let mut scene = Scene::get();
        let failure = scene.goes(&script).0.unwrap_err();
        assert!(matches!(failure.error, ProxyError::Client(ClientError::Gone)), "{script:?}");
        assert_eq!(scene.left(), (0, 0));
    }
}

// Again.

#[test]
fn an_answer_of_failstatus_is_left_to_another_member_only_if_the_request_may_be_resent() {
    for (is_idempotent, after_send, is_kept, goes_on) in [
        (true, None, true, true),
        (false, Some(true), true, true),
        (false, None, true, false),
        (true, Some(false), true, false),
        (true, None, false, false),
    ] {
        let body = if is_kept { RequestBody::None } else { RequestBody::OnRequest };
        let mut scene = Scene::new(body, b"0123", None).warm();
        Arc::make_mut(&mut scene.settings.worker).set("failstatus", "503").expect("a status");
        scene.settings.usual.has_others = true;
        scene.settings.usual.resend = Resend { after_send, ..Resend::default() };
        scene.request.is_idempotent = is_idempotent;
        let mut script = sent();
        if !is_kept {
            script.extend([
                (REPLY, Hears(ask_for(4))),
                ("piece 4", Yes),
                ("send", Yes),
                ("ahead 4", Yes),
            ]);
        }
        script.push((REPLY, hears(&[head(503), chunk("no"), end(true)])));
        script.extend((!goes_on).then_some(("pass", Yes)));
        match scene.goes(&script).0 {
            Ok(finished) => assert!(finished.failed_status.is_some() && !goes_on),
            Err(failure) => {
                assert!(matches!(failure.error, ProxyError::FailStatus { .. }) && goes_on);
                assert_eq!((failure.phase, failure.may_go_elsewhere), (Phase::Headers, true));
            }
        }
    }
}

#[test]
fn an_idempotent_request_whose_connection_dies_is_sent_again_on_a_fresh_one() {
    let mut scene = Scene::get().warm();
    let again = [(REPLY, Closes), ("connect", Yes), ("send", Yes), (REPLY, whole("again"))];
    let (result, traffic) = scene.goes(&then(then(sent(), &again), &[("pass", Yes)]));
    assert!(!result.expect("an answer").reused);
    assert_eq!((traffic.attempts, traffic.repeats, scene.client.notes.take().len()), (2, 1, 1));
    assert_eq!(scene.left(), (1, 0));

    let mut scene = Scene::get().warm();
    let twice = [(REPLY, Closes), ("connect", Yes), ("send", Yes), (REPLY, Closes)];
    let failure = scene.goes(&then(sent(), &twice)).0.unwrap_err();
    assert_eq!((failure.phase, scene.left()), (Phase::FirstByte, (0, 0)));
}

#[test]
fn a_request_not_completely_written_is_sent_again_whatever_its_method() {
    let mut scene = Scene::new(RequestBody::Announced, b"pay", Some(8186)).warm();
    let script = [
        ("place", Yes),
        ("send", Takes(5)),
        ("send", Closes),
        ("connect", Yes),
        ("send", Yes),
        (REPLY, whole("paid")),
        ("pass", Yes),
    ];
    let (result, traffic) = scene.goes(&script);
    result.expect("an answer");
    assert_eq!((traffic.attempts, traffic.repeats, traffic.uploaded), (2, 0, 6));
}

#[test]
fn a_request_that_is_never_completely_written_is_sent_again_as_often_as_retries_says() {
    for retries in 0..4 {
        let mut scene = Scene::new(RequestBody::Announced, b"pay", Some(8186)).warm();
        scene.settings.usual.resend.retries = retries;
        // A stale connection costs none of them.
        let again = retries.max(1) as usize;
        let mut script = vec![("place", Yes), ("send", Closes)];
        for _ in 0..again {
            script.extend([("connect", Yes), ("send", Closes)]);
        }
        let (result, traffic) = scene.goes(&script);
        assert_eq!(result.unwrap_err().phase, Phase::Request);
        assert_eq!((traffic.attempts as usize, traffic.repeats), (1 + again, 0));
        assert_eq!(scene.left(), (0, 0));
    }
}

#[test]
fn a_request_that_was_written_to_its_end_and_must_not_be_sent_twice_is_not() {
    let mut scene = Scene::new(RequestBody::Announced, b"pay", Some(8186)).warm();
    // The packet of the request is out, its body is not: the look finds nothing.
    let script = [("place", Yes), ("send", Takes(9)), ("send", Closes), ("receive 0ns", No)];
    let failure = scene.goes(&script).0.unwrap_err();
    assert_eq!(failure.phase, Phase::FirstByte);
}

#[test]
fn there_is_a_pause_before_connecting_or_sending_again() {
    let interval = Duration::from_millis(100);
    let resend = Resend { connect_retries: 2, interval, ..Resend::default() };
    let begun = vec![
        ("place", Yes),
        ("connect", No),
        ("pause 100ms", Yes),
        ("place", Yes),
        ("connect", Yes),
        ("send", Yes),
    ];
    let mut scene = Scene::get();
    scene.settings.usual.resend = resend;
    let answered = then(begun.clone(), &[(REPLY, whole("hi")), ("pass", Yes)]);
    let (result, traffic) = scene.goes(&answered);
    result.expect("an answer");
    assert_eq!((traffic.waited, traffic.took), (interval, interval));

    // Meanwhile another request has given its connection back.
    let mut scene = Scene::get();
    scene.settings.usual.resend = resend;
    let mut conversation = scene.begin();
    for world in [Yes, No, Yes] {
        scene.step(&mut conversation, world);
    }
    scene = scene.warm();
    for (wanted, world) in [("place", Yes), ("send", Yes), (REPLY, whole("hi")), ("pass", Yes)] {
        assert_eq!(scene.step(&mut conversation, world), wanted);
    }
    assert_eq!(conversation.take_end().1.waited, interval);

    let mut scene = Scene::get();
    scene.settings.usual.resend = resend;
    let again = [
        (REPLY, Closes),
        ("pause 100ms", Yes),
        ("connect", No),
        ("pause 100ms", Yes),
        ("fresh place", Yes),
        ("connect", No),
        ("pause 100ms", Yes),
        ("fresh place", Yes),
        ("connect", No),
        ("pause 100ms", Yes),
        ("fresh place", Yes),
        ("connect", No),
    ];
    let (result, traffic) = scene.goes(&then(begun, &again));
    assert_eq!(result.unwrap_err().phase, Phase::Connect);
    assert_eq!((traffic.attempts, traffic.took, scene.left()), (1, interval * 5, (0, 0)));
}

#[test]
fn where_another_member_could_have_it_a_container_answers_before_it_is_sent_again() {
    let resend = Resend { is_alone: false, ..Resend::default() };
    let dies = [(REPLY, Closes), ("connect", Yes), ("ping", Yes)];
    let members = |ping: World| {
        let mut scene = Scene::get().warm();
        scene.settings.usual.resend = resend;
        scene.settings.usual.has_others = true;
        let script = then(then(sent(), &dies), &[("pong", ping.clone())]);
        let more = match ping {
            Hears(_) => vec![("send", Yes), (REPLY, whole("again")), ("pass", Yes)],
            _ => vec![],
        };
        scene.goes(&then(script, &more)).0
    };
    members(Hears(pong())).expect("an answer");
    let failure = members(Closes).unwrap_err();
    assert!(failure.may_go_elsewhere);
    assert!(
        matches!(failure.error, ProxyError::ConnectionClosed(None)),
        "the first failure is told"
    );
}

#[test]
fn a_ping_comes_first_where_that_is_asked_for() {
    let mut scene = Scene::get().warm();
    scene.settings.connect.pings = Pings::before_every_request(Duration::from_secs(1));
    let script = [
        ("place", Yes),
        ("ping", Yes),
        ("pong", Hears(pong())),
        ("send", Yes),
        (REPLY, whole("hi")),
        ("pass", Yes),
    ];
    scene.goes(&script).0.expect("an answer");
}

#[test]
fn a_request_asks_for_others_until_its_question_is_answered_and_not_while_another_asks() {
    let mut scene = Scene::get();
    scene.request.packet = vec![0; 20_000];
    let mut first = scene.begin();
    let second = scene.begin();
    for world in [Yes, Yes, Hears(pong()), Yes, Hears(pong()), Yes, Hears(pong())] {
        assert_eq!((first.asks_for_others(), second.asks_for_others()), (true, false));
        scene.step(&mut first, world);
    }
    assert!(!first.asks_for_others());
    assert_eq!(scene.step(&mut first, Yes), "place");
}

#[test]
fn a_large_request_asks_first_and_is_refused_where_the_container_does_not_take_it() {
    let large = || {
        let mut scene = Scene::get();
        scene.request.packet = vec![0; 20_000];
        scene
    };
    let pinged = [("ping", Yes), ("pong", Hears(pong()))];
    let asks = then(vec![("connect", Yes)], &pinged);
    let taken = then(then(asks.clone(), &pinged), &pinged);
    let sends = [("place", Yes), ("connect", Yes), ("send", Yes), (REPLY, whole("large"))];
    let mut scene = large();
    scene.goes(&then(then(taken.clone(), &sends), &[("pass", Yes)])).0.expect("an answer");

    let mut scene = large();
    let refused = then(asks, &[("ping", Yes), ("pong", Closes)]);
    let (result, traffic) = scene.goes(&then(refused, &taken));
    let failure = result.unwrap_err();
    assert!(matches!(failure.error, ProxyError::RequestTooLarge { status: 431, .. }));
    assert_eq!((traffic.attempts, scene.left()), (0, (0, 0)));
}

#[test]
fn a_size_is_proven_by_an_answer_that_is_no_error_or_behind_which_the_connection_is_kept() {
    let asks = [("connect", Yes), ("ping", Yes), ("pong", Hears(pong()))];
    let sends = [("place", Yes), ("connect", Yes), ("send", Yes)];
    for (status, reuse, is_proven) in
        [(200, true, true), (200, false, true), (404, true, true), (404, false, false)]
    {
        let mut scene = Scene::get();
        scene.request.packet = vec![0; 20_000];
        // It answers a plain CPING, and none of a size.
        let unasked = [("ping", Yes), ("pong", Closes)];
        let answer = [head(status), chunk("large"), end(reuse)].concat();
        let script = then(then(asks.to_vec(), &unasked), &then(asks.to_vec(), &unasked));
        let rest = then(sends.to_vec(), &[(REPLY, Hears(answer)), ("pass", Yes)]);
        scene.goes(&then(script, &rest)).0.expect("an answer");
        assert_eq!(scene.backend.packet_limit().is_proven(20_000), is_proven, "{status} {reuse}");
    }
}
