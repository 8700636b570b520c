//! Dialogues of requests whose body packets go ahead of being asked for.

use std::sync::Arc;

use super::rules::begun;
use super::scene::World::{self, Closes, Has, Hears, No, Readable, Takes, Yes};
use super::scene::{Scene, ask_for, chunk, end, head};
use super::script::{REPLY, Script, hears, sent, then, whole};
use super::*;
use crate::backend::fake::FakeConnection;
use crate::config::WorkerSettings;
use crate::exchange::{Ahead, RequestBody};
use crate::pool::CloseReason;
use crate::proxy::{ClientError, ProxyError};

pub(super) const SIZE: usize = 8186;

/// A request with this much of a body, and so many packets that may go ahead.
pub(super) fn upload(body: RequestBody, length: usize, packets: usize) -> Scene {
    let data: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
    let first = (body == RequestBody::Announced).then_some(SIZE);
    let mut scene = Scene::new(body, &data, first).warm();
    let mut worker = WorkerSettings::default();
    worker.set("uploadahead", &(packets * SIZE).to_string()).expect("a number");
    scene.settings.worker = Arc::new(worker);
    scene.client.is_polled = true;
    scene
}

/// The backend has consumed so many packets ahead before.
fn shown(scene: Scene, packets: u32) -> Scene {
    scene.backend.upload_history().note(Ahead::Consumed(packets), scene.start);
    scene
}

pub(super) fn asks(times: usize) -> World {
    Hears(ask_for(SIZE as u16).repeat(times))
}

/// The same, with a backend that has consumed 30 packets ahead.
fn gathered() -> Script {
    then(sent(), &[("gather 253766", Yes)])
}

pub(super) fn early(scene: &Scene) -> u64 {
    scene.pool.stats().closed.of(CloseReason::EarlyAnswer)
}

/// The lengths of the body packets that have been sent over the present connection.
fn lengths(conversation: &mut Conversation<FakeConnection>) -> Vec<usize> {
    let mut sent = &conversation.connection().expect("an attempt").sent[8..];
    let mut lengths = Vec::new();
    while let [0x12, 0x34, _, _, high, low, rest @ ..] = sent {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        sent = &rest[length.min(rest.len())..];
    }
    lengths
}

#[test]
fn the_window_opens_as_the_container_asks() {
    let mut scene = upload(RequestBody::Announced, 12 * SIZE, 32);
    let opens = [(REPLY, asks(1)), ("piece now 16372", Yes), ("send", Yes)];
    let script = [
        // Half of the window must be free.
        ("receive 30s, 8 bytes", asks(1)),
        (REPLY, asks(1)),
        ("piece now 32744", Yes),
        ("send", Yes),
        // One more means nothing: all has been sent.
        ("receive 30s, 15 bytes", asks(5)),
        (REPLY, whole("ok")),
        ("pass", Yes),
    ];
    let script = then(vec![opens; 4].concat(), &script);
    let (result, traffic) = scene.goes(&then(sent(), &script));
    result.expect("an answer");
    assert_eq!(traffic.uploaded, 12 * SIZE as u64);
    assert_eq!((scene.left(), early(&scene)), ((1, 0), 0), "all of it was asked for");
    assert_eq!(scene.backend.upload_history().shown(scene.start), 11, "the window at the end");
}

#[test]
fn what_a_backend_has_shown_counts_from_the_first_packet_that_it_asks_for() {
    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let mut conversation = scene.begin();
    for world in [Yes, Yes, Yes, asks(1), Yes, Yes] {
        scene.step(&mut conversation, world);
    }
    assert_eq!(lengths(&mut conversation), [SIZE; 9]);
}

#[test]
fn what_the_container_will_ask_for_is_fetched_while_it_reads_the_request() {
    for (shown_packets, length, gathers) in [
        // Once it has asked: the packet that is due, and those that may go ahead.
        (30, 90 * SIZE, Some("gather 253766")),
        (3, 9 * SIZE, Some("gather 32744")),
        (0, 9 * SIZE, None),
        (30, SIZE, None),
    ] {
        let mut scene = shown(upload(RequestBody::Announced, length, 32), shown_packets);
        let mut conversation = scene.begin();
        for _ in 0..2 {
            scene.step(&mut conversation, Yes);
        }
        let asked = scene.step(&mut conversation, No);
        assert_eq!(asked, gathers.unwrap_or(REPLY), "{shown_packets} {length}");
    }
}

#[test]
fn a_body_that_is_wrong_where_it_is_fetched_early_ends_the_request() {
    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let script = then(sent(), &[("gather 253766", World::Client(ClientError::Answered))]);
    let failure = scene.goes(&script).0.expect_err("no answer");
    assert!(matches!(failure.error, ProxyError::Client(ClientError::Answered)), "{failure:?}");
    assert_eq!(scene.left(), (0, 0), "the container waits for a body that will not come");
}

