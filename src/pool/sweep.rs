//! The sweep: the part of a housekeeper's round that closes connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::idle::{IdleConnection, IdleMark, idle_for};
use super::lease::Lease;
use super::places::{Place, ReturnKind, close_all, wake_all};
use super::{CloseReason, Limits, Liveness, Pool, Pooled, ReleaseOrder};

/// The result of one sweep over the idle connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Closed, idle for `ttl` or longer.
    pub expired: usize,
    /// Closed, since the peer had closed them.
    pub closed_by_peer: usize,
    /// Closed with unread bytes.
    pub unread: usize,
    /// Closed as broken.
    pub broken: usize,
    /// Found usable.
    pub kept: usize,
}

impl<C: Pooled> Pool<C> {
    /// Closes the idle connections that have expired or whose [`check`](Pooled::check) says so.
    ///
    /// Takes them out in batches, oldest first, so that the lock is free while they are checked or
    /// closed. A usable connection goes back to where it was, no younger than before.
    ///
    /// # Race
    ///
    /// A connection counts as in use while it is checked. At most half of the idle ones are checked at
    /// a time, so a request that comes at that moment takes another. If there is none, it opens one, or
    /// at `max` waits for one to come back; if it may not wait at all (`Wait::For(0)`), it finds the
    /// pool busy, although a moment later it would not be.
    pub fn sweep(self: &Arc<Self>, now: Instant, limits: &Limits) -> Sweep {
        self.sweep_with(now, limits, |connection, _| connection.check())
    }

    /// Like [`sweep`](Self::sweep), but `check`, given the connection and its idle time, decides about
    /// those that are not [quiet](Pooled::are_quiet).
    ///
    /// `check` should not block: the connection is in use meanwhile, and may be all that `max` allows.
    /// What takes longer, such as a CPING, is done on a
    /// [`BorrowedConnection`](super::BorrowedConnection). By [`Liveness::Usable`] it vouches that the
    /// connection is clean: nothing asked on it is unanswered. Connections released after the sweep
    /// began are left to the next one.
    pub fn sweep_with(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        mut check: impl FnMut(&mut C, Duration) -> Liveness,
    ) -> Sweep {
        let (expired, admitted, newest) = {
            let mut state = self.state.lock();
            state.limits = *limits;
            let expired = state.take_expired(now);
            let admitted = self.admit_waiters(&mut state);
            (expired, admitted, state.idle.newest().map(|mark| mark.order))
        };
        wake_all(admitted);
        let mut sweep =
            Sweep { expired: close_all(expired, CloseReason::Expired), ..Sweep::default() };

        let Some(newest) = newest else { return sweep };
        let mut done = None;
        loop {
            let batch = self.take_batch(done, newest);
            let Some((_, last)) = batch.last() else { return sweep };
            done = Some(last.order);
            let connections: Vec<&C> = batch.iter().map(|(lease, _)| &**lease).collect();
            let quiet = C::are_quiet(&connections);
            let mut noisy = Vec::new();
            for (at, (lease, mark)) in batch.into_iter().enumerate() {
                if quiet.get(at) == Some(&true) {
                    sweep.kept += 1;
                    lease.put_back(ReturnKind::Checked(mark));
                } else {
                    noisy.push((lease, mark));
                }
            }
            for (mut lease, mark) in noisy {
                let found = check(&mut lease, idle_for(mark.since, now));
                match found {
                    Liveness::Usable => sweep.kept += 1,
                    Liveness::Closed => sweep.closed_by_peer += 1,
                    Liveness::Unread => sweep.unread += 1,
                    Liveness::Broken => sweep.broken += 1,
                }
                match found.close_reason() {
                    None => lease.put_back(ReturnKind::Checked(mark)),
                    Some(reason) => drop(lease.discard(reason)),
                }
            }
        }
    }

    /// Takes out the next idle connections of a sweep, each with a place: at most half of them all, so
    /// that a request still finds one.
    fn take_batch(
        self: &Arc<Self>,
        done: Option<ReleaseOrder>,
        newest: ReleaseOrder,
    ) -> Vec<(Lease<C>, IdleMark)> {
        let mut state = self.state.lock();
        let limit = state.idle.len().div_ceil(2).min(BATCH);
        let taken = state.take_between(done, newest, limit);
        taken
            .into_iter()
            .map(|IdleConnection { entry, mark }| {
                let place = Place::take(self, &mut state);
                (Lease::new(entry, Some(mark), place), mark)
            })
            .collect()
    }
}

/// Connections checked together: enough of them to share the system call, few enough to be back within
/// some microseconds.
const BATCH: usize = 64;
