//! Many threads at once; what must hold afterwards, whatever the interleaving.

use super::*;

/// Threads that acquire, use, release, drop, discard, time out, sweep and evict at once.
#[test]
fn no_place_and_no_connection_is_lost_or_used_twice() {
    const MAX: usize = 3;
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 2_000;
    let scene = &Scene::new().max(MAX).ttl(1_000_000);
    let (opened, closed, leased) =
        (&AtomicUsize::new(0), &AtomicUsize::new(0), &AtomicUsize::new(0));

    struct Counted<'a>(&'a AtomicUsize);
    impl<'a> Counted<'a> {
        fn new(up: &'a AtomicUsize) -> Self {
            let before = up.fetch_add(1, SeqCst);
            assert!(before < MAX, "more than max at once");
            Self(up)
        }
    }
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    thread::scope(|threads| {
        for seed in 0..THREADS {
            threads.spawn(move || {
                let mut random = seed + 1;
                for round in 0..ROUNDS {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                    let choice = random >> 33;
                    let now = scene.at(round);
                    let wait = match choice % 3 {
                        0 => Wait::For(Duration::ZERO),
                        // Passed already on the real clock, or about to: races with releases.
                        1 => Wait::For(Duration::from_micros(1)),
                        _ => Wait::Forever,
                    };
                    let limits = Limits { wait, ..scene.limits };
                    let now_waiting = if choice % 3 == 1 { scene.start } else { now };
                    let lease = match scene.pool.acquire(now_waiting, &limits) {
                        Err(_) => continue,
                        Ok(Acquired::Reused(lease)) => lease,
                        Ok(Acquired::Vacant(vacancy)) => {
                            opened.fetch_add(1, SeqCst);
                            open_in(vacancy).0
                        }
                    };
                    let in_use = Counted::new(leased);
                    match choice / 3 % 8 {
                        0 => {
                            drop(in_use);
                            closed.fetch_add(1, SeqCst);
                            drop(lease);
                        }
                        1 => {
                            closed.fetch_add(1, SeqCst);
                            let vacancy = lease.discard(CloseReason::Broken);
                            drop(in_use);
                            drop(vacancy);
                        }
                        2 => {
                            drop(in_use);
                            lease.release(Clean, now, Keep::Pool);
                            scene.pool.sweep(now, &limits);
                        }
                        3 => {
                            drop(in_use);
                            lease.release(Clean, now, Keep::Pool);
                            drop(scene.pool.acquire_fresh(scene.start, &limits));
                        }
                        _ => {
                            drop(in_use);
                            lease.release(Clean, now, Keep::Pool);
                        }
                    }
                }
            });
        }
    });

    let stats = scene.pool.stats();
    assert_eq!((stats.in_use, stats.waiting), (0, 0));
    assert!(stats.idle <= MAX);
    assert_eq!(stats.created, opened.load(SeqCst) as u64);
    assert_eq!(stats.created, stats.closed.total() + stats.idle as u64);
    let by_users = stats.closed.of(CloseReason::Dropped) + stats.closed.of(CloseReason::Broken);
    assert_eq!(by_users, closed.load(SeqCst) as u64);
}

#[test]
fn a_pool_of_thousands_leases_and_takes_back_without_a_look_at_the_rest() {
    const IDLE: usize = 5_000;
    let scene = Scene::new().ttl(1_000);
    let leases: Vec<_> = (0..IDLE).map(|_| scene.open(0)).collect();
    let wires: Vec<_> = leases
        .into_iter()
        .map(|(lease, wire)| {
            lease.release(Clean, scene.at(1), Keep::Pool);
            wire
        })
        .collect();

    for _ in 0..IDLE {
        reused(scene.acquire(2)).release(Clean, scene.at(2), Keep::Pool);
    }

    assert_eq!(wires[..IDLE - 1].iter().map(|wire| wire.checks()).sum::<usize>(), 0);
    assert_eq!(wires[IDLE - 1].checks(), IDLE);
    assert_eq!(scene.pool.stats().idle, IDLE);
}
