//! One request's way.

use super::*;

const TWO: [u8; 10] = [0x41, 0x42, 0, 1, 9, 0x41, 0x42, 0, 1, 9];
const ANY: Task<FakeConnection> = Task::Any { certain: false };

/// Goes through the script and tells which connection it was, or what the error says.
#[track_caller]
fn goes(scene: &Scene, script: &[(&str, World)]) -> Result<usize, String> {
    scene.goes(ANY, script).map(|lease| lease.number)
}

fn pings(time: Duration) -> Pings {
    Pings::before_every_request(time)
}

#[test]
fn an_idle_connection_takes_one_step() {
    let scene = Scene::warm();
    assert_eq!(goes(&scene, &[("place", Yes)]), Ok(1));
}

#[test]
fn where_none_is_idle_one_is_opened_and_pinged_where_that_is_asked_for() {
    let script = [("place", Yes), ("connect", Yes)];
    assert_eq!(goes(&Scene::new(), &script), Ok(1));

    let scene = Scene::new().ping(pings(SECOND));
    let answers = ("receive new 1s", Bytes(&CPONG, Duration::ZERO));
    assert_eq!(goes(&scene, &[("place", Yes), ("connect", Yes), ("send", Yes), answers]), Ok(1));

    let tcp = Scene::of(key_of("node1", 8009));
    let first = [("place", Yes), ("addresses", Yes), ("connect", Yes)];
    assert_eq!(goes(&tcp, &first), Ok(1), "the rest of the addresses is left alone");
}

