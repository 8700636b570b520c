//! Dialogues in which the socket does not take what is to be sent.

use super::scene::World::{Closes, Hears, No, Readable, Takes, Yes};
use super::scene::{ask_for, chunk, end, head};
use super::script::{REPLY, Script, sent, then, whole};
use super::*;
use crate::exchange::{Phase, RequestBody};
use crate::proxy::ProxyError;

/// On an idle connection, whose socket takes three bytes of the request and no more.
fn stuck() -> Script {
    vec![("place", Yes), ("send", Takes(3)), ("send", No)]
}

#[test]
fn what_the_socket_does_not_take_at_once_is_sent_to_its_end() {
    let mut scene = Scene::get().warm();
    let script = [
        ("wait rw 60s", Yes),
        ("send", Takes(1)),
        ("send", Yes),
        (REPLY, whole("")),
        ("pass", Yes),
    ];
    // An empty piece of body is a flush.
    scene.goes(&then(stuck(), &script)).0.expect("an answer");
    assert_eq!(scene.left(), (1, 0));
}

#[test]
fn what_the_container_says_while_it_takes_nothing_is_heard() {
    let mut scene = Scene::new(RequestBody::OnRequest, b"0123456789", None).warm();
    let script = [
        (REPLY, Hears(ask_for(10))),
        ("piece 10", Yes),
        ("send", Takes(7)),
        ("send", No),
        ("wait rw 60s", Readable),
        ("receive 0ns", Hears(head(200))),
        ("wait rw 60s", Readable),
        ("receive 0ns", Hears([chunk("no more"), end(true)].concat())),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &script)).0.expect("an answer");
    assert_eq!(scene.client.got, "200Hno moreE|");
    assert_eq!(scene.left(), (0, 0), "a packet partly sent would be read as the next request");
}

#[test]
fn a_container_that_takes_nothing_is_heard_up_to_128_kib() {
    let mut scene = Scene::get().warm();
    let script = [
        ("wait rw 60s", Readable),
        ("receive 0ns", Hears(vec![b'x'; 128 * 1024 - 1])),
        ("wait rw 60s", Readable),
        ("receive 0ns", Hears(vec![b'x'; 1])),
        ("wait w 60s", Yes),
        ("send", Yes),
    ];
    let (result, _) = scene.goes(&then(stuck(), &script));
    assert!(matches!(result.unwrap_err().error, ProxyError::Protocol(_)));
}

#[test]
fn a_container_that_takes_nothing_of_a_request_and_closes_is_not_heard_again() {
    let mut scene = Scene::get().warm();
    let script = [("wait rw 60s", Readable), ("receive 0ns", Closes), ("wait w 60s", No)];
    let (result, _) = scene.goes(&then(stuck(), &script));
    assert!(matches!(result.unwrap_err().error, ProxyError::SendTimedOut { .. }));
}

#[test]
fn a_container_that_takes_nothing_is_waited_for_no_longer_than_the_timeout() {
    let mut scene = Scene::new(RequestBody::OnRequest, b"0123456789", None).warm();
    let script = [
        (REPLY, Hears(ask_for(10))),
        ("piece 10", Yes),
        ("send", No),
        ("wait rw 60s", Readable),
        ("receive 0ns", Closes),
        ("wait w 60s", No),
        ("receive 0ns", No),
    ];
    let (result, _) = scene.goes(&then(sent(), &script));
    let failure = result.unwrap_err();
    assert!(matches!(failure.error, ProxyError::SendTimedOut { .. }), "{}", failure.error);
    assert_eq!(failure.phase, Phase::Headers);
}

#[test]
fn a_container_that_takes_the_request_and_nothing_of_its_body_has_said_nothing() {
    let mut scene = Scene::new(RequestBody::Announced, b"0123456789", Some(10)).warm();
    let script = [
        ("place", Yes),
        ("send", Takes(scene.request.packet.len())),
        ("send", No),
        ("wait rw 60s", No),
        ("receive 0ns", No),
    ];
    let failure = scene.goes(&script).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::SendTimedOut { .. }), "{}", failure.error);
    assert_eq!(failure.phase, Phase::FirstByte);
}

#[test]
fn an_answer_that_is_there_counts_more_than_a_body_packet_that_cannot_be_sent() {
    let asked = [(REPLY, Hears(ask_for(10))), ("piece 10", Yes), ("send", Closes)];
    let mut scene = Scene::new(RequestBody::OnRequest, b"0123456789", None).warm();
    let answer = [("receive 0ns", whole("no more")), ("pass", Yes)];
    scene.goes(&then(then(sent(), &asked), &answer)).0.expect("an answer");
    assert_eq!(scene.left(), (0, 0));

    let mut scene = Scene::new(RequestBody::OnRequest, b"0123456789", None).warm();
    let half = [("receive 0ns", Hears(head(200)))];
    let failure = scene.goes(&then(then(sent(), &asked), &half)).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::ConnectionClosed(Some(_))));
}
