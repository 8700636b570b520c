use super::*;

fn reused(acquired: Acquired<Conn>) -> Lease<Conn> {
    match acquired {
        Acquired::Reused(lease) => lease,
        Acquired::Vacant(_) => panic!("nothing was released"),
    }
}

/// Rings are counted.
fn waker() -> (Arc<AtomicUsize>, impl Fn() + Send + Sync + 'static) {
    let rings = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&rings);
    (rings, move || {
        counter.fetch_add(1, SeqCst);
    })
}

#[test]
fn a_pending_vacancy_gets_a_released_connection_and_is_notified() {
    let scene = Scene::new().max(2);
    let (lease, wire) = scene.open(0);
    let (rings, ring) = waker();
    let pending = vacant(scene.acquire(0)).wait_for_release(ring);
    assert_eq!(scene.pool.stats().waiting, 1);
    let pending = pending.take().expect_err("nothing yet");

    lease.release(Clean, scene.at(1), Keep::Pool);

    assert_eq!(rings.load(SeqCst), 1);
    let lease = pending.take().expect("released to it");
    let stats = scene.pool.stats();
    assert_eq!((stats.in_use, stats.idle, stats.waiting, stats.reused), (1, 0, 0, 1));
    assert_eq!((lease.uses(), wire.is_closed()), (2, false));
}

#[test]
fn a_pending_vacancy_takes_an_idle_connection_at_once() {
    let scene = Scene::new().max(2);
    let (lease, _) = scene.open(0);
    let vacancy = vacant(scene.acquire(0));
    lease.release(Clean, scene.at(1), Keep::Pool);
    let (rings, ring) = waker();

    let pending = vacancy.wait_for_release(ring);

    assert_eq!(rings.load(SeqCst), 1);
    drop(pending.take().expect("it was idle"));
    assert_eq!((scene.pool.stats().in_use, scene.pool.stats().idle), (0, 0));
}

#[test]
fn a_bad_one_is_closed_and_the_next_is_waited_for() {
    let scene = Scene::new().max(3);
    let (bad, bad_wire) = scene.open(0);
    let (good, _) = scene.open(0);
    let (rings, ring) = waker();
    let pending = vacant(scene.acquire(0)).wait_for_release(ring);
    bad_wire.will_be_found(Liveness::Closed);

    bad.release(Clean, scene.at(1), Keep::Pool);
    let pending = pending.take().expect_err("it was closed");
    assert!(bad_wire.is_closed());
    assert_eq!((scene.pool.stats().in_use, scene.pool.stats().waiting), (2, 1));
    good.release(Clean, scene.at(2), Keep::Pool);

    assert_eq!(rings.load(SeqCst), 2);
    drop(pending.take().expect("the good one"));
    assert_eq!(scene.pool.stats().in_use, 0);
}

#[test]
fn a_pending_vacancy_comes_before_waiters_and_leaves_its_place_to_them() {
    let scene = &Scene::new().max(2);
    let (lease, _) = scene.open(0);
    let (_, ring) = waker();
    let pending = vacant(scene.acquire(0)).wait_for_release(ring);

    thread::scope(|threads| {
        let waiter = threads.spawn(|| scene.acquire(0));
        scene.until_waiting(2);
        lease.release(Clean, scene.at(1), Keep::Pool);
        let lease = pending.take().expect("it had its place before the other");
        drop(vacant(waiter.join().unwrap()));
        assert_eq!(scene.pool.stats().in_use, 1);
        drop(lease);
    });
    assert_eq!(scene.pool.stats().in_use, 0);
}

#[test]
fn a_connection_that_is_released_to_a_pending_vacancy_leaves_its_place_at_once() {
    let scene = Scene::new().max(2).look_once();
    let (lease, _) = scene.open(0);
    let pending = vacant(scene.acquire(0)).wait_for_release(waker().1);

    lease.release(Clean, scene.at(1), Keep::Pool);

    drop(vacant(scene.acquire(1)));
    drop(pending.take().expect("it has its own place"));
    assert_eq!(scene.pool.stats().in_use, 0);
}

#[test]
fn a_release_in_the_last_moment_is_not_lost() {
    let scene = Scene::new().max(2);
    let (lease, _) = scene.open(0);
    let (_, ring) = waker();
    let pending = vacant(scene.acquire(0)).wait_for_release(ring);
    lease.release(Clean, scene.at(1), Keep::Pool);
    drop(reused(pending.stop()));

    let pending = vacant(scene.acquire(0)).wait_for_release(waker().1);
    drop(vacant(pending.stop()));
    let stats = scene.pool.stats();
    assert_eq!((stats.in_use, stats.waiting), (0, 0));
}

#[test]
fn a_dropped_pending_vacancy_leaves_the_queue_and_closes_its_connection() {
    let scene = Scene::new().max(2);
    let (lease, wire) = scene.open(0);
    let pending = vacant(scene.acquire(0)).wait_for_release(waker().1);
    lease.release(Clean, scene.at(1), Keep::Pool);
    drop(pending);
    assert!(wire.is_closed());

    let (lease, wire) = scene.open(1);
    drop(vacant(scene.acquire(1)).wait_for_release(waker().1));
    lease.release(Clean, scene.at(2), Keep::Pool);
    assert!(!wire.is_closed());
    assert_eq!((scene.pool.stats().in_use, scene.pool.stats().idle), (0, 1));
}

#[test]
fn a_borrowed_connection_returns_to_a_pending_vacancy_although_all_places_are_taken() {
    let scene = Scene::new().max(1);
    let (lease, wire) = scene.open(0);
    lease.release(Clean, scene.at(1), Keep::Pool);
    let loan = scene.pool.borrow_idle(|_, _| true).pop().unwrap();
    let pending = vacant(scene.acquire(1)).wait_for_release(waker().1);

    loan.give_back();

    let stats = scene.pool.stats();
    assert_eq!((stats.in_use, stats.borrowed), (1, 0), "no place more, even for a moment");
    drop(pending.take().expect("the one on loan"));
    assert!(wire.is_closed());
    assert_eq!(scene.pool.stats().in_use, 0);
}

#[test]
fn a_connection_opened_meanwhile_takes_the_place_or_is_for_the_next_request() {
    let scene = Scene::new().max(3);
    let pending = vacant(scene.acquire(0)).wait_for_release(waker().1);
    let opened = pending.fill(Conn(Arc::default()), scene.at(1));
    assert_eq!((opened.is_reused(), scene.pool.stats().in_use), (false, 1));

    let pending = vacant(scene.acquire(1)).wait_for_release(waker().1);
    opened.release(Clean, scene.at(2), Keep::Pool);
    let released = pending.fill(Conn(Arc::default()), scene.at(2));
    assert!(released.is_reused(), "it came back at the last moment");
    let stats = scene.pool.stats();
    assert_eq!((stats.in_use, stats.idle, stats.waiting), (1, 1, 0));
}
