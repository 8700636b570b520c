//! The connection as the pool sees it.

use super::CloseReason;

/// A connection that can be pooled: it says whether it is still good.
///
/// Dropping it closes it. The pool drops connections outside its lock, on the thread that found them
/// bad or expired, so a close that lingers delays one request and not the whole pool.
pub trait Pooled: Send + 'static {
    /// Evidence that the connection is clean, so that the next request may use it.
    ///
    /// Only the layer that has read the response to its end can make one.
    type Proof;

    /// Quickly says whether this idle connection may serve a request.
    ///
    /// Must not block. Called outside the pool's lock: by [`Pool::acquire`](super::Pool::acquire) on
    /// each connection that it is about to lease, and by [`Pool::sweep`](super::Pool::sweep) on each
    /// idle one that is not [quiet](Self::are_quiet).
    fn check(&mut self) -> Liveness;

    /// Says of several idle connections which of them [`check`](Self::check) would find usable,
    /// where asking for all of them together is cheaper. `false`, or no answer: call `check`.
    ///
    /// Must not block. Called outside the pool's lock.
    fn are_quiet(connections: &[&Self]) -> Vec<bool>
    where
        Self: Sized,
    {
        let _ = connections;
        Vec::new()
    }
}

/// The result of checking an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Open, and nothing to be read: it may serve.
    Usable,
    /// The peer has closed it.
    Closed,
    /// Unexpected bytes are waiting to be read; they would pass for the next response.
    Unread,
    /// Anything else that makes it useless, such as a reset.
    Broken,
}

impl Liveness {
    /// Returns why a connection in this state is closed; `None` for a usable one.
    pub fn close_reason(self) -> Option<CloseReason> {
        match self {
            Liveness::Usable => None,
            Liveness::Closed => Some(CloseReason::ClosedByPeer),
            Liveness::Unread => Some(CloseReason::Unread),
            Liveness::Broken => Some(CloseReason::Broken),
        }
    }
}