#[test]
fn the_rest_of_a_packet_and_the_end_of_a_stream_whose_send_has_failed_are_waited_for_byte_by_byte()
{
    let ahead = [(REPLY, asks(1)), ("piece now 253766", Yes)];
    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let half = head(200).split_off(5);
    let script = [
        ("send", Yes),
        ("receive 30s, 50 bytes", Hears(head(200)[..5].to_vec())),
        ("receive 60s", Hears(half)),
        (REPLY, asks(7)),
        (REPLY, Hears(end(true))),
        ("pass", Yes),
    ];
    scene.goes(&then(then(gathered(), &ahead), &script)).0.expect("an answer");

    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let script = [("send", Closes), (REPLY, Closes)];
    scene.goes(&then(then(gathered(), &ahead), &script)).0.expect_err("no answer");
}

#[test]
fn the_end_of_a_body_whose_last_packet_would_be_short_goes_ahead_in_packets_of_one_length() {
    let mut scene = shown(upload(RequestBody::Announced, 3 * SIZE + 100, 32), 30);
    let mut conversation = scene.begin();
    go_on_to_receive(&mut scene, &mut conversation);
    scene.step(&mut conversation, asks(1));
    go_on_to_receive(&mut scene, &mut conversation);
    assert_eq!(lengths(&mut conversation), [SIZE, 5_491, 5_491, 5_490]);
}

/// A request with this much of a body, of which a first piece was read before its length was known.
fn begun_early(length: usize, first: usize) -> Scene {
    let mut scene = shown(upload(RequestBody::OnRequest, length, 32), 30);
    scene.request.first_piece = Some(scene.client.read(first).len);
    scene
}

/// Everything goes well until the container is waited for.
fn go_on_to_receive(scene: &mut Scene, conversation: &mut Conversation<FakeConnection>) {
    while !scene.with(|context| scene::text(&conversation.next(context))).starts_with("receive") {
        scene.step(conversation, Yes);
    }
}

#[test]
fn of_a_piece_that_was_read_early_the_container_gets_as_much_as_it_asks_for() {
    for (size, wanted) in
        [(9_000, &[8_186][..]), (5_000, &[5_000, 3_186]), (3_000, &[3_000, 3_000, 2_186])]
    {
        let mut scene = begun_early(SIZE, SIZE);
        let mut conversation = scene.begin();
        for world in [Yes, Yes] {
            scene.step(&mut conversation, world);
        }
        for at in 1..=wanted.len() {
            scene.step(&mut conversation, Hears(ask_for(size)));
            assert_eq!(scene.step(&mut conversation, Yes), "send");
            assert_eq!(lengths(&mut conversation), wanted[..at]);
        }
        let connection = conversation.connection().expect("an attempt");
        assert_eq!(begun(connection, &scene.request.packet).1, scene.client.body);
        go_on_to_receive(&mut scene, &mut conversation);
        assert_eq!(scene.step(&mut conversation, whole("ok")), REPLY);
    }
}

#[test]
fn a_body_of_which_a_further_piece_has_gone_ahead_cannot_be_sent_again() {
    for (window, is_kept) in [("0", true), ("1000000", false)] {
        let mut scene = begun_early(9 * SIZE, SIZE);
        let worker = Arc::make_mut(&mut scene.settings.worker);
        worker.set("uploadahead", window).expect("a size");
        worker.set("failstatus", "503").expect("a status");
        scene.settings.usual.has_others = true;
        scene.settings.usual.resend.after_send = Some(true);
        let mut conversation = scene.begin();
        go_on_to_receive(&mut scene, &mut conversation);
        scene.step(&mut conversation, asks(1));
        go_on_to_receive(&mut scene, &mut conversation);
        assert_eq!(lengths(&mut conversation).len() > 1, !is_kept);
        scene.step(&mut conversation, Hears(head(503)));
        let asked = scene.with(|context| scene::text(&conversation.next(context)));
        assert_eq!(asked == "done", is_kept, "another member may answer it: {asked}");
    }
}

#[test]
fn a_container_that_does_not_read_gets_nothing_ahead() {
    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    scene.goes(&then(gathered(), &[(REPLY, whole("ok")), ("pass", Yes)])).0.expect("an answer");
    assert_eq!((scene.left(), early(&scene)), ((1, 0), 0));
    assert_eq!(scene.client.got, "200Hoke|", "most of the body is still to be read");
}

