//! A pool with made-up connections, and the observer that checks it at every step.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::choice::choose;
use crate::pool::{
    Acquired, CloseReason, Keep, Lease, Limits, Liveness, Observe, Pool, PoolGauges, Pooled,
    Vacancy, Wait,
};
use crate::sync::Mutex;

/// One in so many connections that are looked at has been closed by its peer.
const ROT: u32 = 8;

/// A connection. Those that are open are counted.
pub(crate) struct Conn {
    open: Arc<AtomicUsize>,
}

impl Pooled for Conn {
    type Proof = ();

    fn check(&mut self) -> Liveness {
        // Others go on meanwhile.
        shuttle::thread::yield_now();
        if choose(ROT) == 0 { Liveness::Closed } else { Liveness::Usable }
    }

    fn are_quiet(connections: &[&Self]) -> Vec<bool> {
        connections.iter().map(|_| choose(2) == 0).collect()
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        shuttle::thread::yield_now();
        self.open.fetch_sub(1, SeqCst);
    }
}

/// Checks what must hold at every moment. Only one thread runs at a time, and its counters are not points
/// for the scheduler, so that they are exact.
#[derive(Debug)]
struct Referee {
    max: usize,
    /// Threads that look for a connection.
    looking: Arc<AtomicUsize>,
    gauges: std::sync::Mutex<PoolGauges>,
    /// Connections in the pool's care.
    open: AtomicUsize,
    /// Whether idle connections are closed at all times. They are closed outside the lock, when their places are free,
    /// so they may be open a moment longer than counted.
    closes_idle: bool,
}

impl Referee {
    fn gauges(&self) -> PoolGauges {
        *self.gauges.lock().expect("no panic is survived")
    }
}

impl Observe for Referee {
    fn created(&self) {
        let open = self.open.fetch_add(1, SeqCst) + 1;
        let PoolGauges { idle, in_use, borrowed, .. } = self.gauges();
        if !self.closes_idle {
            assert!(open <= idle + in_use + borrowed, "{open} open: {:?}", self.gauges());
            assert!(open <= self.max + borrowed, "{open} open: {:?}", self.gauges());
        }
    }

    fn closed(&self, _: CloseReason) {
        self.open.fetch_sub(1, SeqCst);
    }

    fn gauges_changed(&self, before: PoolGauges, now: PoolGauges) {
        assert_eq!(before, self.gauges());
        *self.gauges.lock().expect("no panic is survived") = now;
        let PoolGauges { idle, in_use, borrowed, waiting } = now;
        let (max, looking) = (self.max, self.looking.load(SeqCst));
        assert!(in_use <= max, "in_use is above max = {max}: {now:?}");
        assert!(in_use + idle <= max, "more places than max = {max}: {now:?}");
        assert!(waiting <= looking, "{waiting} wait and {looking} are there");
        assert!(borrowed <= max.div_ceil(2), "more loans than half of max = {max}: {now:?}");
    }

    fn reused(&self) {}

    fn timed_out(&self) {}
}

/// A pool of at most `max`, shared by the threads of a schedule.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) pool: Arc<Pool<Conn>>,
    pub(crate) max: usize,
    pub(crate) closes_idle: bool,
    start: Instant,
    open: Arc<AtomicUsize>,
    looking: Arc<AtomicUsize>,
    /// The housekeeper is one thread at a time.
    housekeeper: Arc<Mutex<()>>,
}

impl Scene {
    /// One in which idle connections are not closed, except one by one in their places.
    pub(crate) fn new(max: usize) -> Self {
        Self::of(max, false)
    }

    /// One in which they may be, whenever it pleases.
    pub(crate) fn that_closes_idle(max: usize) -> Self {
        Self::of(max, true)
    }

    fn of(max: usize, closes_idle: bool) -> Self {
        let looking = Arc::<AtomicUsize>::default();
        let referee = Referee {
            max,
            looking: Arc::clone(&looking),
            gauges: std::sync::Mutex::new(PoolGauges::default()),
            open: AtomicUsize::new(0),
            closes_idle,
        };
        let scene = Self {
            pool: Pool::observed(Box::new(referee)),
            max,
            closes_idle,
            start: Instant::now(),
            open: Arc::default(),
            looking,
            housekeeper: Arc::new(Mutex::new(())),
        };
        // The housekeeper may come before any request.
        scene.pool.set_limits(&scene.forever());
        scene
    }

