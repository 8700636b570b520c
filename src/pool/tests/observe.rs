//! What an observer is told adds up to what the pool says of itself.

use super::super::{BorrowedConnection, Observe, PoolGauges};
use super::*;

#[derive(Debug, Default)]
struct Told {
    gauges: Mutex<PoolGauges>,
    created: AtomicUsize,
    reused: AtomicUsize,
    timed_out: AtomicUsize,
    closed: Mutex<Vec<CloseReason>>,
}

#[derive(Debug)]
struct Observer(Arc<Told>);

impl Observe for Observer {
    fn created(&self) {
        self.0.created.fetch_add(1, SeqCst);
    }

    fn reused(&self) {
        self.0.reused.fetch_add(1, SeqCst);
    }

    fn timed_out(&self) {
        self.0.timed_out.fetch_add(1, SeqCst);
    }

    fn closed(&self, reason: CloseReason) {
        self.0.closed.lock().push(reason);
    }

    fn gauges_changed(&self, before: PoolGauges, now: PoolGauges) {
        let mut gauges = self.0.gauges.lock();
        assert_eq!(*gauges, before);
        *gauges = now;
    }
}

#[test]
fn an_observer_knows_at_each_step_what_the_pool_has_and_at_its_end_that_it_has_nothing() {
    let told = Arc::new(Told::default());
    let pool = Pool::observed(Box::new(Observer(Arc::clone(&told))));
    let scene = Scene { pool, ..Scene::new().max(3).look_once() };
    let agree = |idle, in_use, borrowed| {
        let gauges = *told.gauges.lock();
        assert_eq!(gauges, PoolGauges { idle, in_use, borrowed, waiting: 0 });
        let stats = scene.pool.stats();
        assert_eq!((stats.idle, stats.in_use, stats.borrowed), (idle, in_use, borrowed));
    };
    agree(0, 0, 0);
    scene.idle([1, 2, 3]);
    agree(3, 0, 0);
    let borrowed = scene.pool.borrow_idle(|_, _| true);
    agree(1, 0, 2);
    borrowed.into_iter().for_each(BorrowedConnection::give_back);
    let (one, two, three) = (scene.acquire(4), scene.acquire(4), scene.acquire(4));
    agree(0, 3, 0);
    scene.pool.acquire(scene.at(4), &scene.limits).unwrap_err();
    reused(one).release(Clean, scene.at(5), Keep::Pool);
    drop(two);
    agree(1, 1, 0);
    reused(three).release(Clean, scene.at(5), Keep::Close(CloseReason::Forced));
    agree(1, 0, 0);
    drop(scene);
    assert_eq!(*told.gauges.lock(), PoolGauges::default());
    let [created, reused, timed_out] =
        [&told.created, &told.reused, &told.timed_out].map(|counter| counter.load(SeqCst));
    assert_eq!((created, reused, timed_out), (3, 3, 1));
    let closed = told.closed.lock();
    assert_eq!(*closed, [CloseReason::Dropped, CloseReason::Forced, CloseReason::Dropped]);
}