#[test]
fn a_container_that_answers_with_packets_ahead_is_left_at_once() {
    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let script = [
        (REPLY, asks(1)),
        ("piece now 253766", Yes),
        ("send", Yes),
        ("receive 30s, 50 bytes", asks(3)),
        ("receive 30s, 29 bytes", hears(&[head(413), end(true)])),
        ("pass", Yes),
    ];
    scene.goes(&then(gathered(), &script)).0.expect("an answer");
    assert_eq!(scene.client.got, "413HE|");
    assert_eq!((scene.left(), early(&scene)), ((0, 0), 1));
    assert_eq!(scene.backend.upload_history().shown(scene.start), 0, "it begins with one again");
}

#[test]
fn a_body_of_unknown_length_ends_when_that_is_asked_for() {
    let mut scene = shown(upload(RequestBody::OnRequest, 2 * SIZE + 100, 32), 30);
    let script = [
        (REPLY, asks(1)),
        ("piece now 253766", Yes),
        ("send", Yes),
        // The client's side has ended: has it failed?
        ("ahead 8186", Yes),
        (REPLY, asks(1)),
        // What is left is too short to go ahead.
        ("piece now 253766", Yes),
        ("ahead 8186", Yes),
        (REPLY, asks(1)),
        ("piece now 270138", Yes),
        ("send", Yes),
        ("ahead 8186", Yes),
        (REPLY, asks(1)),
        ("piece now 270138", No),
        ("piece 270138", Yes),
        ("send", Yes),
        (REPLY, whole("ok")),
        ("pass", Yes),
    ];
    let (result, traffic) = scene.goes(&then(sent(), &script));
    result.expect("an answer");
    assert_eq!(traffic.uploaded, 2 * SIZE as u64 + 100);
    assert_eq!((&*scene.client.got, scene.left(), early(&scene)), ("200HokE|", (1, 0), 0));
}

#[test]
fn what_has_come_from_the_client_is_sent_and_never_cut_so_that_a_short_packet_goes_ahead() {
    let mut scene = shown(upload(RequestBody::OnRequest, 60_000, 32), 30);
    let mut conversation = scene.begin();
    for (world, wanted) in [
        (Has(10_000), &[SIZE][..]),
        (Has(6_000), &[SIZE, 6_000]),
        (Has(SIZE + 4_095), &[SIZE, 6_000, SIZE]),
        (Has(4_096), &[SIZE, 6_000, SIZE, 4_096]),
        (Has(17), &[SIZE, 6_000, SIZE, 4_096, 17]),
    ] {
        while scene.with(|context| scene::text(&conversation.next(context))) != REPLY {
            scene.step(&mut conversation, Yes);
        }
        let due = lengths(&mut conversation).len() < wanted.len();
        assert!(due);
        loop {
            scene.step(&mut conversation, asks(1));
            let asked = scene.with(|context| scene::text(&conversation.next(context)));
            if asked.starts_with("piece now") {
                break;
            }
        }
        scene.step(&mut conversation, world);
        while scene.with(|context| scene::text(&conversation.next(context))) == "send" {
            scene.step(&mut conversation, Yes);
        }
        assert_eq!(lengths(&mut conversation), wanted);
    }
}

#[test]
fn while_packets_ahead_are_not_taken_the_answer_is_read_and_passed_on() {
    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let script = [
        (REPLY, asks(1)),
        ("piece now 253766", Yes),
        ("send", Takes(20_000)),
        ("send", No),
        // Not asked for: the wait is that for the answer.
        ("wait rw 30s", Readable),
        ("receive 0ns", hears(&[head(200), chunk("a")])),
        ("pass", Yes),
        ("wait rw 30s", Readable),
        ("receive 0ns", hears(&[chunk("b"), ask_for(SIZE as u16)])),
        ("pass", Yes),
        ("wait rw 30s", Yes),
        ("send", Yes),
        (REPLY, asks(6)),
        (REPLY, Hears(end(true))),
        ("pass", Yes),
    ];
    scene.goes(&then(gathered(), &script)).0.expect("an answer");
    assert_eq!((&*scene.client.got, scene.left()), ("200Ha|b|E|", (1, 0)));
}

