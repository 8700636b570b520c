use super::super::Sweep;
use super::*;

#[test]
fn a_sweep_closes_expired_and_bad_connections() {
    let scene = Scene::new().ttl(10);
    let wires = scene.idle([1, 5, 6, 7, 8]);
    wires[1].will_be_found(Liveness::Closed);
    wires[2].will_be_found(Liveness::Unread);
    wires[3].will_be_found(Liveness::Broken);

    let sweep = scene.pool.sweep(scene.at(11), &scene.limits);

    let expected = Sweep { expired: 1, closed_by_peer: 1, unread: 1, broken: 1, kept: 1 };
    assert_eq!(sweep, expected);
    assert_eq!(wires.map(|wire| wire.is_closed()), [true, true, true, true, false]);
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use, stats.reused), (1, 0, 0));
}

#[test]
fn quiet_connections_are_not_checked_one_by_one() {
    let scene = Scene::new();
    let wires = scene.idle([1, 2, 3, 4]);
    for at in [0, 2, 3] {
        wires[at].quiet.store(true, SeqCst);
    }
    for wire in &wires {
        *wire.watched.lock() = Arc::downgrade(&scene.pool);
        wire.will_be_found(Liveness::Closed);
    }

    let sweep = scene.pool.sweep(scene.at(5), &scene.limits);

    assert_eq!(sweep, Sweep { closed_by_peer: 1, kept: 3, ..Sweep::default() });
    assert_eq!(wires.map(|wire| wire.checks()), [0, 1, 0, 0]);
    assert_eq!(scene.pool.stats().idle, 3);
}

#[test]
fn a_sweep_looks_at_half_of_the_idle_connections_at_a_time() {
    let scene = Scene::new();
    scene.idle([1, 2, 3, 4, 5, 6]);
    let mut idle = Vec::new();

    let sweep = scene.pool.sweep_with(scene.at(7), &scene.limits, |_, _| {
        idle.push(scene.pool.stats().idle);
        Liveness::Usable
    });

    assert_eq!((sweep.kept, scene.pool.stats().idle), (6, 6));
    assert_eq!(idle, [3, 4, 5, 3, 4, 5], "there is one for a request at any time");
}

#[test]
fn a_sweep_over_more_than_it_looks_at_together_finds_each_once() {
    let scene = Scene::new();
    let wires = scene.idle([1; 200]);
    wires[150].will_be_found(Liveness::Unread);

    let sweep = scene.pool.sweep(scene.at(2), &scene.limits);

    assert_eq!(sweep, Sweep { unread: 1, kept: 199, ..Sweep::default() });
    assert!(wires.iter().all(|wire| wire.checks() == 1));
}

#[test]
fn a_sweep_makes_no_connection_younger_and_keeps_the_order() {
    let scene = Scene::new().ttl(10);
    scene.idle([1, 2, 3]);

    for second in 4..9 {
        assert_eq!(scene.pool.sweep(scene.at(second), &scene.limits).kept, 3);
    }

    let newest = reused(scene.acquire(9));
    assert_eq!((newest.number(), newest.uses()), (3, 2));
    assert_eq!(scene.pool.sweep(scene.at(11), &scene.limits).expired, 1);
    assert_eq!(scene.pool.sweep(scene.at(12), &scene.limits).expired, 1);
}

#[test]
fn a_sweep_leaves_connections_released_after_it_began() {
    let scene = Scene::new();
    scene.idle([1, 2]);
    let mut seen = 0;

    let sweep = scene.pool.sweep_with(scene.at(3), &scene.limits, |_, _| {
        seen += 1;
        // The other one serves a request meanwhile, so it comes back later in the order.
        if let Ok(Acquired::Reused(lease)) = scene.pool.acquire(scene.at(3), &scene.limits) {
            lease.release(Clean, scene.at(4), Keep::Pool);
        }
        Liveness::Usable
    });

    assert_eq!((seen, sweep.kept, scene.pool.stats().idle), (1, 1, 2));
}

#[test]
fn the_housekeeper_gets_the_idle_time_of_each() {
    let scene = Scene::new();
    scene.idle([1, 4]);
    let mut idle = Vec::new();

    scene.pool.sweep_with(scene.at(5), &scene.limits, |_, idle_for| {
        idle.push(idle_for.as_secs());
        Liveness::Usable
    });

    assert_eq!(idle, [4, 1]);
}

#[test]
fn a_pool_closed_during_a_sweep_keeps_nothing() {
    let scene = Scene::new();
    let wires = scene.idle([1, 2]);

    scene.pool.sweep_with(scene.at(3), &scene.limits, |_, _| {
        scene.pool.close();
        Liveness::Usable
    });

    assert!(wires.iter().all(|wire| wire.is_closed()));
    assert_eq!(scene.closed(CloseReason::Shutdown), 2);
}

#[test]
fn a_request_that_comes_while_the_only_connection_is_looked_at_waits_for_it() {
    let scene = Scene::new().max(1);
    let [wire] = scene.idle([1]);

    thread::scope(|threads| {
        let request = std::cell::OnceCell::new();
        let scene = &scene;
        scene.pool.sweep_with(scene.at(2), &scene.limits, |_, _| {
            let _ = request.set(threads.spawn(|| reused(scene.acquire(2)).number()));
            scene.until_waiting(1);
            Liveness::Usable
        });
        assert_eq!(request.into_inner().unwrap().join().unwrap(), 1);
    });
    assert!(wire.is_closed(), "the request dropped it");
}
