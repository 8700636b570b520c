use super::super::BorrowedConnection;
use super::*;

#[test]
fn half_of_the_idle_ones_are_lent_oldest_first_and_come_back_as_old_as_they_were() {
    let scene = Scene::new().ttl(10);
    scene.idle([1, 2, 3, 4, 5]);

    let borrowed = scene.pool.borrow_idle(|_, _| true);

    let stats = scene.pool.stats();
    assert_eq!((borrowed.len(), stats.borrowed, stats.idle, stats.in_use), (3, 3, 2, 0));
    borrowed.into_iter().for_each(BorrowedConnection::give_back);
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.reused), (5, 0, 0));
    let sweep = scene.pool.sweep(scene.at(11), &scene.limits);
    assert_eq!((sweep.expired, sweep.kept), (1, 4), "the first one, released at 1 s");
}

#[test]
fn a_request_does_not_wait_for_the_only_connection_while_it_is_borrowed() {
    let scene = Scene::new().max(1).look_once();
    scene.idle([1]);

    let borrowed = scene.pool.borrow_idle(|_, since| since == scene.at(1));

    assert_eq!(borrowed.len(), 1);
    drop(vacant(scene.acquire(2)));
    drop(scene.pool.acquire_fresh(scene.at(2), &scene.limits).unwrap());
}

#[test]
fn a_borrowed_connection_has_no_place_but_requests_take_no_more_than_max() {
    let scene = Scene::new().max(2).look_once();
    scene.idle([1, 2]);
    let _lent = scene.pool.borrow_idle(|_, _| true);

    let (_second, _third) = (reused(scene.acquire(3)), scene.open(3));

    let stats = scene.pool.stats();
    assert_eq!((stats.borrowed, stats.idle, stats.in_use), (1, 0, 2));
    assert!(scene.pool.acquire(scene.at(3), &scene.limits).is_err());
}

#[test]
fn a_loan_that_comes_back_to_a_full_pool_is_closed_outside_the_lock() {
    let scene = Scene::new().max(1).look_once();
    let [wire] = scene.idle([1]);
    let [borrowed] = <[_; 1]>::try_from(scene.pool.borrow_idle(|_, _| true)).unwrap();
    let (lease, second) = scene.open(2);
    *wire.watched.lock() = Arc::downgrade(&scene.pool);

    borrowed.give_back();

    assert!(wire.is_closed() && !second.is_closed());
    assert_eq!(scene.closed(CloseReason::Evicted), 1);
    lease.release(Clean, scene.at(3), Keep::Pool);
    let stats = scene.pool.stats();
    assert_eq!((stats.borrowed, stats.idle, stats.in_use), (0, 1, 0));
}

#[test]
fn a_loan_that_comes_back_while_there_is_room_again_is_kept() {
    let scene = Scene::new().max(1).look_once();
    let [wire] = scene.idle([1]);
    let [borrowed] = <[_; 1]>::try_from(scene.pool.borrow_idle(|_, _| true)).unwrap();
    drop(scene.open(2));

    borrowed.give_back();

    assert_eq!(reused(scene.acquire(3)).number(), 1);
    assert!(wire.is_closed(), "the request dropped it");
}

#[test]
fn a_waiter_gets_no_place_from_a_borrowed_connection() {
    let mut scene = Scene::new().max(1).look_once();
    let [wire] = scene.idle([1]);
    let [borrowed] = <[_; 1]>::try_from(scene.pool.borrow_idle(|_, _| true)).unwrap();
    let (lease, _) = scene.open(2);
    scene.limits.wait = Wait::Forever;
    let scene = &scene;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| reused(scene.acquire(3)).number());
        scene.until_waiting(1);

        borrowed.give_back();

        assert!(wire.is_closed());
        assert_eq!(scene.pool.stats().waiting, 1, "one more would be above max");
        lease.release(Clean, scene.at(4), Keep::Pool);
        assert_eq!(waiting.join().unwrap(), 2);
    });
}

