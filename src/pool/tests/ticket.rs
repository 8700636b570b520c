use super::super::{AcquireError, QueueTicket};
use super::*;

/// A turn in the queue of a pool without a free place, and how often it has been woken.
fn queued(scene: &Scene) -> (QueueTicket<Conn>, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = move || {
        count.fetch_add(1, SeqCst);
    };
    let ticket = scene.pool.acquire_or_queue(scene.at(0), &scene.limits, || Some(wake));
    (ticket.expect_err("no place is free").expect("there is a waker"), woken)
}

/// A waker that does nothing.
fn quiet() -> Option<fn()> {
    Some(|| ())
}

#[test]
fn without_a_waker_there_is_no_turn() {
    let scene = Scene::new().max(1);
    let (_lease, _) = scene.open(0);
    let none = || None::<fn()>;

    let refused = scene.pool.acquire_or_queue(scene.at(0), &scene.limits, none);

    assert!(matches!(refused, Err(None)));
    assert_eq!(scene.pool.stats().waiting, 0);
}

#[test]
fn with_a_free_place_there_is_no_queue() {
    let scene = Scene::new().max(1);
    let [wire] = scene.idle([0]);

    let no_waker = || -> Option<fn()> { panic!("nothing is waited for") };
    let acquired = scene.pool.acquire_or_queue(scene.at(0), &scene.limits, no_waker);
    let acquired = acquired.expect("a place");

    assert_eq!(reused(acquired).number(), 1);
    assert!(wire.is_closed(), "the lease was dropped");
    let fresh = scene.pool.acquire_fresh_or_queue(scene.at(0), &scene.limits, quiet);
    drop(vacant(fresh.expect("a place")));
}

#[test]
fn tickets_are_served_in_order_and_woken_once() {
    let scene = Scene::new().max(1);
    let (lease, _) = scene.open(0);
    let (first, woken) = queued(&scene);
    let (second, not_woken) = queued(&scene);
    let first = first.take().expect_err("nothing has come back");
    assert_eq!((scene.pool.stats().waiting, woken.load(SeqCst)), (2, 0));

    lease.release(Clean, scene.at(1), Keep::Pool);

    assert_eq!((woken.load(SeqCst), not_woken.load(SeqCst)), (1, 0));
    let lease = reused(first.take().expect("it has come back"));
    assert_eq!(lease.number(), 1);
    drop(lease);
    drop(vacant(second.take().expect("its place is free")));
    let stats = scene.pool.stats();
    assert_eq!((stats.waiting, stats.in_use), (0, 0));
}

#[test]
fn a_ticket_whose_time_is_up_takes_a_last_moment_connection_or_is_busy() {
    let scene = Scene::new().max(1);
    let (lease, _) = scene.open(0);
    let (late, _) = queued(&scene);
    let (never, _) = queued(&scene);

    assert!(matches!(never.give_up(), Err(AcquireError::Busy { max: 1, .. })));
    lease.release(Clean, scene.at(1), Keep::Pool);

    assert_eq!(reused(late.give_up().expect("it was served")).number(), 1);
    assert_eq!(scene.pool.stats().timed_out, 1);
}

#[test]
fn what_a_ticket_brings_was_waited_for() {
    let scene = &Scene::new().max(1);
    let (lease, _) = scene.open(0);
    lease.release(Clean, scene.at(0), Keep::Pool);
    let lease = reused(scene.acquire(0));
    let [first, second] = [queued(scene).0, queued(scene).0];
    lease.release(Clean, scene.at(1), Keep::Pool);
    let lease = reused(first.take().expect("it was served"));
    assert!(!lease.was_at_once());
    lease.release(Clean, scene.at(1), Keep::Pool);
    assert!(!reused(second.give_up().expect("it was served")).was_at_once());
}

#[test]
fn a_dropped_ticket_leaves_the_queue_and_passes_on_what_it_was_served() {
    let scene = Scene::new().max(1);
    let (lease, wire) = scene.open(0);
    let (gone, _) = queued(&scene);
    drop(gone);
    assert_eq!(scene.pool.stats().waiting, 0);

    let (served, _) = queued(&scene);
    let (next, woken) = queued(&scene);
    lease.release(Clean, scene.at(1), Keep::Pool);
    drop(served);

    assert_eq!(woken.load(SeqCst), 1);
    assert!(!wire.is_closed());
    assert_eq!(reused(next.take().expect("handed on")).number(), 1);
}

#[test]
fn a_ticket_for_a_new_connection_gets_the_place_alone() {
    let scene = Scene::new().max(1);
    let (lease, wire) = scene.open(0);
    let ticket = scene.pool.acquire_fresh_or_queue(scene.at(0), &scene.limits, quiet);
    let ticket = ticket.expect_err("no place is free").expect("there is a waker");

    lease.release(Clean, scene.at(1), Keep::Pool);

    drop(vacant(ticket.take().expect("the place")));
    assert!(wire.is_closed());
}
