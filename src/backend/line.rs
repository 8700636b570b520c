//! The line of the requests that wait for a connection to be opened at one port.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::net::Waker;

/// The requests of a child that wait at one port, in the order of their arrival. Those at the front watch
/// the port; each of the others waits for its waker alone, and is woken when it has come to the front.
///
/// So one connection wakes a few requests and not all of them. Besides, a request that waits without a
/// thread is an epoll set in another epoll set. Linux allows 500 of them to watch one socket, and 100 of
/// them to watch one set of sockets (`path_limits` in its eventpoll.c). All children may share the socket
/// of a port.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<Waiters>);

#[derive(Debug, Default)]
struct Waiters {
    in_order: Vec<(u64, Arc<Waker>)>,
    numbers: u64,
}

/// The position of a request in the line; dropped, the request leaves.
#[derive(Debug)]
pub(super) struct LinePosition {
    line: Arc<Line>,
    number: u64,
}

impl Line {
    /// Takes the last position; `waker` is woken when it has come to the front.
    pub(super) fn enter(self: &Arc<Self>, waker: Arc<Waker>) -> LinePosition {
        let mut waiters = self.0.lock();
        let number = waiters.numbers;
        waiters.numbers += 1;
        waiters.in_order.push((number, waker));
        LinePosition { line: Arc::clone(self), number }
    }

    /// Wakes the first request, to look again what it has to wait for.
    pub(super) fn wake_first(&self) {
        let first = self.0.lock().in_order.first().map(|(_, waker)| Arc::clone(waker));
        if let Some(waker) = first {
            waker.wake();
        }
    }

    fn leave(&self, number: u64) {
        let next = {
            let mut waiters = self.0.lock();
            let at = waiters.in_order.iter().position(|(other, _)| *other == number);
            let Some(at) = at else { return };
            waiters.in_order.remove(at);
            let next = waiters.in_order.get(FRONT - 1).filter(|_| at < FRONT);
            next.map(|(_, waker)| Arc::clone(waker))
        };
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl LinePosition {
    /// Whether it is at the front at this moment.
    pub(super) fn is_at_front(&self) -> bool {
        let waiters = self.line.0.lock();
        waiters.in_order.iter().take(FRONT).any(|(number, _)| *number == self.number)
    }
}

impl Drop for LinePosition {
    fn drop(&mut self) {
        self.line.leave(self.number);
    }
}

/// How many requests are at the front: more than one, since a request that is woken may not run at once.
const FRONT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn is_woken(waker: &Waker) -> bool {
        waker.take_wake_up()
    }

    #[test]
    fn the_first_ones_watch_the_port_and_each_that_leaves_wakes_the_next() {
        let line = Arc::<Line>::default();
        let wakers: Vec<Arc<Waker>> =
            (0..FRONT + 2).map(|_| Arc::new(Waker::new().unwrap())).collect();
        let mut positions: Vec<LinePosition> =
            wakers.iter().map(|waker| line.enter(Arc::clone(waker))).collect();
        let watching = |positions: &[LinePosition]| {
            positions
                .iter()
                .map(LinePosition::is_at_front)
                .filter(|is_at_front| *is_at_front)
                .count()
        };
        assert_eq!(watching(&positions), FRONT);
        assert!(wakers.iter().all(|waker| !is_woken(waker)), "they know");

        let last = positions.pop();
        drop(last);
        assert!(wakers.iter().all(|waker| !is_woken(waker)), "it was not at the front");
        drop(positions.remove(1));
        assert!(is_woken(&wakers[FRONT]));
        assert!(wakers.iter().all(|waker| !is_woken(waker)), "once, and no other");
        assert_eq!(watching(&positions), FRONT);

        drop(positions.remove(0));
        assert!(wakers.iter().all(|waker| !is_woken(waker)), "there is no next one");
        assert_eq!(watching(&positions), FRONT - 1);
    }
}
