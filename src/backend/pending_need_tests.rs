//! What a request without a thread waits for, from one look to the next.

use std::num::NonZeroUsize;

use super::super::acquisition::{Acquisition, Surroundings, Task};
use super::*;
use crate::backend::key_of;
use crate::config::Pings;
use crate::net::{ConnectOptions, wait_readable};

/// A backend with one place.
fn backend() -> (Backend, ConnectSettings) {
    let settings = ConnectSettings {
        options: ConnectOptions::default(),
        address_ttl: None,
        pings: Pings::default(),
        limits: Limits { max: NonZeroUsize::new(1), ..Limits::default() },
    };
    (Backend::new(key_of("127.0.0.1", 1)), settings)
}

#[test]
fn a_late_wake_up_of_an_earlier_wait_ends_no_further_one() {
    let (backend, settings) = backend();
    let taken = backend.pool.acquire(Instant::now(), &settings.limits).unwrap();
    let with = Surroundings { backend: &backend, settings: &settings, now: &Instant::now };
    let mut way = Acquisition::new(Task::Any { certain: false }, &with);
    let (need, mut pending) = (way.next(), PendingNeed::default());
    let mut look =
        |pending: &mut PendingNeed| backend.supply_now(&need, &settings, &mut way, pending);
    assert!(look(&mut pending).is_err());
    let waker = Arc::clone(pending.waker.as_ref().unwrap());
    waker.wake();
    assert!(look(&mut pending).is_err(), "the place is taken");
    assert!(!wait_readable(waker.as_fd(), Duration::ZERO).unwrap());
    drop(taken);
    assert!(wait_readable(waker.as_fd(), Duration::ZERO).unwrap());
    assert!(matches!(look(&mut pending), Ok(Got::Place(Ok(_)))));
}
