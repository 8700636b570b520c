//! The idle connections of a pool, in the order in which they were released.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::CloseReason;
use super::stats::CloseCounter;

/// A connection with what the pool knows of it. It stays in one box for life, so that going into the
/// pool and out of it moves a pointer.
pub(super) struct Entry<C> {
    pub(super) connection: C,
    /// Counted from 1 in each pool, for log lines.
    pub(super) number: u64,
    /// How many times it was leased, the current lease included.
    pub(super) uses: u64,
    // Last: the connection is counted as closed after it is.
    counter: CloseCounter,
}

impl<C> Entry<C> {
    pub(super) fn new(connection: C, number: u64, counter: CloseCounter) -> Box<Self> {
        Box::new(Self { connection, number, uses: 0, counter })
    }

    /// Closes the connection and counts why. The pool must not be locked.
    pub(super) fn close(mut self, reason: CloseReason) {
        self.counter.reason = reason;
    }
}

/// Returns the memory that one idle connection takes at worst, besides what it owns itself: its box
/// with the allocator's overhead, and its place in the deque, which is at least a quarter full.
#[cfg(test)]
pub(crate) const fn bytes_when_idle<C>() -> usize {
    const ALLOCATOR: usize = 16;
    const PLACE: usize = size_of::<(IdleMark, Box<()>)>();
    size_of::<Entry<C>>() + ALLOCATOR + 4 * PLACE
}

/// The position of a connection in the order of releases.
///
/// Of two idle connections, the one with the smaller order was proved clean earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseOrder(pub(super) u64);

/// When a connection became idle. It keeps the mark while it is away to be checked, so that a check
/// makes no connection younger.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleMark {
    pub(super) order: ReleaseOrder,
    pub(super) since: Instant,
}

/// A connection taken out of the idle ones, with the mark it had there.
pub(super) struct IdleConnection<C> {
    pub(super) entry: Box<Entry<C>>,
    pub(super) mark: IdleMark,
}

/// The oldest in front. A request takes the newest and puts it back, which moves a pointer each; a sweep takes
/// out any, and puts each back where it was.
pub(super) struct Idle<C>(VecDeque<IdleConnection<C>>);

impl<C> Idle<C> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The mark of the oldest.
    pub(super) fn oldest(&self) -> Option<IdleMark> {
        self.0.front().map(|idle| idle.mark)
    }

    /// The mark of the newest.
    pub(super) fn newest(&self) -> Option<IdleMark> {
        self.0.back().map(|idle| idle.mark)
    }

    pub(super) fn pop_oldest(&mut self) -> Option<IdleConnection<C>> {
        self.0.pop_front()
    }

    pub(super) fn pop_newest(&mut self) -> Option<IdleConnection<C>> {
        self.0.pop_back()
    }

    /// Puts a connection where its mark says: behind all that were released before it.
    pub(super) fn insert(&mut self, connection: IdleConnection<C>) {
        let order = connection.mark.order;
        if self.newest().is_none_or(|newest| newest.order < order) {
            self.0.push_back(connection);
        } else {
            self.insert_among(connection);
        }
    }

    #[cold]
    fn insert_among(&mut self, connection: IdleConnection<C>) {
        let order = connection.mark.order;
        let place = self.0.partition_point(|other| other.mark.order < order);
        self.0.insert(place, connection);
    }

    /// Takes out the oldest connections for which `take` returns true, at most `limit` of them.
    pub(super) fn take_where(
        &mut self,
        limit: usize,
        mut take: impl FnMut(IdleMark, &Entry<C>) -> bool,
    ) -> Vec<IdleConnection<C>> {
        let mut chosen: Vec<usize> = Vec::new();
        for (place, idle) in self.0.iter().enumerate() {
            if chosen.len() >= limit {
                break;
            }
            if take(idle.mark, &idle.entry) {
                chosen.push(place);
            }
        }
        // From behind, so that the places of the others stay right.
        let taken = chosen.iter().rev().filter_map(|place| self.0.remove(*place));
        let mut taken: Vec<_> = taken.collect();
        taken.reverse();
        taken
    }
}

/// Returns how long a connection has been idle; zero if `now` was read before the release.
pub(super) fn idle_for(since: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(since)
}
