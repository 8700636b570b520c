use super::*;

#[test]
fn a_lease_dropped_closes_its_connection_and_frees_its_place() {
    let scene = Scene::new().max(1).look_once();
    let (lease, wire) = scene.open(0);

    drop(lease);

    assert!(wire.is_closed());
    assert_eq!(scene.closed(CloseReason::Dropped), 1);
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use), (0, 0));
}

#[test]
fn a_lease_dropped_in_a_panic_closes_its_connection_and_frees_its_place() {
    let scene = Scene::new().max(1).look_once();
    let (lease, wire) = scene.open(0);

    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _lease = lease;
        panic!("in the middle of a request");
    }));

    assert!(caught.is_err() && wire.is_closed());
    assert_eq!(scene.pool.stats().in_use, 0);
}

#[test]
fn a_place_is_free_only_once_its_connection_is_closed() {
    struct Slow(Arc<Mutex<Weak<Pool<Slow>>>>);
    impl Pooled for Slow {
        type Proof = Clean;
        fn check(&mut self) -> Liveness {
            Liveness::Usable
        }
    }
    impl Drop for Slow {
        fn drop(&mut self) {
            if let Some(pool) = self.0.lock().upgrade() {
                assert_eq!(pool.stats().in_use, 1);
            }
        }
    }
    let pool = Pool::<Slow>::new();
    let known = Arc::new(Mutex::new(Arc::downgrade(&pool)));
    let now = Instant::now();

    for end in [Keep::Close(CloseReason::Forced), Keep::Pool] {
        let Ok(Acquired::Vacant(vacancy)) = pool.acquire(now, &Limits::default()) else { panic!() };
        let lease = vacancy.fill(Slow(Arc::clone(&known)));
        if end == Keep::Pool { drop(lease) } else { lease.release(Clean, now, end) }
    }

    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn a_connection_released_to_be_closed_is_closed_for_that_reason() {
    let scene = Scene::new();
    let (lease, wire) = scene.open(0);

    lease.release(Clean, scene.at(1), Keep::Close(CloseReason::Forced));

    assert!(wire.is_closed());
    assert_eq!(scene.closed(CloseReason::Forced), 1);
    assert_eq!(scene.pool.stats().idle, 0);
}

#[test]
fn a_stale_lease_becomes_a_vacancy_without_waiting() {
    let scene = Scene::new().max(1).look_once();
    let [wire] = scene.idle([1]);

    let vacancy = reused(scene.acquire(2)).discard(CloseReason::Broken);

    assert!(wire.is_closed());
    assert_eq!(scene.pool.stats().in_use, 1);
    let (fresh, _) = open_in(vacancy);
    assert!(!fresh.is_reused());
    assert_eq!(fresh.number(), 2);
}

#[test]
fn a_failed_ping_drops_all_idle_ones_older_than_it_and_none_that_is_newer() {
    let scene = Scene::new();
    let [first, second, _, fourth] = scene.idle([1, 2, 3, 4]);
    let busy = reused(scene.acquire(5));
    let failed = reused(scene.acquire(5));
    assert_eq!((busy.number(), failed.number()), (4, 3));
    busy.release(Clean, scene.at(6), Keep::Pool);

    let order = failed.last_release().unwrap();
    drop(failed.discard(CloseReason::Broken));
    let dropped = scene.pool.drop_idle_older_than(order);

    assert_eq!(dropped, 2);
    assert!(first.is_closed() && second.is_closed() && !fourth.is_closed());
    assert_eq!(scene.closed(CloseReason::Suspect), 2);
}

#[test]
fn a_lowered_max_closes_the_excess_on_release() {
    let mut scene = Scene::new().max(3);
    let leases = [scene.open(0), scene.open(0), scene.open(0)];
    scene.limits.max = NonZeroUsize::new(2);
    scene.limits.wait = Wait::For(Duration::ZERO);
    scene.pool.acquire(scene.at(1), &scene.limits).unwrap_err();

    let wires = leases.map(|(lease, wire)| {
        lease.release(Clean, scene.at(1), Keep::Pool);
        wire
    });

    assert_eq!(wires.map(|wire| wire.is_closed()), [true, false, false]);
    assert_eq!(scene.closed(CloseReason::Evicted), 1);
    assert_eq!(scene.pool.stats().idle, 2);
}

#[test]
fn above_smax_the_oldest_idle_connection_is_closed_if_there_is_no_ttl() {
    let scene = Scene::new().smax(2);

    let wires = scene.idle([1, 2, 3]);

    assert_eq!(wires.map(|wire| wire.is_closed()), [true, false, false]);
    assert_eq!(scene.closed(CloseReason::Evicted), 1);
}

#[test]
fn above_smax_connections_live_until_their_ttl() {
    let scene = Scene::new().smax(0).ttl(10);

    let [first, second] = scene.idle([1, 2]);
    assert!(!first.is_closed() && !second.is_closed());
    scene.pool.sweep(scene.at(11), &scene.limits);

    assert!(first.is_closed() && !second.is_closed());
}

#[test]
fn a_stocked_connection_is_there_for_the_next_request() {
    let scene = Scene::new();
    let wire = Arc::new(Wire::default());

    vacant(scene.acquire(0)).stock(Conn(Arc::clone(&wire)), scene.at(1));

    assert_eq!(scene.pool.stats().idle, 1);
    let lease = reused(scene.acquire(2));
    assert!(lease.is_reused());
    assert_eq!((lease.uses(), lease.idle_since()), (1, Some(scene.at(1))));
}

#[test]
fn a_closed_pool_keeps_nothing_but_lets_requests_finish() {
    let scene = Scene::new();
    let [idle] = scene.idle([1]);
    let (running, used) = scene.open_beside();

    scene.pool.close();
    assert!(idle.is_closed() && !used.is_closed());
    running.release(Clean, scene.at(2), Keep::Pool);
    let (late, last) = scene.open(3);
    late.release(Clean, scene.at(4), Keep::Pool);

    assert!(used.is_closed() && last.is_closed());
    assert_eq!(scene.closed(CloseReason::Shutdown), 3);
    let stats = scene.pool.stats();
    assert_eq!((stats.idle, stats.in_use), (0, 0));
}

#[test]
fn the_last_handle_closes_the_idle_connections() {
    let scene = Scene::new();
    let [wire] = scene.idle([1]);

    drop(scene);

    assert!(wire.is_closed());
}

#[test]
fn every_reason_has_its_own_counter_and_name() {
    let closed = super::super::Closed::default();

    let mut names: Vec<_> = closed.iter().map(|(reason, _)| reason.name()).collect();
    for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, index);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CloseReason::ALL.len());
}

impl Scene {
    /// Opens a connection though another is idle.
    fn open_beside(&self) -> (Lease<Conn>, Arc<Wire>) {
        open_in(self.pool.acquire_fresh(self.start, &self.limits).unwrap())
    }
}
