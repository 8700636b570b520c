use super::*;

#[test]
fn half_of_the_idle_ones_are_lent_oldest_first_and_come_back_as_old_as_they_were() {
    let scene = Scene::new().ttl(10);
    scene.idle([1, 2, 3, 4, 5]);

    let lent = scene.pool.borrow_idle(|_, _| true);

    let stats = scene.pool.stats();
    assert_eq!((lent.len(), stats.idle, stats.in_use), (3, 2, 3));
    lent.into_iter().for_each(super::super::Loan::give_back);
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.reused), (5, 0, 0));
    let sweep = scene.pool.sweep(scene.at(11), &scene.limits);
    assert_eq!((sweep.expired, sweep.kept), (1, 4), "the first one, released at 1 s");
}

#[test]
fn the_only_idle_connection_can_be_lent() {
    let scene = Scene::new();
    scene.idle([1]);
    assert_eq!(scene.pool.borrow_idle(|_, since| since == scene.at(1)).len(), 1);
}

#[test]
fn a_loan_that_is_dropped_closes_its_connection_and_frees_its_place() {
    let scene = Scene::new().max(1).look_once();
    let [wire] = scene.idle([1]);

    drop(scene.pool.borrow_idle(|_, _| true));

    assert!(wire.is_closed());
    assert_eq!(scene.closed(CloseReason::Dropped), 1);
    drop(vacant(scene.acquire(2)));
}

#[test]
fn who_waits_while_the_last_connection_is_lent_gets_it_when_it_comes_back() {
    let scene = Scene::new().max(1);
    scene.idle([1]);
    let mut lent = scene.pool.borrow_idle(|_, _| true);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| reused(scene.acquire(2)).number());
        scene.until_waiting(1);
        lent.pop().unwrap().give_back();
        assert_eq!(waiting.join().unwrap(), 1);
    });
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
fn there_is_no_vacancy_for_the_floor_at_max_or_after_the_end() {
    let scene = Scene::new().max(1);
    let (lease, _) = scene.open(0);
    assert!(scene.pool.vacancy_below(5).is_none());
    drop(lease);
    drop(scene.pool.vacancy_below(5).expect("there is room again"));

    scene.pool.close();
    assert!(scene.pool.vacancy_below(5).is_none());
}
