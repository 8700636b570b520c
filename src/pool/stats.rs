//! The numbers of a pool: gauges and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{CloseReason, Closed, Observe};

/// A pool at one moment.
///
/// `idle`, `in_use`, `borrowed` and `waiting` belong to the same moment. The counters are read
/// separately and may be a step ahead or behind while other threads work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections waiting for a request.
    pub idle: usize,
    /// Places taken: connections leased or being checked, and vacancies.
    pub in_use: usize,
    /// Connections that are [borrowed](super::BorrowedConnection) to be tested: open, without a place,
    /// and neither `idle` nor `in_use`.
    pub borrowed: usize,
    /// Threads waiting for a place, or, with a place, for the backend to open a connection.
    pub waiting: usize,
    /// Connections put into this pool since it was made.
    pub created: u64,
    /// How many times an idle or handed-over connection was leased.
    pub reused: u64,
    /// How many acquires ended without a place.
    pub timed_out: u64,
    /// Connections closed.
    pub closed: Closed,
}

/// The counters behind [`Stats`]; they only grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) created: AtomicU64,
    pub(super) reused: AtomicU64,
    pub(super) timed_out: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
    observer: Option<Box<dyn Observe>>,
}

impl Counters {
    pub(super) fn observed(observer: Box<dyn Observe>) -> Self {
        Self { observer: Some(observer), ..Self::default() }
    }

    pub(super) fn observer(&self) -> Option<&dyn Observe> {
        self.observer.as_deref()
    }

    pub(super) fn count_reused(&self) {
        self.reused.fetch_add(1, Relaxed);
        self.notify(|observer| observer.reused());
    }

    pub(super) fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Relaxed);
        self.notify(|observer| observer.timed_out());
    }

    fn notify(&self, event: impl FnOnce(&dyn Observe)) {
        if let Some(observer) = self.observer() {
            event(observer);
        }
    }

    pub(super) fn closed(&self) -> Closed {
        Closed(std::array::from_fn(|index| self.closed[index].load(Relaxed)))
    }
}

/// Counts the end of one connection, whatever ends it.
///
/// Each connection carries one. It counts [`CloseReason::Dropped`] unless `reason` has been changed.
#[derive(Debug)]
pub(super) struct CloseCounter {
    pub(super) reason: CloseReason,
    counters: Arc<Counters>,
}

impl CloseCounter {
    /// Counts one connection as created; also returns its number, counted from 1.
    pub(super) fn start(counters: &Arc<Counters>) -> (u64, Self) {
        let before = counters.created.fetch_add(1, Relaxed);
        counters.notify(|observer| observer.created());
        (before + 1, Self { reason: CloseReason::Dropped, counters: Arc::clone(counters) })
    }
}

impl Drop for CloseCounter {
    fn drop(&mut self) {
        self.counters.closed[self.reason as usize].fetch_add(1, Relaxed);
        self.counters.notify(|observer| observer.closed(self.reason));
    }
}
