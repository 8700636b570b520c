use std::sync::mpsc;

use super::super::AcquireError;
use super::super::waiter::{Waiter, Wants};
use super::*;

#[test]
fn waiters_are_served_in_order() {
    let scene = &Scene::new().max(1);
    let (lease, _) = scene.open(0);
    let (served, order) = mpsc::channel();

    thread::scope(|threads| {
        for turn in 0..5 {
            let served = served.clone();
            threads.spawn(move || {
                let lease = reused(scene.acquire(0));
                served.send(turn).unwrap();
                lease.release(Clean, scene.at(1), Keep::Pool);
            });
            scene.until_waiting(turn + 1);
        }
        lease.release(Clean, scene.at(1), Keep::Pool);
    });

    assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.waiting, stats.created), (1, 0, 0, 1));
}

#[test]
fn a_released_connection_goes_to_the_waiter_and_not_to_a_later_request() {
    let scene = &Scene::new().max(1);
    let newcomer = Limits { wait: Wait::For(Duration::ZERO), ..scene.limits };
    let (lease, _) = scene.open(0);

    thread::scope(|threads| {
        let waiter = threads.spawn(|| reused(scene.acquire(0)));
        scene.until_waiting(1);

        lease.release(Clean, scene.at(1), Keep::Pool);

        // Whether the waiter has woken up yet or not, the connection is its.
        assert!(scene.pool.acquire(scene.at(1), &newcomer).is_err());
        assert_eq!(waiter.join().unwrap().number(), 1);
    });
}

#[test]
fn a_lease_says_whether_it_was_waited_for() {
    let scene = &Scene::new().max(1);
    let (opened, _) = scene.open(0);
    assert!(!opened.was_at_once());
    opened.release(Clean, scene.at(1), Keep::Pool);
    let mut lease = reused(scene.acquire(1));
    assert!(lease.was_at_once());

    thread::scope(|threads| {
        for _ in 0..2 {
            let waiter = threads.spawn(|| reused(scene.acquire(1)));
            scene.until_waiting(1);
            lease.release(Clean, scene.at(2), Keep::Pool);
            lease = waiter.join().unwrap();
            assert!(!lease.was_at_once());
        }
        lease.release(Clean, scene.at(3), Keep::Pool);
    });
    assert!(reused(scene.acquire(3)).was_at_once());
}

#[test]
fn a_dropped_lease_hands_its_place_to_the_waiter() {
    let scene = &Scene::new().max(1);
    let (lease, wire) = scene.open(0);

    thread::scope(|threads| {
        let waiter = threads.spawn(|| {
            let vacancy = vacant(scene.acquire(0));
            (vacancy, wire.is_closed())
        });
        scene.until_waiting(1);
        drop(lease);
        let (vacancy, closed_before) = waiter.join().unwrap();
        assert!(closed_before);
        assert_eq!(scene.pool.stats().in_use, 1);
        drop(vacancy);
    });
    assert_eq!(scene.pool.stats().in_use, 0);
}

#[test]
fn a_vacancy_given_up_hands_its_place_to_the_waiter() {
    let scene = &Scene::new().max(1);
    let vacancy = vacant(scene.acquire(0));

    thread::scope(|threads| {
        let waiter = threads.spawn(|| vacant(scene.acquire(0)));
        scene.until_waiting(1);
        drop(vacancy);
        drop(waiter.join().unwrap());
    });
}

#[test]
fn a_connection_handed_over_is_looked_at_too() {
    let scene = &Scene::new().max(1);
    let (lease, wire) = scene.open(0);
    wire.will_be_found(Liveness::Closed);

    thread::scope(|threads| {
        let waiter = threads.spawn(|| vacant(scene.acquire(0)));
        scene.until_waiting(1);
        lease.release(Clean, scene.at(1), Keep::Pool);
        drop(waiter.join().unwrap());
    });

    assert!(wire.is_closed());
    assert_eq!(scene.closed(CloseReason::ClosedByPeer), 1);
}