#[test]
fn an_answer_that_has_come_before_a_packet_is_not_taken_is_passed_on_before_room_is_waited_for() {
    let long = chunk(&".".repeat(8_000));
    for count in [1, 16, 17, 40] {
        let (mut written, half) = (long.repeat(count), &long[..1_000]);
        written.extend(half);
        let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
        let script = [
            (REPLY, hears(&[ask_for(SIZE as u16), head(200), chunk("a")])),
            ("pass", Yes),
            ("piece now 253766", Yes),
            // Passing it on may have taken the client its time.
            ("receive 0ns", Hears(written)),
            ("send", Takes(20_000)),
            ("send", No),
            ("pass", Yes),
            ("wait rw 30s", Readable),
            ("receive 0ns", Hears(long[1_000..].to_vec())),
            ("pass", Yes),
            ("wait rw 30s", Yes),
            ("send", Yes),
            (REPLY, asks(7)),
            (REPLY, Hears(end(true))),
            ("pass", Yes),
        ];
        scene.goes(&then(gathered(), &script)).0.expect("an answer");
        assert_eq!(scene.client.delivered.len(), 1 + (count + 1) * 8_000);
        assert_eq!((scene.left(), early(&scene)), ((1, 0), 0), "{count}");
    }
}

#[test]
fn an_answer_that_ends_with_a_packet_unfinished_ends_the_connection() {
    for asked in [1, 2] {
        let mut scene = shown(upload(RequestBody::Announced, 3 * SIZE, 32), 30);
        let script = [
            (REPLY, asks(1)),
            ("piece now 253766", Yes),
            // The last one but for a byte.
            ("send", Takes(2 * (SIZE + 6) - 1)),
            ("send", No),
            ("wait rw 30s", Readable),
            ("receive 0ns", hears(&[ask_for(SIZE as u16).repeat(asked - 1), head(200), end(true)])),
            ("pass", Yes),
        ];
        scene.goes(&then(gathered(), &script)).0.expect("an answer");
        assert_eq!((scene.left(), early(&scene)), ((0, 0), 1), "{asked}");
    }
}

#[test]
fn a_packet_that_is_due_and_not_taken_is_waited_for_no_longer_than_the_timeout() {
    let mut scene = shown(upload(RequestBody::OnRequest, 3 * SIZE, 32), 30);
    let script = [
        (REPLY, asks(1)),
        ("piece now 253766", Yes),
        ("send", Takes(100)),
        ("send", No),
        ("wait rw 60s", No),
        ("receive 0ns", No),
    ];
    let failure = scene.goes(&then(sent(), &script)).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::SendTimedOut { .. }), "{}", failure.error);

    let mut scene = shown(upload(RequestBody::OnRequest, 3 * SIZE, 32), 30);
    let ahead = [
        (REPLY, asks(1)),
        ("piece now 253766", Yes),
        ("send", Takes(SIZE + 6)),
        ("send", No),
        ("wait rw 30s", No),
    ];
    let failure = scene.goes(&then(sent(), &ahead)).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::TimedOut { .. }), "{}", failure.error);
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn a_send_that_fails_with_packets_ahead_is_judged_at_the_end_of_the_stream() {
    let asked = [(REPLY, asks(1)), ("piece now 253766", Yes), ("send", Closes)];
    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let answer = [
        (REPLY, hears(&[head(200), chunk("a")])),
        ("pass", Yes),
        (REPLY, hears(&[chunk("b"), end(true)])),
        ("pass", Yes),
    ];
    scene.goes(&then(then(gathered(), &asked), &answer)).0.expect("an answer");
    assert_eq!((&*scene.client.got, scene.left()), ("200Ha|bE|", (0, 0)));
    assert_eq!(early(&scene), 1);

    let mut scene = shown(upload(RequestBody::Announced, 9 * SIZE, 32), 30);
    let half = [(REPLY, Hears(head(200))), (REPLY, Closes)];
    let failure = scene.goes(&then(then(gathered(), &asked), &half)).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::ConnectionClosed(Some(_))), "the send's");
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn a_body_that_has_failed_behind_what_is_sent_ends_the_request_before_the_container_is_waited_for()
{
    let failed = || World::Client(ClientError::Answered);
    let mut scene = upload(RequestBody::OnRequest, 5, 32);
    let script =
        [(REPLY, asks(1)), ("piece now 16372", Yes), ("send", Yes), ("ahead 8186", failed())];
    let failure = scene.goes(&then(sent(), &script)).0.unwrap_err();
    assert!(matches!(failure.error, ProxyError::Client(ClientError::Answered)));
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn nothing_goes_ahead_where_that_is_switched_off() {
    let mut scene = shown(upload(RequestBody::Announced, 3 * SIZE, 0), 30);
    let script = [
        (REPLY, asks(1)),
        ("piece 8186", Yes),
        ("send", Yes),
        ("ahead 8186", Yes),
        (REPLY, asks(1)),
        ("piece 8186", Yes),
        ("send", Yes),
        (REPLY, whole("ok")),
        ("pass", Yes),
    ];
    scene.goes(&then(sent(), &script)).0.expect("an answer");
    assert_eq!(scene.left(), (1, 0));
}
