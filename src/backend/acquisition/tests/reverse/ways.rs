//! One request's way.

use super::*;
use crate::backend::{RefusalReason, SizeQuestion};

#[test]
fn a_container_that_connects_while_a_request_waits_is_used_once_it_has_proved_itself() {
    let child = Child::new(Some(key()));
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "inbound 1s");
    assert!(request.watches_the_port());

    let peer = child.port.connect();
    assert_eq!(request.looks_again(), "inbound 1s", "it has said nothing");
    let container = peer.hello(&key());
    child.scene.wait(SECOND / 4);
    assert_eq!(request.looks_again(), "inbound 750ms");
    peer.prove(&container);
    assert_eq!(request.looks_again(), "connection 1");
    drop(request);
    assert_eq!(left(&child), (0, 0, 0));
}

#[test]
fn a_container_that_is_there_already_is_used_without_a_wait() {
    let child = Child::new(None);
    let _peers = [child.port.connect(), child.port.connect()];
    assert_eq!(child.begin(ANY()).goes_on(), "connection 1");
    assert_eq!(child.begin(Task::New).goes_on(), "connection 2");
}

#[test]
fn what_a_request_has_waited_for_its_place_counts_and_the_failure_names_acquire() {
    let child = Child::new(None);
    let mut request = child.begin(ANY());
    child.scene.wait(SECOND / 500);
    assert_eq!(request.goes_on(), "inbound 998ms");
    let failure = "no container has connected to 127.0.0.1:9100 (waited 1s)";
    assert_eq!(request.waits_in_vain(), failure);
}

#[test]
fn a_container_that_never_connects_is_waited_for_as_long_as_acquire_says() {
    for task in [ANY(), Task::New, Task::Own] {
        let child = Child::new(None);
        let mut request = child.begin(task);
        assert_eq!(request.goes_on(), "inbound 1s");
        assert_eq!(
            request.waits_in_vain(),
            "no container has connected to 127.0.0.1:9100 (waited 1s)"
        );
        assert_eq!(left(&child), (0, 0, 0));
        assert_eq!(text(&request.way.next()), "nothing");
    }
    let mut request = Child::new(None).wait(Duration::ZERO);
    request.scene.settings.limits.wait = Wait::Forever;
    assert_eq!(request.begin(ANY()).goes_on(), "inbound 1s", "a second where it is not set");
}

#[test]
fn a_peer_with_a_wrong_key_and_one_that_breaks_off_are_not_used_and_the_wait_goes_on() {
    let child = Child::new(Some(key()));
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "inbound 1s");

    let wrong = child.port.connect();
    let container = wrong.hello(&key());
    assert_eq!(request.looks_again(), "inbound 1s");
    let mut forged = container.proof(&wrong.receive()[4..]).unwrap();
    forged[20] ^= 1;
    wrong.send(&forged);
    child.scene.wait(SECOND / 4);
    assert_eq!(request.looks_again(), "inbound 750ms");
    assert_eq!(child.refused(), ["the peer does not prove that it knows the key"]);

    let gone = child.port.connect();
    gone.hello(&key());
    assert_eq!(request.looks_again(), "inbound 750ms");
    gone.close();
    assert_eq!(request.looks_again(), "inbound 750ms");
    assert_eq!(child.refused(), [RefusalReason::NoProof.to_string()]);

    let right = child.port.connect();
    let container = right.hello(&key());
    assert_eq!(request.looks_again(), "inbound 750ms");
    right.prove(&container);
    assert_eq!(request.looks_again(), "connection 3");
}

#[test]
fn a_cpong_that_is_late_is_for_the_next_request_and_one_that_does_not_come_ends_the_connection() {
    let connect = Pings { connect: Some(2 * SECOND), ..Pings::default() };
    let child = Child::new(None).ping(connect);
    let peer = child.port.connect();
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "inbound 1s");
    let failure = request.waits_in_vain();
    assert!(failure.starts_with("no container has connected"), "{failure}");
    drop(request);

    peer.send(&CPONG);
    assert_eq!(child.begin(ANY()).goes_on(), "connection 1");

    let silent = child.port.connect();
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "inbound 1s");
    child.scene.wait(2 * SECOND);
    request.looks_again();
    assert_eq!(child.refused(), ["no CPONG within 2s"]);
    assert!(silent.is_closed());
}

