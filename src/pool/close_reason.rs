//! Why connections are closed.

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Idle for `ttl` or longer.
    Expired,
    /// Found closed by the peer while idle.
    ClosedByPeer,
    /// Found with unread bytes while idle.
    Unread,
    /// Found broken in another way, or said to be by the holder of its lease.
    Broken,
    /// Idle, and last used before one that proved to be dead (see [`Pool::drop_idle_older_than`]).
    ///
    /// [`Pool::drop_idle_older_than`]: super::Pool::drop_idle_older_than
    Suspect,
    /// Clean, but closed by configuration: `forceclose`, `disablereuse`.
    Forced,
    /// Its lease was dropped without proof that it is clean.
    Dropped,
    /// The pool was closed.
    Shutdown,
    /// Clean, but it leads to an address that is no longer the backend's.
    Moved,
    /// Good, but one too many: above a lowered `max`, above `smax`, in the way of a fresh one, or a
    /// [`BorrowedConnection`](super::BorrowedConnection) that came back when requests had taken all
    /// places.
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

    /// Returns the reason as one word in snake case, for metrics and status pages.
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
