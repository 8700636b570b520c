//! Why connections are closed.

words! {
    /// Why a connection was closed.
    pub enum CloseReason {
        /// Idle for `ttl` or longer.
        Expired = "expired",
        /// Found closed by the peer while idle.
        ClosedByPeer = "closed_by_peer",
        /// Found with unread bytes while idle.
        Unread = "unread",
        /// Found broken in another way, or said to be by the holder of its lease.
        Broken = "broken",
        /// Idle, and last used before one that proved to be dead.
        Suspect = "suspect",
        /// Clean, but closed by configuration: `forceclose`, `disablereuse`.
        Forced = "forced",
        /// Its lease was dropped without proof that it is clean.
        Dropped = "dropped",
        /// The response ended before the request body did: packets of it were due, on their way, or unread.
        EarlyAnswer = "early_answer",
        /// The pool was closed.
        Shutdown = "shutdown",
        /// Clean, but it leads to an address that is no longer the backend's.
        Moved = "moved",
        /// Good, but one too many: above a lowered `max`, above `smax`, in the way of a fresh one, or back
        /// from a CPING when requests had taken all places.
        Evicted = "evicted",
    }
}

/// The number of connections closed so far, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed(pub(super) [u64; CloseReason::ALL.len()]);

impl Closed {
    /// Returns how many were closed for this reason.
    pub fn of(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize]
    }

    /// Returns how many were closed for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Iterates over each reason with its count, in the order of [`CloseReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (CloseReason, u64)> + '_ {
        CloseReason::ALL.into_iter().map(|reason| (reason, self.of(reason)))
    }
}