    /// A moment so many seconds after the start.
    pub(crate) fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    pub(crate) fn limits(&self, wait: Wait) -> Limits {
        let ttl = Some(Duration::from_secs(1000));
        Limits { max: NonZeroUsize::new(self.max), smax: None, ttl, wait }
    }

    pub(crate) fn forever(&self) -> Limits {
        self.limits(Wait::Forever)
    }

    pub(crate) fn once(&self) -> Limits {
        self.limits(Wait::For(Duration::ZERO))
    }

    /// Up to a moment of the scheduler's choice.
    pub(crate) fn a_while(&self) -> Limits {
        self.limits(Wait::For(Duration::from_secs(1)))
    }

    /// Looks for a connection: whoever waits in the pool does it in here.
    pub(crate) fn look<T>(&self, look: impl FnOnce() -> T) -> T {
        self.looking.fetch_add(1, SeqCst);
        let found = look();
        self.looking.fetch_sub(1, SeqCst);
        found
    }

    pub(crate) fn connect(&self) -> Conn {
        shuttle::thread::yield_now();
        self.open.fetch_add(1, SeqCst);
        Conn { open: Arc::clone(&self.open) }
    }

    pub(crate) fn open_in(&self, vacancy: Vacancy<Conn>) -> Lease<Conn> {
        vacancy.fill(self.connect())
    }

    pub(crate) fn lease(&self, acquired: Acquired<Conn>) -> Lease<Conn> {
        match acquired {
            Acquired::Reused(lease) => lease,
            Acquired::Vacant(vacancy) => self.open_in(vacancy),
        }
    }

    pub(crate) fn acquire(&self, seconds: u64) -> Lease<Conn> {
        let acquired = self.look(|| self.pool.acquire(self.at(seconds), &self.forever()));
        self.lease(acquired.expect("waits forever"))
    }

    pub(crate) fn release(&self, lease: Lease<Conn>, seconds: u64) {
        lease.release((), self.at(seconds), Keep::Pool);
    }

    /// Stocks so many connections.
    pub(crate) fn stock(&self, count: usize) {
        let limits = self.forever();
        let vacancies: Vec<_> = (0..count)
            .map(|_| self.pool.acquire_fresh(self.at(0), &limits).expect("there is room"))
            .collect();
        for vacancy in vacancies {
            vacancy.stock(self.connect(), self.at(0));
        }
    }

    /// A connection acquired by a caller that does not sleep in the pool, which waits for as long as it takes.
    pub(crate) fn acquire_by_ticket(&self, seconds: u64, fresh: bool) -> Lease<Conn> {
        let bell = Bell::new();
        let (now, limits) = (self.at(seconds), self.forever());
        let ring = || Some(bell.ringer());
        let mut ticket = match match fresh {
            true => self.pool.acquire_fresh_or_queue(now, &limits, ring),
            false => self.pool.acquire_or_queue(now, &limits, ring),
        } {
            Ok(acquired) => return self.lease(acquired),
            Err(ticket) => ticket.expect("it has a waker"),
        };
        loop {
            bell.hear();
            match ticket.take() {
                Ok(acquired) => return self.lease(acquired),
                Err(same) => ticket = same,
            }
        }
    }

    /// Borrows idle connections, and gives them back, closes or drops them, one housekeeper at a time.
    pub(crate) fn test_idle(&self) {
        let _one = self.housekeeper.lock();
        for loan in self.pool.borrow_idle(|_, _| true) {
            shuttle::thread::yield_now();
            match choose(8) {
                0 => loan.close(CloseReason::Broken),
                1 => drop(loan),
                _ => loan.give_back(),
            }
        }
    }

    /// What must hold once all threads have ended.
    pub(crate) fn check_end(&self) {
        let stats = self.pool.stats();
        assert_eq!((stats.in_use, stats.borrowed, stats.waiting), (0, 0, 0), "{stats:?}");
        assert_eq!(stats.created, stats.closed.total() + stats.idle as u64, "{stats:?}");
        assert_eq!(self.open.load(SeqCst), stats.idle, "{stats:?}");
        self.pool.close();
        let stats = self.pool.stats();
        assert_eq!((stats.idle, stats.created), (0, stats.closed.total()), "{stats:?}");
        assert_eq!(self.open.load(SeqCst), 0);
    }
}