#[test]
fn a_waiter_for_a_fresh_place_gets_one_and_the_released_connection_is_closed() {
    let scene = &Scene::new().max(1);
    let (lease, wire) = scene.open(0);

    thread::scope(|threads| {
        let waiter =
            threads.spawn(|| scene.pool.acquire_fresh(scene.at(0), &scene.limits).unwrap());
        scene.until_waiting(1);
        lease.release(Clean, scene.at(1), Keep::Pool);
        drop(waiter.join().unwrap());
    });

    assert!(wire.is_closed());
    assert_eq!(scene.closed(CloseReason::Evicted), 1);
}

#[test]
fn waiting_ends_when_the_time_is_up() {
    let scene = Scene::new().max(1);
    let (_lease, _) = scene.open(0);
    // On this clock, the deadline has passed before the wait begins.
    let long_ago = scene.start.checked_sub(Duration::from_secs(1)).unwrap();
    let limits = Limits { wait: Wait::For(Duration::from_millis(5)), ..scene.limits };

    let refused = scene.pool.acquire(long_ago, &limits).unwrap_err();

    assert_eq!(refused, AcquireError::Busy { max: 1, waited: Duration::from_millis(5) });
    let stats = scene.pool.stats();
    assert_eq!((stats.waiting, stats.timed_out, stats.in_use), (0, 1, 1));
}

#[test]
fn a_hand_over_that_races_with_the_timeout_is_not_lost() {
    // The interleaving of `Pool::withdraw`, step by step on one thread.
    let scene = Scene::new().max(1);
    let (lease, wire) = scene.open(0);
    let waiter = Arc::new(Waiter::new(Wants::Any));
    scene.pool.state.lock().waiters.push_back(Arc::clone(&waiter));

    assert!(waiter.wait(Some(scene.start)).is_none(), "the time is up, the slot empty");
    lease.release(Clean, scene.at(1), Keep::Pool);
    let handover = scene.pool.withdraw(&waiter).expect("the releaser came first");

    assert!(handover.idle.is_some() && !wire.is_closed());
    assert_eq!(scene.pool.stats().waiting, 0);
    drop(handover);
    assert_eq!(scene.pool.stats().in_use, 0);
}

#[test]
fn a_waiter_that_left_the_queue_is_not_served() {
    let scene = Scene::new().max(1);
    let (lease, _) = scene.open(0);
    let waiter = Arc::new(Waiter::new(Wants::Any));
    scene.pool.state.lock().waiters.push_back(Arc::clone(&waiter));

    assert!(scene.pool.withdraw(&waiter).is_none());
    lease.release(Clean, scene.at(1), Keep::Pool);

    assert!(waiter.take().is_none());
    assert_eq!(scene.pool.stats().idle, 1);
}

#[test]
fn a_raised_max_admits_the_waiters_before_a_later_request() {
    let scene = &Scene::new().max(1);
    let (_lease, _) = scene.open(0);
    let newcomer =
        Limits { max: NonZeroUsize::new(2), wait: Wait::For(Duration::ZERO), ..scene.limits };

    thread::scope(|threads| {
        let waiter = threads.spawn(|| vacant(scene.acquire(0)));
        scene.until_waiting(1);
        assert!(scene.pool.acquire(scene.at(1), &newcomer).is_err());
        drop(waiter.join().unwrap());
    });
}

#[test]
fn waiters_of_a_closed_pool_still_get_places() {
    let scene = &Scene::new().max(1);
    let (lease, wire) = scene.open(0);

    thread::scope(|threads| {
        let waiter = threads.spawn(|| vacant(scene.acquire(0)));
        scene.until_waiting(1);
        scene.pool.close();
        lease.release(Clean, scene.at(1), Keep::Pool);
        drop(waiter.join().unwrap());
    });

    assert!(wire.is_closed());
}

#[test]
fn a_lowered_max_is_reached_before_a_waiter_is_served() {
    let mut lowered = Scene::new().max(2);
    let (first, second) = (lowered.open(0).0, lowered.open(0).0);
    lowered.limits.max = NonZeroUsize::new(1);
    let scene = &lowered;

    thread::scope(|threads| {
        let waiter = threads.spawn(|| vacant(scene.acquire(1)));
        scene.until_waiting(1);
        drop(first);
        assert_eq!((scene.pool.stats().in_use, scene.pool.stats().waiting), (1, 1));
        drop(second);
        drop(waiter.join().unwrap());
    });
}
