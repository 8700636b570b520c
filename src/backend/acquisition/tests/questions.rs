//! The question about a packet size.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::backend::SizeQuestion;
use crate::protocol::PacketSize;

const SIZE: usize = 20_000;

/// Goes through the script: `Ok`: the request may be sent; `Err`: why not.
fn asks(scene: &Scene, script: &[(&str, World)]) -> Result<(), String> {
    let now = || scene.now();
    let with = Surroundings { backend: &scene.backend, settings: &scene.settings, now: &now };
    let mut question = match SizeQuestion::<FakeConnection>::new(SIZE, &with) {
        Ok(question) => question,
        Err(end) => {
            assert_eq!(script.len(), 0, "it is known");
            return end.map_err(|refusal| refusal.to_string());
        }
    };
    for (at, (wanted, world)) in script.iter().enumerate() {
        let need = question.next();
        assert_eq!(text(&need), *wanted, "line {at} of {script:?}");
        let got = scene.supply(&need, *world, &mut question);
        if let Some(end) = question.got(got, &with) {
            assert_eq!(at + 1, script.len(), "over in line {at}");
            return end.map_err(|refusal| refusal.to_string());
        }
    }
    panic!("not over: {}", text(&question.next()));
}

const PONG: (&str, World) = ("receive new 2s", Bytes(&CPONG, Duration::ZERO));
const BEFORE: [(&str, World); 3] = [("connect", Yes), ("send", Yes), PONG];
const TAKEN: [(&str, World); 4] = [("send", Yes), PONG, ("send", Yes), PONG];
const CLOSES: [(&str, World); 2] = [("send", Yes), ("receive new 2s", Closes)];
const SILENT: [(&str, World); 3] = [("send", Yes), ("receive new 2s", No), ("receive new 0ns", No)];

