use super::super::AcquireError;
use super::*;

#[test]
fn an_empty_pool_gives_a_vacancy() {
    let scene = Scene::new();

    let (lease, _) = scene.open(0);

    assert!(!lease.is_reused());
    assert_eq!((lease.number(), lease.uses(), lease.idle_since()), (1, 1, None));
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.created, stats.reused), (0, 1, 1, 0));
}

#[test]
fn a_released_connection_serves_the_next_request() {
    let scene = Scene::new();
    let [wire] = scene.idle([3]);

    let lease = reused(scene.acquire(5));

    assert!(lease.is_reused() && !wire.is_closed());
    assert_eq!((lease.number(), lease.uses(), lease.idle_since()), (1, 2, Some(scene.at(3))));
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.created, stats.reused), (0, 1, 1, 1));
}

#[test]
fn the_most_recently_used_connection_comes_first() {
    let scene = Scene::new();
    scene.idle([1, 2, 3]);

    let leases = [(); 3].map(|()| reused(scene.acquire(4)));

    assert_eq!(leases.map(|lease| lease.number()), [3, 2, 1]);
}

#[test]
fn a_connection_idle_for_exactly_ttl_is_closed_at_acquire() {
    let scene = Scene::new().ttl(10);
    let [wire] = scene.idle([5]);

    drop(vacant(scene.acquire(15)));

    assert!(wire.is_closed());
    assert_eq!(wire.checks(), 0);
    assert_eq!(scene.closed(CloseReason::Expired), 1);
}

#[test]
fn a_connection_idle_for_less_than_ttl_is_used() {
    let scene = Scene::new().ttl(10);
    let [wire] = scene.idle([5]);

    let almost = scene.at(15) - Duration::from_nanos(1);
    let _lease = reused(scene.pool.acquire(almost, &scene.limits).unwrap());

    assert!(!wire.is_closed());
}

#[test]
fn acquire_closes_every_expired_connection_not_only_the_one_it_would_use() {
    let scene = Scene::new().ttl(10);
    let [first, second, third] = scene.idle([1, 2, 8]);

    let lease = reused(scene.acquire(13));

    assert_eq!(lease.number(), 3);
    assert!(first.is_closed() && second.is_closed() && !third.is_closed());
    assert_eq!(scene.closed(CloseReason::Expired), 2);
}

#[test]
fn an_idle_connection_is_given_at_once_unless_something_else_is_to_be_done() {
    let idle = |scene: &Scene, seconds| scene.pool.acquire_idle(scene.at(seconds), &scene.limits);
    let scene = Scene::new().ttl(10).max(3);
    assert!(idle(&scene, 0).is_none(), "there is none");
    let [oldest, newest] = scene.idle([5, 6]);

    assert!(idle(&scene, 15).is_none(), "the oldest has expired");
    assert_eq!((oldest.is_closed(), newest.checks(), scene.pool.stats().in_use), (false, 0, 0));

    let lease = reused(idle(&scene, 14).unwrap());
    assert!(lease.was_at_once());
    assert_eq!((lease.number(), oldest.checks(), newest.checks()), (2, 0, 1));
    let _other = reused(idle(&scene, 14).unwrap());
    assert!(idle(&scene, 14).is_none(), "both are in use");
    assert_eq!((scene.pool.stats().idle, scene.pool.stats().in_use), (0, 2));
}

#[test]
fn acquire_looks_only_at_the_connection_it_hands_out() {
    let scene = Scene::new().ttl(10);
    let wires = scene.idle([1, 2, 3, 4]);

    let _lease = reused(scene.acquire(5));

    assert_eq!(wires.map(|wire| wire.checks()), [0, 0, 0, 1]);
}

#[test]
fn a_release_dated_before_another_does_not_hide_it_from_expiry() {
    let scene = Scene::new().ttl(10);
    // The clock of the second release was read before that of the first.
    let [early, late] = scene.idle([7, 6]);

    let lease = reused(scene.acquire(16));
    assert_eq!((lease.number(), lease.idle_since()), (2, Some(scene.at(7))));
    lease.release(Clean, scene.at(16), Keep::Pool);
    drop(vacant(scene.pool.acquire(scene.at(26), &scene.limits).unwrap()));

    assert!(early.is_closed() && late.is_closed());
}

