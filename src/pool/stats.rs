//! What a pool has done, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Observe;

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Idle for `ttl` or longer.
    Expired,
    /// Found closed by the peer while idle.
    ClosedByPeer,
    /// Found with unread bytes while idle.
    Unread,
    /// Found broken in another way; also: the user of the lease says so.
    Broken,
    /// Idle, and last used before one that proved dead (see [`Pool::drop_idle_older_than`]).
    ///
    /// [`Pool::drop_idle_older_than`]: super::Pool::drop_idle_older_than
    Suspect,
    /// Clean, but not to be kept: `forceclose`, `disablereuse`.
    Forced,
    /// Its lease was dropped without proof that it is clean.
    Dropped,
    /// The pool was closed.
    Shutdown,
    /// Clean, but it leads to an address that is no longer the backend's.
    Moved,
    /// Good, but one too many: above a lowered `max`, above `smax`, making room for a fresh one, or
    /// back from a [`BorrowedConnection`](super::BorrowedConnection) while requests had taken all places.
    Evicted,
}

impl CloseReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [CloseReason; 10] = [
        CloseReason::Expired,
        CloseReason::ClosedByPeer,
        CloseReason::Unread,
        CloseReason::Broken,
        CloseReason::Suspect,
        CloseReason::Forced,
        CloseReason::Dropped,
        CloseReason::Shutdown,
        CloseReason::Moved,
        CloseReason::Evicted,
    ];

    /// The reason as one word in snake case, for metrics and status pages.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::Expired => "expired",
            CloseReason::ClosedByPeer => "closed_by_peer",
            CloseReason::Unread => "unread",
            CloseReason::Broken => "broken",
            CloseReason::Suspect => "suspect",
            CloseReason::Forced => "forced",
            CloseReason::Dropped => "dropped",
            CloseReason::Shutdown => "shutdown",
            CloseReason::Moved => "moved",
            CloseReason::Evicted => "evicted",
        }
    }
}

/// Connections closed so far, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed([u64; CloseReason::ALL.len()]);

impl Closed {
    /// How many were closed for this reason.
    pub fn of(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many were closed for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each reason with its count, in the order of [`CloseReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (CloseReason, u64)> + '_ {
        CloseReason::ALL.into_iter().map(|reason| (reason, self.of(reason)))
    }
}

/// A pool at one moment.
///
/// `idle`, `in_use`, `borrowed` and `waiting` belong to the same moment. The counters are read beside them
/// and may be a step ahead or behind while other threads work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections waiting for a request.
    pub idle: usize,
    /// Places taken: connections leased or being looked at, and vacancies.
    pub in_use: usize,
    /// Connections out on a [`BorrowedConnection`](super::BorrowedConnection), to be tested: open, in no place, and neither
    /// `idle` nor `in_use`.
    pub borrowed: usize,
    /// Threads waiting for a place, or, with one, for the backend to open a connection.
    pub waiting: usize,
    /// Connections put into this pool since it was made.
    pub created: u64,
    /// Times an idle or handed-over connection was leased.
    pub reused: u64,
    /// Acquires that ended without a place.
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
        self.tell(|observer| observer.reused());
    }

    pub(super) fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Relaxed);
        self.tell(|observer| observer.timed_out());
    }

    fn tell(&self, what: impl FnOnce(&dyn Observe)) {
        if let Some(observer) = self.observer() {
            what(observer);
        }
    }

    pub(super) fn closed(&self) -> Closed {
        Closed(std::array::from_fn(|index| self.closed[index].load(Relaxed)))
    }
}

/// Counts the end of one connection, whatever ends it.
///
/// Each connection carries one; dropped without another word it counts [`CloseReason::Dropped`].
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) reason: CloseReason,
    counters: Arc<Counters>,
}

impl Tally {
    /// Counts one connection as created; gives its number too, counted from 1.
    pub(super) fn start(counters: &Arc<Counters>) -> (u64, Self) {
        let before = counters.created.fetch_add(1, Relaxed);
        counters.tell(|observer| observer.created());
        (before + 1, Self { reason: CloseReason::Dropped, counters: Arc::clone(counters) })
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.counters.closed[self.reason as usize].fetch_add(1, Relaxed);
        self.counters.tell(|observer| observer.closed(self.reason));
    }
}