fn script(parts: &[&[(&'static str, World)]]) -> Vec<(&'static str, World)> {
    parts.concat()
}

#[test]
fn a_size_that_is_answered_is_proven_and_not_asked_for_again() {
    let scene = Scene::new();
    assert_eq!(asks(&scene, &script(&[&BEFORE, &TAKEN])), Ok(()));
    assert_eq!(asks(&scene, &[]), Ok(()));
    assert_eq!(scene.left(), (0, 0), "it takes no place in the pool");
}

#[test]
fn a_size_that_is_not_answered_is_refused_if_the_smallest_one_is() {
    let scene = Scene::new();
    let refused = asks(&scene, &script(&[&BEFORE, &CLOSES, &BEFORE, &TAKEN])).unwrap_err();
    assert!(refused.contains("8192 bytes but not of 20000"), "{refused}");
    assert!(asks(&scene, &[]).is_err(), "for a minute without asking");
    scene.wait(Duration::from_secs(60));
    assert_eq!(asks(&scene, &script(&[&BEFORE, &TAKEN])), Ok(()));
}

#[test]
fn silence_is_asked_once_more() {
    let scene = Scene::new();
    let again = script(&[&BEFORE, &SILENT, &BEFORE, &TAKEN, &BEFORE, &TAKEN]);
    assert_eq!(asks(&scene, &again), Ok(()));

    let scene = Scene::new();
    let refused = script(&[&BEFORE, &SILENT, &BEFORE, &TAKEN, &BEFORE, &SILENT]);
    assert!(asks(&scene, &refused).is_err());
}

#[test]
fn a_container_that_answers_no_padded_cping_is_sent_the_request_as_it_is() {
    let scene = Scene::new();
    assert_eq!(asks(&scene, &script(&[&BEFORE, &CLOSES, &BEFORE, &CLOSES])), Ok(()));
    assert_eq!(asks(&scene, &[]), Ok(()), "it is not asked again");
}

#[test]
fn a_container_that_does_not_answer_a_plain_cping_is_not_there() {
    for (script, words) in [
        (script(&[&[("connect", No)]]), "refused"),
        (script(&[&[("connect", Yes)], &CLOSES]), "no CPONG"),
        (script(&[&BEFORE, &CLOSES, &[("connect", No)]]), "refused"),
    ] {
        let scene = Scene::new();
        let failure = asks(&scene, &script).unwrap_err();
        assert!(failure.contains(words), "{failure}");
    }
}

#[test]
fn a_packet_that_the_socket_does_not_take_at_once_is_sent_to_its_end() {
    let scene = Scene::new();
    let room = [("send", No), ("room new 2s", After(SECOND))];
    let rest = [("send", Yes), ("receive new 1s", Bytes(&CPONG, Duration::ZERO))];
    let behind = [("send", Yes), PONG];
    assert_eq!(asks(&scene, &script(&[&BEFORE, &room, &rest, &behind])), Ok(()));
}

#[test]
fn one_request_asks_at_a_time_and_the_others_wait_for_its_answer() {
    let scene = Scene::new();
    let now = || scene.now();
    let with = Surroundings { backend: &scene.backend, settings: &scene.settings, now: &now };
    let mut first = SizeQuestion::<FakeConnection>::new(SIZE, &with).expect("it has to ask");
    let mut second = SizeQuestion::<FakeConnection>::new(SIZE, &with).expect("not known yet");
    let Need::Question(question) = second.next() else { panic!("{:?}", second.next()) };
    assert!(first.is_asking() && !second.is_asking());

    for (wanted, world) in script(&[&BEFORE, &TAKEN]) {
        let need = first.next();
        assert_eq!(text(&need), wanted);
        let got = scene.supply(&need, world, &mut first);
        drop(first.got(got, &with));
    }

    let end = second.got(Got::Answer(question.wait().map(Box::new)), &with);
    assert!(matches!(end, Some(Ok(()))), "{end:?}");
}

#[test]
fn what_was_proven_counts_where_the_container_cannot_be_asked_again() {
    let scene = Scene::new();
    scene.backend.request_answered(SIZE);
    scene.backend.connection_died();
    assert_eq!(asks(&scene, &[("connect", No)]), Ok(()));
    assert!(PacketSize::MIN.bytes() < SIZE);
}

/// The wakes that a request has had.
fn bell() -> (Arc<AtomicUsize>, impl Fn() + Send + Sync + 'static) {
    let rung = Arc::<AtomicUsize>::default();
    let bell = Arc::clone(&rung);
    (rung, move || {
        bell.fetch_add(1, Relaxed);
    })
}

#[test]
fn a_request_that_waits_without_a_thread_is_woken_once_by_the_answer() {
    let scene = Scene::new();
    let now = || scene.now();
    let with = Surroundings { backend: &scene.backend, settings: &scene.settings, now: &now };
    let mut first = SizeQuestion::<FakeConnection>::new(SIZE, &with).expect("it has to ask");
    let mut second = SizeQuestion::<FakeConnection>::new(SIZE, &with).expect("not known yet");
    let Need::Question(question) = second.next() else { panic!("{:?}", second.next()) };
    let (rung, bell) = bell();
    let ticket = question.answer_or_subscribe(bell).expect_err("it is not answered");
    let ticket = ticket.take().expect_err("nor is it now");

    for (_, world) in script(&[&BEFORE, &TAKEN]) {
        assert_eq!(rung.load(Relaxed), 0, "it is not over");
        let need = first.next();
        let got = scene.supply(&need, world, &mut first);
        drop(first.got(got, &with));
    }

    assert_eq!(rung.load(Relaxed), 1);
    let answer = ticket.take().expect("it is answered");
    let end = second.got(Got::Answer(answer.map(Box::new)), &with);
    assert!(matches!(end, Some(Ok(()))), "{end:?}");
    let late = question.answer_or_subscribe(|| panic!("there is nothing to wait for"));
    assert!(matches!(late, Ok(None)), "{late:?}");
}

#[test]
fn a_request_that_asks_and_breaks_off_wakes_the_others_and_one_that_has_gone_is_not_woken() {
    let scene = Scene::new();
    let now = || scene.now();
    let with = Surroundings { backend: &scene.backend, settings: &scene.settings, now: &now };
    let first = SizeQuestion::<FakeConnection>::new(SIZE, &with).expect("it has to ask");
    let mut second = SizeQuestion::<FakeConnection>::new(SIZE, &with).expect("not known yet");
    let Need::Question(question) = second.next() else { panic!("{:?}", second.next()) };
    let [(stays, stay), (goes, go)] = [bell(), bell()];
    let ticket = question.answer_or_subscribe(stay).expect_err("it is not answered");
    drop(question.answer_or_subscribe(go));

    drop(first);

    assert_eq!((stays.load(Relaxed), goes.load(Relaxed)), (1, 0));
    let answer = ticket.take().expect("it is over");
    assert!(second.got(Got::Answer(answer.map(Box::new)), &with).is_none());
    assert_eq!(text(&second.next()), "connect", "it asks itself");
}