#[test]
fn a_pool_without_a_place_and_a_backend_that_refuses_are_failures_that_leave_nothing_behind() {
    let scene = Scene::warm();
    let taken = scene.goes(ANY, &[("place", Yes)]).unwrap();
    let busy = goes(&scene, &[("place", Yes)]).unwrap_err();
    assert!(busy.contains("in use"), "{busy}");
    drop(taken);
    assert_eq!(scene.left(), (0, 0));

    let refused = goes(&scene, &[("place", Yes), ("connect", No)]).unwrap_err();
    assert!(refused.ends_with("connection refused"), "{refused}");
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn a_new_connection_that_does_not_answer_cping_is_a_failure() {
    let answers: [(&[(&str, World)], &str); 5] = [
        (&[("send", Fails)], "closed"),
        (&[("send", No), ("room new 1s", No)], "within 1s"),
        (&[("send", Yes), ("receive new 1s", Closes)], "closed"),
        (&[("send", Yes), ("receive new 1s", Bytes(b"SSH-", Duration::ZERO))], "packet"),
        (&[("send", Yes), ("receive new 1s", No), ("receive new 0ns", No)], "within 1s"),
    ];
    for (answer, words) in answers {
        let scene = Scene::new().ping(pings(SECOND));
        let script = [&[("place", Yes), ("connect", Yes)], answer].concat();
        let failure = goes(&scene, &script).unwrap_err();
        assert!(failure.contains(words), "{failure}");
        assert_eq!(scene.left(), (0, 0));
    }
}

#[test]
fn a_cpong_that_comes_in_pieces_is_waited_for_within_one_time() {
    let scene = Scene::new().ping(pings(SECOND));
    let end = goes(
        &scene,
        &[
            ("place", Yes),
            ("connect", Yes),
            ("send", Yes),
            ("receive new 1s", Bytes(&CPONG[..2], SECOND / 4)),
            ("receive new 750ms", Bytes(&CPONG[2..], SECOND / 4)),
        ],
    );
    assert_eq!(end, Ok(1));
}

const ASKED: [(&str, World); 2] = [("place", Yes), ("send", Yes)];
/// The pooled connection says nothing in its half.
const SILENT: [(&str, World); 2] = [("receive pooled 500ms", No), ("receive pooled 0ns", No)];

#[test]
fn a_pooled_connection_that_answers_cping_is_used() {
    let scene = Scene::warm().ping(pings(SECOND));
    let answers = ("receive pooled 500ms", Bytes(&CPONG, Duration::ZERO));
    assert_eq!(goes(&scene, &[&ASKED[..], &[answers]].concat()), Ok(1));
}

#[test]
fn a_pooled_connection_that_is_dead_gives_its_place_and_the_time_that_is_left_to_a_new_one() {
    for dies in [
        &[("place", Yes), ("send", Fails)][..],
        &[ASKED[0], ASKED[1], ("receive pooled 500ms", Closes)],
        &[ASKED[0], ASKED[1], ("receive pooled 500ms", Bytes(&TWO, Duration::ZERO))],
    ] {
        let scene = Scene::warm().ping(pings(SECOND));
        let new =
            [("connect", Yes), ("send", Yes), ("receive new 1s", Bytes(&CPONG, Duration::ZERO))];
        assert_eq!(goes(&scene, &[dies, &new].concat()), Ok(2));
        assert_eq!(scene.left(), (0, 0));
    }
}

#[test]
fn beside_a_silent_pooled_connection_a_new_one_is_opened_and_the_first_to_answer_is_used() {
    let beside = [("connect", Yes), ("send", Yes)];
    let start = [&ASKED[..], &SILENT, &beside].concat();
    let nothing = ("receive new 0ns", No);

    let new = [("either 500ms", After(SECOND / 4)), ("receive new 0ns", Bytes(&CPONG, ZERO))];
    let scene = Scene::warm().ping(pings(SECOND));
    assert_eq!(goes(&scene, &[&start[..], &new].concat()), Ok(2));

    let pooled =
        [("either 500ms", After(SECOND / 4)), nothing, ("receive pooled 0ns", Bytes(&CPONG, ZERO))];
    let scene = Scene::warm().ping(pings(SECOND));
    assert_eq!(goes(&scene, &[&start[..], &pooled].concat()), Ok(1));

    // Something comes on one, which is not all of an answer: the same time goes on.
    let slow = [
        ("either 500ms", After(SECOND / 4)),
        ("receive new 0ns", Bytes(&CPONG[..3], ZERO)),
        ("receive pooled 0ns", No),
        ("either 250ms", After(ZERO)),
        ("receive new 0ns", Bytes(&CPONG[3..], ZERO)),
    ];
    let scene = Scene::warm().ping(pings(SECOND));
    assert_eq!(goes(&scene, &[&start[..], &slow].concat()), Ok(2));

    let silent = [
        ("either 500ms", No),
        nothing,
        ("receive pooled 0ns", No),
        ("either 0ns", No),
        nothing,
        ("receive pooled 0ns", No),
    ];
    let scene = Scene::warm().ping(pings(SECOND));
    let failure = goes(&scene, &[&start[..], &silent].concat()).unwrap_err();
    assert!(failure.ends_with("no CPONG within 1s"), "as it is configured: {failure}");
    assert_eq!(scene.passed.get(), SECOND, "one time in all");
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn one_of_the_two_that_dies_leaves_the_rest_of_the_time_to_the_other() {
    let start = [&ASKED[..], &SILENT, &[("connect", Yes), ("send", Yes)]].concat();
    let heard = ("either 500ms", After(SECOND / 4));

    let new_dies =
        [heard, ("receive new 0ns", Closes), ("receive pooled 250ms", Bytes(&CPONG, ZERO))];
    let scene = Scene::warm().ping(pings(SECOND));
    assert_eq!(goes(&scene, &[&start[..], &new_dies].concat()), Ok(1));

    let pooled_dies = [
        heard,
        ("receive new 0ns", No),
        ("receive pooled 0ns", Closes),
        ("receive new 250ms", Bytes(&CPONG, ZERO)),
    ];
    let scene = Scene::warm().ping(pings(SECOND));
    assert_eq!(goes(&scene, &[&start[..], &pooled_dies].concat()), Ok(2));

    let both = [heard, ("receive new 0ns", Closes), ("receive pooled 250ms", Closes)];
    let scene = Scene::warm().ping(pings(SECOND));
    let failure = goes(&scene, &[&start[..], &both].concat()).unwrap_err();
    assert!(failure.contains("new connection: the backend closed"), "{failure}");
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn where_no_new_connection_can_be_opened_the_silent_one_has_the_rest_of_the_time() {
    let refused = [&ASKED[..], &SILENT, &[("connect", No)]].concat();
    let stuck = [&ASKED[..], &SILENT, &[("connect", Yes), ("send", No)]].concat();
    for start in [refused, stuck] {
        let answers = [("receive pooled 500ms", Bytes(&CPONG, ZERO))];
        let scene = Scene::warm().ping(pings(SECOND));
        assert_eq!(goes(&scene, &[&start[..], &answers].concat()), Ok(1));

        let silent = [("receive pooled 500ms", No), ("receive pooled 0ns", No)];
        let scene = Scene::warm().ping(pings(SECOND));
        assert!(goes(&scene, &[&start[..], &silent].concat()).is_err());
        assert_eq!(scene.left(), (0, 0));
    }
}

#[test]
fn a_new_connection_that_need_not_answer_takes_the_place_of_a_silent_one_at_once() {
    let pings = Pings { connect: None, ..pings(SECOND) };
    let scene = Scene::warm().ping(pings);
    assert_eq!(goes(&scene, &[&ASKED[..], &SILENT, &[("connect", Yes)]].concat()), Ok(2));

    let scene = Scene::warm().ping(pings);
    assert!(goes(&scene, &[&ASKED[..], &SILENT, &[("connect", No)]].concat()).is_err());
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn an_idle_connection_in_doubt_is_not_used_where_the_request_must_not_be_sent_twice() {
    let certain = || Task::Any { certain: true };
    let one_place = [("place", Yes)];
    let scene = Scene::warm();
    assert_eq!(scene.goes(certain(), &one_place).unwrap().number, 1);

    // The backend has been seen to close connections that were idle for a second.
    let scene = Scene::warm();
    scene.backend.idle_timeout.record_close(SECOND, scene.start);
    scene.wait(SECOND);
    let lease = scene.goes(certain(), &[("place", Yes), ("connect", Yes)]).unwrap();
    assert_eq!(lease.number, 2);
    release(lease, &scene);
    assert_eq!(scene.left(), (1, 0));
    assert_eq!(scene.goes(ANY, &one_place).unwrap().number, 2, "any other request uses it");
}

#[test]
fn a_connection_that_failed_gives_its_place_to_a_new_one_which_may_have_to_prove_itself() {
    let scene = Scene::warm();
    let failed = scene.goes(ANY, &[("place", Yes)]).unwrap();
    let new = scene.goes(Task::Replace(failed), &[("connect", Yes)]).unwrap();
    assert_eq!((new.number, scene.left()), (2, (0, 1)));

    let answers = ("receive pooled 1s", Bytes(&CPONG, ZERO));
    let new = scene.goes(Task::Proof(new), &[("send", Yes), answers]).unwrap();
    assert_eq!(new.number, 2);
    let dies = ("receive pooled 1s", Closes);
    assert!(scene.goes(Task::Proof(new), &[("send", Yes), dies]).is_err());
    assert_eq!(scene.left(), (0, 0));
}

#[test]
fn a_new_connection_in_a_place_of_its_own_leaves_the_idle_ones_alone() {
    let mut scene = Scene::warm();
    scene.settings.limits.max = NonZeroUsize::new(2);
    let new = scene.goes(Task::New, &[("fresh place", Yes), ("connect", Yes)]).unwrap();
    assert_eq!((new.number, scene.left()), (2, (1, 1)));
}

const ZERO: Duration = Duration::ZERO;
