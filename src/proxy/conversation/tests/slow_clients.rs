//! Dialogues of uploads whose client is waited for.

use std::time::Duration;

use super::client::PATIENCE;
use super::scene::World::{self, Has, Hears, No, Readable, Yes};
use super::scene::{ask_for, chunk, end, head};
use super::script::{REPLY, hears, sent, then, whole};
use super::uploads::{SIZE, asks, early, upload};
use crate::exchange::RequestBody;
use crate::proxy::{ClientError, ProxyError};

#[test]
fn an_answer_that_comes_while_the_client_is_waited_for_is_passed_on() {
    let mut scene = upload(RequestBody::OnRequest, 3 * SIZE, 32);
    let script = [
        (REPLY, asks(1)),
        ("piece now 16372", No),
        ("body wait 1s", Readable),
        ("receive 0ns", hears(&[head(401), chunk("who?"), end(true)])),
        ("pass", Yes),
    ];
    let (result, traffic) = scene.goes(&then(sent(), &script));
    result.expect("an answer");
    assert_eq!((&*scene.client.got, traffic.uploaded), ("401Hwho?e|", 0));
    assert_eq!((scene.left(), early(&scene)), ((0, 0), 1), "a packet is due");
}

#[test]
fn an_answer_that_is_there_already_needs_no_client() {
    for asks in [1, 2] {
        let mut scene = upload(RequestBody::OnRequest, 3 * SIZE, 32);
        let asked = ask_for(SIZE as u16).repeat(asks);
        let breath = (REPLY, hears(&[asked, head(401), end(true)]));
        let more = match asks {
            1 => vec![("pass", Yes)],
            // Nothing is acted on behind the second one.
            _ => vec![("piece now 16372", No), ("pass", Yes)],
        };
        let (result, traffic) = scene.goes(&then(then(sent(), &[breath]), &more));
        result.expect("an answer");
        assert_eq!((traffic.uploaded, scene.left(), early(&scene)), (0, (0, 0), 1), "{asks}");
    }
}

#[test]
fn a_part_of_an_answer_is_passed_on_and_the_client_waited_for_again() {
    let mut scene = upload(RequestBody::OnRequest, 10, 32);
    let script = [
        (REPLY, asks(1)),
        ("piece now 16372", No),
        ("body wait 1s", Readable),
        ("receive 0ns", hears(&[head(200), chunk("so far")])),
        ("pass", Yes),
        ("piece now 16372", No),
        ("body wait 1s", Yes),
        ("piece now 16372", Has(10)),
        ("receive 0ns", No),
        ("send", Yes),
        ("ahead 8186", Yes),
        (REPLY, Hears(end(true))),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &script)).0.expect("an answer");
    assert_eq!((&*scene.client.got, scene.left()), ("200Hso far|e|", (1, 0)));
}

#[test]
fn a_client_is_looked_at_again_each_second_and_waited_for_no_longer_than_its_timeout() {
    assert_eq!(PATIENCE, Duration::from_secs(2));
    let mut scene = upload(RequestBody::OnRequest, 10, 32);
    let script = [
        (REPLY, asks(1)),
        ("piece now 16372", No),
        ("body wait 1s", No),
        ("piece now 16372", No),
        ("body wait 1s", No),
    ];
    let failure = scene.goes(&then(sent(), &script)).0.unwrap_err();
    let late = ClientError::BodyRefused { status: 408 };
    assert!(matches!(failure.error, ProxyError::Client(error) if error == late));
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn a_client_of_which_something_comes_that_is_no_body_yet_has_its_whole_timeout_again() {
    let mut scene = upload(RequestBody::OnRequest, 10, 32);
    let looks = [("body wait 1s", No), ("piece now 16372", No)];
    let script = then(vec![(REPLY, asks(1)), ("piece now 16372", No)], &looks);
    // As a part of a TLS record, or of a frame.
    let script = then(script, &[("body wait 1s", Yes), ("piece now 16372", No)]);
    let script = then(then(script, &looks), &[("body wait 1s", No)]);
    let failure = scene.goes(&then(sent(), &script)).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::Client(ClientError::BodyRefused { status: 408 })));
}

#[test]
fn a_client_that_cannot_be_polled_is_waited_for_as_ever() {
    let mut scene = upload(RequestBody::OnRequest, 10, 32);
    scene.client.is_polled = false;
    let script = [
        (REPLY, asks(1)),
        ("piece now 16372", No),
        ("piece 16372", World::Late),
        ("receive 0ns", No),
        ("send", Yes),
        (REPLY, whole("ok")),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &script)).0.expect("an answer");
}

#[test]
fn a_container_that_asks_twice_while_the_client_is_waited_for_gets_both() {
    let mut scene = upload(RequestBody::OnRequest, 2, 32);
    let script = [
        (REPLY, asks(1)),
        ("piece now 16372", No),
        ("body wait 1s", Readable),
        ("receive 0ns", asks(1)),
        ("piece now 16372", Has(1)),
        ("send", Yes),
        ("piece now 24558", Has(1)),
        ("send", Yes),
        ("ahead 8186", Yes),
        (REPLY, whole("ok")),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &script)).0.expect("an answer");
    assert_eq!(scene.left(), (1, 0));
}

#[test]
fn what_a_container_says_behind_a_second_request_for_body_is_passed_on_before_the_client_is_waited_for_again()
 {
    let mut scene = upload(RequestBody::OnRequest, 2, 32);
    let script = [
        (REPLY, asks(1)),
        ("piece now 16372", No),
        ("body wait 1s", Readable),
        ("receive 0ns", hears(&[ask_for(SIZE as u16), head(200), chunk("so far")])),
        ("piece now 16372", Has(1)),
        ("send", Yes),
        ("pass", Yes),
        ("piece now 24558", No),
        ("body wait 1s", Yes),
        ("piece now 24558", Has(1)),
        ("receive 0ns", No),
        ("send", Yes),
        ("ahead 8186", Yes),
        (REPLY, Hears(end(true))),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &script)).0.expect("an answer");
    assert_eq!((&*scene.client.got, scene.left()), ("200Hso far|e|", (1, 0)));
}

#[test]
fn what_a_container_says_behind_a_second_request_for_body_is_passed_on_while_the_first_is_not_taken()
 {
    let mut scene = upload(RequestBody::OnRequest, 2, 32);
    let script = [
        (REPLY, asks(1)),
        ("piece now 16372", No),
        ("body wait 1s", Readable),
        ("receive 0ns", asks(1)),
        ("piece now 16372", Has(1)),
        ("send", No),
        ("wait rw 60s", Readable),
        ("receive 0ns", hears(&[head(200), chunk("so far")])),
        ("pass", Yes),
        ("wait rw 60s", Yes),
        ("send", Yes),
        ("piece now 24558", Has(1)),
        ("send", Yes),
        ("ahead 8186", Yes),
        (REPLY, Hears(end(true))),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &script)).0.expect("an answer");
    assert_eq!((&*scene.client.got, scene.left()), ("200Hso far|e|", (1, 0)));
}