#[test]
fn a_peer_that_has_been_asked_has_a_moment_even_if_the_request_may_not_wait() {
    let child = Child::new(Some(key())).wait(Duration::ZERO);
    let mut request = child.begin(ANY());
    assert!(request.goes_on().ends_with("(waited 0ns)"), "nobody is there");

    let peer = child.port.connect();
    let container = peer.hello(&key());
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "inbound 100ms");
    child.scene.wait(Duration::from_millis(50));
    assert_eq!(request.looks_again(), "inbound 50ms");
    peer.prove(&container);
    assert_eq!(request.looks_again(), "connection 1");

    let _mute = child.port.connect().hello(&key());
    let mut request = child.begin(Task::New);
    assert_eq!(request.goes_on(), "inbound 100ms");
    assert!(request.waits_in_vain().ends_with("(waited 0ns)"));
}

#[test]
fn a_pooled_connection_that_answers_in_its_half_of_the_time_is_used() {
    let child = Child::new(None).warm().ping(prepost(SECOND));
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "receive pooled 500ms");
    assert_eq!(request.hears(&CPONG), "connection 0");
}

#[test]
fn a_silent_pooled_connection_gives_way_to_one_that_connects_unless_it_answers_first() {
    let silent = |request: &mut Request<'_>| {
        assert_eq!(request.goes_on(), "receive pooled 500ms");
        assert_eq!(request.waits_in_vain(), "inbound 500ms", "as long again");
    };
    let child = Child::new(None).warm().ping(prepost(SECOND));
    let mut request = child.begin(ANY());
    silent(&mut request);
    assert!(matches!(request.way.next(), Need::Inbound(i) if i.beside == Some(Which::Pooled)));
    child.scene.wait(SECOND / 4);
    assert_eq!(request.hears(&CPONG[..2]), "inbound 250ms", "that is not all of it");
    assert_eq!(request.hears(&CPONG[2..]), "connection 0");

    let child = Child::new(None).warm().ping(prepost(SECOND));
    let mut request = child.begin(ANY());
    silent(&mut request);
    let _peer = child.port.connect();
    assert_eq!(request.looks_again(), "connection 1");
    assert_eq!(left(&child), (0, 1, 0), "the silent one is closed");

    // Neither: what is left of `acquire`, with the place alone.
    let child = Child::new(None).warm().ping(prepost(SECOND)).wait(2 * SECOND);
    let mut request = child.begin(ANY());
    silent(&mut request);
    assert_eq!(request.waits_in_vain(), "inbound 1s");
    assert!(request.waits_in_vain().starts_with("no container has connected"));
    assert_eq!(left(&child), (0, 0, 0));

    let child = Child::new(None).warm().ping(prepost(SECOND));
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "receive pooled 500ms");
    assert_eq!(request.hears(b"SSH-"), "inbound 1s", "it is dead at once");
}

#[test]
fn a_connection_that_comes_back_is_asked_and_if_it_is_dead_the_wait_goes_on() {
    for (answers, waits_for) in [(&CPONG[..], "connection 0"), (b"SSH-", "inbound 1s")] {
        let child = Child::new(None).warm().ping(prepost(SECOND));
        let mut first = child.begin(ANY());
        assert_eq!(first.goes_on(), "receive pooled 500ms");
        assert_eq!(first.hears(&CPONG), "connection 0");
        let mut second = child.begin(ANY());
        assert_eq!(second.goes_on(), "inbound 1s");
        first.gives_back();
        assert_eq!(second.looks_again(), "receive pooled 1s");
        assert_eq!(second.hears(answers), waits_for);
    }
}

