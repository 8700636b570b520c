//! What threads do with a pool.

use std::num::NonZeroUsize;

use shuttle::thread;

use super::Scenario;
use crate::bell::Bell;
use crate::choice::choose;
use crate::pool::{Acquired, CloseReason, Keep, Lease, Limits, PendingVacancy};
use crate::pool_scene::{Conn, Scene};

pub(crate) const ALL: &[Scenario] = &[
    ("requests", requests),
    ("waiting", waiting),
    ("tickets", tickets),
    ("loans", loans),
    ("reverse", reverse),
    ("seekers", seekers),
    ("resized", resized),
    ("closed", closed),
];

/// Runs each of these on a thread of its own, and checks the end.
fn all(scene: &Scene, threads: Vec<Box<dyn FnOnce(Scene) + Send>>) {
    let threads: Vec<_> = threads
        .into_iter()
        .map(|thread| {
            let scene = scene.clone();
            thread::spawn(move || thread(scene))
        })
        .collect();
    for thread in threads {
        thread.join().expect("a panic ends all");
    }
    scene.check_end();
}

fn times(count: usize, act: fn(Scene)) -> Vec<Box<dyn FnOnce(Scene) + Send>> {
    (0..count).map(|_| Box::new(act) as Box<dyn FnOnce(Scene) + Send>).collect()
}

/// Ends a use in any way.
fn end_use(scene: &Scene, lease: Lease<Conn>) {
    match choose(8) {
        0 => drop(lease),
        1 => drop(lease.discard(CloseReason::Broken)),
        2 => {
            let vacancy = lease.discard(CloseReason::Broken);
            scene.release(scene.open_in(vacancy), 2);
        }
        3 => lease.release((), scene.at(2), Keep::Close(CloseReason::Forced)),
        4 if scene.closes_idle => {
            lease.drop_older_idle();
            scene.release(lease, 2);
        }
        _ => scene.release(lease, 2),
    }
}

/// One request of any kind.
fn request(scene: &Scene) {
    let now = scene.at(1);
    let acquire = |limits| scene.look(|| scene.pool.acquire(now, &limits)).ok();
    let acquire_fresh = |limits| scene.look(|| scene.pool.acquire_fresh(now, &limits)).ok();
    let lease = match choose(6) {
        0 => acquire(scene.once()).map(|got| scene.lease(got)),
        1 => acquire(scene.a_while()).map(|got| scene.lease(got)),
        2 => acquire_fresh(scene.a_while()).map(|got| scene.open_in(got)),
        3 => acquire_fresh(scene.forever()).map(|got| scene.open_in(got)),
        _ => Some(scene.acquire(1)),
    };
    if let Some(lease) = lease {
        end_use(scene, lease);
    }
}

/// Requests of every kind beside each other, and a housekeeper.
fn requests() {
    let scene = Scene::that_closes_idle(1 + choose(3) as usize);
    let mut threads = times(3, |scene| (0..3).for_each(|_| request(&scene)));
    threads.push(Box::new(|scene| {
        for _ in 0..3 {
            match choose(4) {
                0 => drop(scene.pool.sweep(scene.at(1), &scene.forever())),
                1 => drop(scene.pool.close_idle(CloseReason::Moved, |_, _| choose(2) == 0)),
                2 => {
                    if let Some(vacancy) = scene.pool.vacancy_below(2) {
                        vacancy.stock(scene.connect(), scene.at(1));
                    }
                }
                _ => scene.test_idle(),
            }
        }
    }));
    all(&scene, threads);
}

/// More threads than places, and all wait for as long as it takes.
fn waiting() {
    let scene = Scene::new(1 + choose(2) as usize);
    all(
        &scene,
        times(4, |scene| {
            for _ in 0..2 {
                let lease = scene.acquire(1);
                end_use(&scene, lease);
            }
        }),
    );
}

/// Waiting without a thread: turns that are taken, given up, or dropped.
fn tickets() {
    let scene = Scene::new(1);
    let mut threads = times(2, |scene| {
        for _ in 0..2 {
            let lease = scene.look(|| scene.acquire_by_ticket(1, choose(3) == 0));
            end_use(&scene, lease);
        }
    });
    threads.push(Box::new(|scene| {
        for _ in 0..2 {
            drop(scene.look(|| leave_the_queue(&scene)));
        }
    }));
    threads.push(Box::new(|scene| request(&scene)));
    all(&scene, threads);
}

/// Enters the queue, and leaves it in any way.
fn leave_the_queue(scene: &Scene) -> Option<Lease<Conn>> {
    let ringer = || Some(|| ());
    let acquired = match scene.pool.acquire_or_queue(scene.at(1), &scene.a_while(), ringer) {
        Ok(acquired) => Some(acquired),
        Err(ticket) => {
            let ticket = ticket.expect("it has a waker");
            thread::yield_now();
            match choose(3) {
                0 => None,
                1 => ticket.give_up().ok(),
                _ => ticket.take().ok(),
            }
        }
    };
    acquired.map(|acquired| scene.lease(acquired))
}

