//! The housekeeper's round over the idle connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquire::{Pool, ReturnKind, close_all};
use super::lease::{Lease, Place};
use super::state::{IdleConnection, IdleMark, idle_for};
use super::{CloseReason, Limits, Liveness, Pooled, ReleaseOrder};

/// What one round over the idle connections did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Closed, idle for `ttl` or longer.
    pub expired: usize,
    /// Closed, since the peer had.
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
    /// Takes them out some at a time, oldest first, so that the lock is free while they are looked
    /// at or closed. What is found usable goes back where it was, no younger than before.
    ///
    /// # Race
    ///
    /// A connection being looked at is in use. Half of the idle ones at most are, so a request that
    /// comes in that moment takes another. Where there is none, it opens one, or at `max` waits for
    /// one to come back; if it may not wait at all (`Wait::For(0)`), it is told that the pool is busy,
    /// though a moment later it would not be.
    pub fn sweep(self: &Arc<Self>, now: Instant, limits: &Limits) -> Sweep {
        self.sweep_with(now, limits, |connection, _| connection.check())
    }

    /// Like [`sweep`](Self::sweep), but of those that are not [quiet](Pooled::are_quiet) `look`,
    /// given the connection and its idle time, decides.
    ///
    /// `look` should not block: the connection is in use meanwhile, and may be all that `max` allows.
    /// What takes its time, such as a CPING, is done on a [`BorrowedConnection`](super::BorrowedConnection). To say
    /// [`Liveness::Usable`] is to say that it is clean: nothing asked on it is unanswered. Connections
    /// released after the round began are left to the next.
    pub fn sweep_with(
        self: &Arc<Self>,
        now: Instant,
        limits: &Limits,
        mut look: impl FnMut(&mut C, Duration) -> Liveness,
    ) -> Sweep {
        let (expired, admitted, newest) = {
            let mut state = self.state.lock();
            state.limits = *limits;
            let expired = state.take_expired(now);
            let admitted = self.admit_waiters(&mut state);
            (expired, admitted, state.idle.last_key_value().map(|(order, _)| *order))
        };
        admitted.iter().for_each(|waiter| waiter.wake());
        let mut sweep =
            Sweep { expired: close_all(expired, CloseReason::Expired), ..Sweep::default() };

        let Some(newest) = newest else { return sweep };
        let mut done = None;
        loop {
            let borrowed = self.lend(done, newest);
            let Some((_, last)) = borrowed.last() else { return sweep };
            done = Some(last.order);
            let connections: Vec<&C> = borrowed.iter().map(|(lease, _)| &**lease).collect();
            let quiet = C::are_quiet(&connections);
            let mut noisy = Vec::new();
            for (at, (lease, mark)) in borrowed.into_iter().enumerate() {
                if quiet.get(at) == Some(&true) {
                    sweep.kept += 1;
                    lease.put_back(ReturnKind::Checked(mark));
                } else {
                    noisy.push((lease, mark));
                }
            }
            for (mut lease, mark) in noisy {
                let found = look(&mut lease, idle_for(mark.since, now));
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

    /// Takes the next idle connections of a round out, each with a place: half of all at most, so
    /// that a request still finds one.
    fn lend(
        self: &Arc<Self>,
        done: Option<ReleaseOrder>,
        newest: ReleaseOrder,
    ) -> Vec<(Lease<C>, IdleMark)> {
        let mut state = self.state.lock();
        let most = state.idle.len().div_ceil(2).min(AT_ONCE);
        let taken = state.take_between(done, newest, most);
        taken
            .into_iter()
            .map(|IdleConnection { entry, mark }| {
                let place = Place::take(self, &mut state);
                (Lease { entry, mark: Some(mark), place }, mark)
            })
            .collect()
    }
}

/// Connections looked at together: enough that the system call is shared by many, few enough that
/// they are back within some microseconds.
const AT_ONCE: usize = 64;
