//! The pool with made-up connections and a made-up clock.
//!
//! Nothing sleeps. Where threads must be at a certain point, the test watches `stats().waiting`.

mod acquire;
mod borrowed;
mod observe;
mod pending;
mod race;
mod release;
mod sweep;
mod ticket;
mod waiting;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Acquired, CloseReason, Keep, Lease, Limits, Liveness, Pool, Pooled, Vacancy, Wait};

/// The proof of these tests: they say so.
struct Clean;

/// What the test decides about a connection, and learns of it.
#[derive(Debug, Default)]
struct Wire {
    found: Mutex<Option<Liveness>>,
    /// It is quiet whenever several are looked at together.
    quiet: AtomicBool,
    checks: AtomicUsize,
    drops: AtomicUsize,
    /// A pool whose lock must be free whenever this connection is looked at or closed.
    watched: Mutex<Weak<Pool<Conn>>>,
    panics_in_check: AtomicBool,
}

impl Wire {
    fn will_be_found(&self, found: Liveness) {
        *self.found.lock() = Some(found);
    }

    fn is_closed(&self) -> bool {
        assert!(self.drops.load(SeqCst) <= 1, "closed twice");
        self.drops.load(SeqCst) == 1
    }

    fn checks(&self) -> usize {
        self.checks.load(SeqCst)
    }

    fn assert_unlocked(&self) {
        if let Some(pool) = self.watched.lock().upgrade() {
            assert!(pool.state.try_lock().is_some(), "the pool is locked");
        }
    }
}

#[derive(Debug)]
struct Conn(Arc<Wire>);

impl Pooled for Conn {
    type Proof = Clean;

    fn check(&mut self) -> Liveness {
        self.0.assert_unlocked();
        self.0.checks.fetch_add(1, SeqCst);
        assert!(!self.0.panics_in_check.load(SeqCst), "as the test asked");
        self.0.found.lock().unwrap_or(Liveness::Usable)
    }

    fn are_quiet(connections: &[&Self]) -> Vec<bool> {
        connections.iter().for_each(|connection| connection.0.assert_unlocked());
        connections.iter().map(|connection| connection.0.quiet.load(SeqCst)).collect()
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.0.assert_unlocked();
        self.0.drops.fetch_add(1, SeqCst);
    }
}

/// A pool, its clock and its limits.
struct Scene {
    pool: Arc<Pool<Conn>>,
    start: Instant,
    limits: Limits,
}

impl Scene {
    fn new() -> Self {
        Self { pool: Pool::new(), start: Instant::now(), limits: Limits::default() }
    }

    fn max(mut self, max: usize) -> Self {
        self.limits.max = NonZeroUsize::new(max);
        self
    }

    fn ttl(mut self, seconds: u64) -> Self {
        self.limits.ttl = Some(Duration::from_secs(seconds));
        self
    }

    fn smax(mut self, smax: usize) -> Self {
        self.limits.smax = Some(smax);
        self
    }

    fn look_once(mut self) -> Self {
        self.limits.wait = Wait::For(Duration::ZERO);
        self
    }

    /// The moment so many seconds after the start.
    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn acquire(&self, seconds: u64) -> Acquired<Conn> {
        self.pool.acquire(self.at(seconds), &self.limits).unwrap()
    }

    /// Opens a connection in a vacancy asked for at this time.
    fn open(&self, seconds: u64) -> (Lease<Conn>, Arc<Wire>) {
        open_in(vacant(self.acquire(seconds)))
    }

    /// Opens a connection though there are idle ones.
    fn open_fresh(&self) -> (Lease<Conn>, Arc<Wire>) {
        open_in(self.pool.acquire_fresh(self.at(0), &self.limits).unwrap())
    }

    /// Opens so many at 0 s, and releases them at the times given, in that order.
    fn idle<const N: usize>(&self, released: [u64; N]) -> [Arc<Wire>; N] {
        let open = released.map(|at| (at, self.open(0)));
        open.map(|(at, (lease, wire))| {
            lease.release(Clean, self.at(at), Keep::Pool);
            wire
        })
    }

    fn closed(&self, reason: CloseReason) -> u64 {
        self.pool.stats().closed.of(reason)
    }

    /// Returns once so many threads wait.
    fn until_waiting(&self, count: usize) {
        while self.pool.stats().waiting != count {
            thread::yield_now();
        }
    }
}

fn open_in(vacancy: Vacancy<Conn>) -> (Lease<Conn>, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    (vacancy.fill(Conn(Arc::clone(&wire))), wire)
}

fn vacant(acquired: Acquired<Conn>) -> Vacancy<Conn> {
    match acquired {
        Acquired::Vacant(vacancy) => vacancy,
        Acquired::Reused(lease) => panic!("got connection {} back", lease.number()),
    }
}

fn reused(acquired: Acquired<Conn>) -> Lease<Conn> {
    match acquired {
        Acquired::Reused(lease) => lease,
        Acquired::Vacant(_) => panic!("got a vacancy"),
    }
}