/// The housekeeper tests idle connections while requests come that wait.
fn loans() {
    let scene = Scene::new(1 + choose(3) as usize);
    scene.stock(scene.max);
    let mut threads = times(3, |scene| (0..2).for_each(|_| request(&scene)));
    threads.push(Box::new(|scene| (0..3).for_each(|_| scene.test_idle())));
    all(&scene, threads);
}

/// Waits for a connection that is released, or takes one that the backend opens, or gives up.
fn seek(scene: &Scene, bell: &Bell, mut pending: PendingVacancy<Conn>) -> Option<Lease<Conn>> {
    for _ in 0..choose(3) {
        bell.hear_for_a_while(scene.at(1));
        match pending.take() {
            Ok(lease) => return Some(lease),
            Err(same) => pending = same,
        }
    }
    match choose(4) {
        0 => None,
        1 => match pending.stop() {
            Acquired::Reused(lease) => Some(lease),
            Acquired::Vacant(_) => None,
        },
        _ => Some(pending.fill(scene.connect(), scene.at(1))),
    }
}

/// A pool whose connections the backend opens: requests with a place wait for one that is released, while
/// the listener takes in new ones and the housekeeper tests idle ones.
fn reverse() {
    let scene = Scene::new(1 + choose(3) as usize);
    scene.stock(scene.max);
    let mut threads = times(3, |scene| {
        for _ in 0..2 {
            let limits = if choose(2) == 0 { scene.forever() } else { scene.a_while() };
            match scene.look(|| scene.pool.acquire(scene.at(1), &limits)) {
                Err(_) => {}
                Ok(Acquired::Reused(lease)) => end_use(&scene, lease),
                Ok(Acquired::Vacant(vacancy)) => {
                    let bell = Bell::new();
                    let found = scene.look(|| {
                        let pending = vacancy.wait_for_release(bell.ringer());
                        seek(&scene, &bell, pending)
                    });
                    if let Some(lease) = found {
                        end_use(&scene, lease);
                    }
                }
            }
        }
    });
    threads.push(Box::new(|scene| {
        for _ in 0..3 {
            scene.test_idle();
            if let Some(vacancy) = scene.pool.vacancy_below(usize::MAX) {
                vacancy.stock(scene.connect(), scene.at(1));
            }
        }
    }));
    all(&scene, threads);
}

/// A request with a place, and nothing but the one connection of another request or of the housekeeper to
/// come: it must get it, and be woken.
fn seekers() {
    let scene = Scene::new(2);
    let in_use = (choose(2) == 0).then(|| scene.acquire(0));
    let loan = in_use.is_none().then(|| {
        scene.stock(1);
        scene.pool.borrow_idle(|_, _| true).pop().expect("it is idle")
    });
    let vacancy = scene.pool.acquire_fresh(scene.at(0), &scene.forever()).expect("there is room");
    let beside = scene.pool.acquire_fresh(scene.at(0), &scene.once()).ok();
    let waiting = move |scene: Scene| {
        let bell = Bell::new();
        let found = scene.look(|| {
            let mut pending = vacancy.wait_for_release(bell.ringer());
            loop {
                bell.hear();
                match pending.take() {
                    Ok(lease) => return Some(lease),
                    // It was bad.
                    Err(_) if scene.pool.stats().closed.total() > 0 => return None,
                    Err(same) => pending = same,
                }
            }
        });
        if let Some(lease) = found {
            scene.release(lease, 2);
        }
    };
    let other = move |scene: Scene| {
        if let Some(lease) = in_use {
            scene.release(lease, 1);
        }
        if let Some(loan) = loan {
            loan.give_back();
        }
    };
    let queued = move |scene: Scene| {
        drop(beside);
        let lease = scene.acquire(1);
        scene.release(lease, 1);
    };
    all(&scene, vec![Box::new(waiting), Box::new(other), Box::new(queued)]);
}

/// `max` is raised and lowered while requests wait.
fn resized() {
    let scene = Scene::that_closes_idle(3);
    all(
        &scene,
        times(4, |scene| {
            for _ in 0..2 {
                let max = NonZeroUsize::new(1 + choose(3) as usize);
                let limits = Limits { max, ..scene.forever() };
                let acquired = scene.look(|| scene.pool.acquire(scene.at(1), &limits));
                let acquired = acquired.expect("waits forever");
                end_use(&scene, scene.lease(acquired));
            }
        }),
    );
}

/// The pool is closed while it is in use.
fn closed() {
    let scene = Scene::that_closes_idle(1 + choose(2) as usize);
    scene.stock(scene.max);
    let mut threads = times(2, |scene| (0..2).for_each(|_| request(&scene)));
    threads.push(Box::new(|scene| {
        scene.pool.close();
        assert_eq!(scene.pool.vacancy_below(usize::MAX).map(drop), None, "closed");
    }));
    threads.push(Box::new(|scene| scene.test_idle()));
    all(&scene, threads);
}