#[test]
fn a_loan_that_is_dropped_or_closed_closes_its_connection_and_counts_no_more() {
    let scene = Scene::new();
    let [first, second] = scene.idle([1, 2]);

    drop(scene.pool.borrow_idle(|_, _| true));
    scene.pool.borrow_idle(|_, _| true).into_iter().for_each(|l| l.close(CloseReason::Broken));

    assert!(first.is_closed() && second.is_closed());
    assert_eq!((scene.closed(CloseReason::Dropped), scene.closed(CloseReason::Broken)), (1, 1));
    let stats = scene.pool.stats();
    assert_eq!((stats.borrowed, stats.idle, stats.in_use), (0, 0, 0));
}

#[test]
fn a_borrowed_connection_that_returns_to_a_closed_pool_is_closed_although_the_pool_is_full() {
    let scene = Scene::new().max(1).look_once();
    let [first, second] = {
        let [first] = scene.idle([1]);
        let borrowed = scene.pool.borrow_idle(|_, _| true);
        let (_lease, second) = scene.open(2);
        scene.pool.close();
        borrowed.into_iter().for_each(BorrowedConnection::give_back);
        [first, second]
    };
    assert!(first.is_closed() && second.is_closed());
    assert_eq!(scene.closed(CloseReason::Shutdown), 1, "the borrowed one");
}

#[test]
fn above_smax_the_older_of_a_loan_and_the_one_opened_meanwhile_is_closed() {
    let scene = Scene::new().smax(1);
    let [wire] = scene.idle([1]);
    let [borrowed] = <[_; 1]>::try_from(scene.pool.borrow_idle(|_, _| true)).unwrap();
    let (lease, second) = scene.open(2);
    lease.release(Clean, scene.at(3), Keep::Pool);

    borrowed.give_back();

    assert!(wire.is_closed() && !second.is_closed());
    assert_eq!(scene.closed(CloseReason::Evicted), 1);
}

#[test]
fn chosen_idle_connections_are_closed_outside_the_lock_and_counted() {
    let scene = Scene::new();
    let wires = scene.idle([1, 2, 3]);
    for wire in &wires {
        *wire.watched.lock() = Arc::downgrade(&scene.pool);
    }
    let second = Arc::clone(&wires[1]);

    let closed = scene
        .pool
        .close_idle(CloseReason::Moved, |connection, _| Arc::ptr_eq(&connection.0, &second));

    assert_eq!(closed, 1);
    assert_eq!(wires.map(|wire| wire.is_closed()), [false, true, false]);
    assert_eq!(scene.closed(CloseReason::Moved), 1);
}

#[test]
fn there_is_a_vacancy_below_the_floor_only() {
    let scene = Scene::new();
    let [_wire] = scene.idle([1]);
    let (lease, _) = scene.open_fresh();

    assert!(scene.pool.vacancy_below(2).is_none(), "one idle, one in use");
    let vacancy = scene.pool.vacancy_below(3).expect("one is missing");
    assert!(scene.pool.vacancy_below(3).is_none(), "the vacancy counts");
    drop((vacancy, lease));
}

#[test]
fn no_connection_is_opened_beyond_max_before_the_first_request() {
    let scene = Scene::new();
    scene.pool.set_limits(&Limits { max: NonZeroUsize::new(2), ..Limits::default() });
    let vacancies = [(); 3].map(|()| scene.pool.vacancy_below(usize::MAX));
    assert_eq!(vacancies.map(|vacancy| vacancy.is_some()), [true, true, false]);
}

#[test]
fn borrowed_connections_count_for_min_and_against_max() {
    let scene = Scene::new().max(2);
    scene.idle([1, 2]);
    let borrowed = scene.pool.borrow_idle(|_, _| true);
    assert_eq!(borrowed.len(), 1);

    assert!(scene.pool.vacancy_below(2).is_none(), "two are open");
    assert!(scene.pool.vacancy_below(3).is_none(), "no warm one beyond max");
    drop(borrowed);
    drop(scene.pool.vacancy_below(2).expect("one is missing"));
}

#[test]
fn there_is_no_vacancy_for_min_at_max_or_after_the_end() {
    let scene = Scene::new().max(1);
    let (lease, _) = scene.open(0);
    assert!(scene.pool.vacancy_below(5).is_none());
    drop(lease);
    drop(scene.pool.vacancy_below(5).expect("there is room again"));

    scene.pool.close();
    assert!(scene.pool.vacancy_below(5).is_none());
}