#[test]
fn a_clock_read_before_the_release_does_no_harm() {
    let scene = Scene::new().ttl(10);
    scene.idle([20]);

    assert!(reused(scene.acquire(4)).is_reused());
}

#[test]
fn bad_connections_are_closed_and_counted_by_reason() {
    let scene = Scene::new();
    let wires = scene.idle([1, 2, 3, 4]);
    wires[1].will_be_found(Liveness::Closed);
    wires[2].will_be_found(Liveness::Unread);
    wires[3].will_be_found(Liveness::Broken);

    let lease = reused(scene.acquire(5));

    assert_eq!(lease.number(), 1);
    assert_eq!(wires.each_ref().map(|wire| wire.is_closed()), [false, true, true, true]);
    assert_eq!(scene.closed(CloseReason::ClosedByPeer), 1);
    assert_eq!(scene.closed(CloseReason::Unread), 1);
    assert_eq!(scene.closed(CloseReason::Broken), 1);
    assert_eq!(scene.pool.stats().reused, 1);
}

#[test]
fn a_pool_of_bad_connections_ends_in_a_vacancy() {
    let scene = Scene::new().max(2).look_once();
    for wire in scene.idle([1, 2]) {
        wire.will_be_found(Liveness::Closed);
    }

    let _vacancy = vacant(scene.acquire(3));

    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use), (0, 1));
}

#[test]
fn at_max_a_request_that_does_not_wait_finds_the_pool_busy() {
    let scene = Scene::new().max(2).look_once();
    let _both = (scene.open(0), scene.open(0));

    let refused = scene.pool.acquire(scene.at(0), &scene.limits).unwrap_err();

    assert_eq!(refused, AcquireError::Busy { max: 2, waited: Duration::ZERO });
    let stats = scene.pool.stats();
    assert_eq!((stats.timed_out, stats.waiting), (1, 0));
}

#[test]
fn a_vacancy_dropped_frees_its_place() {
    let scene = Scene::new().max(1).look_once();

    drop(scene.acquire(0));

    assert_eq!(scene.pool.stats().in_use, 0);
    drop(vacant(scene.acquire(0)));
}

#[test]
fn a_fresh_place_leaves_the_idle_connections_alone_below_max() {
    let scene = Scene::new().max(2);
    let [wire] = scene.idle([1]);

    let _vacancy = scene.pool.acquire_fresh(scene.at(2), &scene.limits).unwrap();

    assert!(!wire.is_closed());
    assert_eq!(wire.checks(), 0);
}

#[test]
fn at_max_a_fresh_place_costs_the_oldest_idle_connection() {
    let scene = Scene::new().max(2);
    let [oldest, newest] = scene.idle([1, 2]);

    let _vacancy = scene.pool.acquire_fresh(scene.at(3), &scene.limits).unwrap();

    assert!(oldest.is_closed() && !newest.is_closed());
    assert_eq!(scene.closed(CloseReason::Evicted), 1);
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use), (1, 1));
}

#[test]
fn the_pool_is_unlocked_while_connections_are_looked_at_and_closed() {
    let mut scene = Scene::new().ttl(10).max(6);
    let wires = scene.idle([1, 2, 11, 12, 13, 14]);
    for wire in &wires {
        *wire.watched.lock() = Arc::downgrade(&scene.pool);
    }
    wires[5].will_be_found(Liveness::Closed);

    drop(reused(scene.acquire(15))); // closes 1 and 2 as expired, 6 as bad, 5 as dropped
    scene.pool.sweep(scene.at(15), &scene.limits);
    scene.limits.max = NonZeroUsize::new(2);
    drop(scene.pool.acquire_fresh(scene.at(15), &scene.limits).unwrap()); // evicts 3
    assert_eq!(scene.pool.stats().idle, 1);
    scene.pool.close();

    assert!(wires.iter().all(|wire| wire.is_closed()));
}

#[test]
fn a_panic_in_the_check_closes_the_connection_and_frees_its_place() {
    let scene = Scene::new().max(1).look_once();
    let [wire] = scene.idle([1]);
    wire.panics_in_check.store(true, SeqCst);

    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(scene.acquire(2))));

    assert!(caught.is_err() && wire.is_closed());
    assert_eq!(scene.pool.stats().in_use, 0);
}