#[test]
fn a_connection_for_a_question_or_in_doubt_proves_itself_and_one_that_does_not_is_replaced() {
    let child = Child::new(None).warm();
    let mut request = child.begin(Task::Own);
    assert_eq!(request.goes_on(), "receive pooled 1s");
    assert_eq!(request.hears(&CPONG), "connection 0");
    request.gives_back();

    let child = Child::new(None).warm().wait(2 * SECOND);
    let mut request = child.begin(Task::Own);
    assert_eq!(request.goes_on(), "receive pooled 1s");
    assert_eq!(request.waits_in_vain(), "inbound 1s", "what is left of acquire");
    let _peer = child.port.connect();
    assert_eq!(request.looks_again(), "connection 1", "which need not prove itself");

    let child = Child::new(None).warm();
    assert_eq!(child.begin(Task::Any { certain: true }).goes_on(), "connection 0");
    let child = Child::new(None).warm();
    child.scene.backend.idle_timeout.record_close(SECOND, child.scene.start);
    child.scene.wait(SECOND);
    assert_eq!(child.begin(Task::Any { certain: true }).goes_on(), "receive pooled 1s");
}

#[test]
fn a_request_that_is_given_up_at_any_point_leaves_nothing_behind() {
    let child = Child::new(None).warm().ping(prepost(SECOND)).wait(3 * SECOND);
    for steps in 0..4 {
        let mut request = child.begin(ANY());
        request.goes_on();
        (0..steps).for_each(|_| drop(request.waits_in_vain()));
        drop(request);
        let (idle, in_use, waiting) = left(&child);
        assert_eq!((in_use, waiting), (0, 0), "after {steps}");
        assert_eq!(idle, 0, "it was asked and had not answered");
        child
            .scene
            .pool
            .acquire_fresh(child.scene.now(), &Limits::default())
            .unwrap()
            .stock(FakeConnection::new(0, child.scene.now()), child.scene.now());
    }
}

#[test]
fn a_wait_that_fails_and_a_waker_that_cannot_be_made_are_failures() {
    let child = Child::new(None);
    let mut request = child.begin(ANY());
    assert_eq!(request.goes_on(), "inbound 1s");
    let failure = request.answer(Got::Waited(Err(NetError::Closed))).unwrap();
    assert!(failure.starts_with("accepting failed"), "{failure}");

    let mut request = child.begin(ANY());
    while !matches!(request.way.next(), Need::Waker) {
        let got = match request.way.next() {
            Need::Accept { ping } => Got::Accepted(child.look(ping)),
            _ => Got::Place(child.scene.pool.acquire(child.scene.now(), &Limits::default())),
        };
        assert!(request.answer(got).is_none());
    }
    let failure = request.answer(Got::Waker(Err(NetError::Closed))).unwrap();
    assert!(failure.starts_with("cannot wait for a connection"), "{failure}");
    assert_eq!(left(&child), (0, 0, 0));
}

#[test]
fn the_question_about_a_packet_size_is_asked_on_a_connection_of_the_containers() {
    let child = Child::new(None);
    let now = || child.scene.now();
    let mut question = SizeQuestion::<FakeConnection>::new(20_000, &child.with(&now)).unwrap();
    let waker = Arc::new(Waker::new().unwrap());
    let mut asked = Vec::new();
    let _peer = child.port.connect();
    let end = loop {
        let need = question.next();
        let got = match need {
            Need::PlaceWithin(_) => {
                Got::Place(child.scene.pool.acquire(child.scene.now(), &Limits::default()))
            }
            Need::Accept { ping } => Got::Accepted(child.look(ping)),
            Need::Waker => Got::Waker(Ok(Arc::clone(&waker))),
            Need::Send => {
                let (connection, bytes) = question.outgoing().unwrap();
                asked.push(bytes.len());
                Got::Sent(Ok(connection.take(&[bytes], usize::MAX)))
            }
            Need::Receive(which, _) => {
                Got::Received(Ok(question.connection(which).unwrap().hear(&CPONG)))
            }
            other => panic!("{other:?}"),
        };
        if let Some(end) = question.got(got, &child.with(&now)) {
            break end;
        }
    };
    assert!(matches!(end, Ok(())), "{end:?}");
    assert_eq!(asked, [5, 5, 20_000, 5], "its proof, then the question");
    assert_eq!(left(&child), (0, 0, 0));
}
