//! Keeps idle connections, and hands one at a time to whoever may use it.
//!
//! Generic over the connection: this layer knows neither sockets nor AJP, and it never reads a
//! clock; time is an argument of every call.
//!
//! # The promises
//!
//! * A connection goes back to the pool only with a [`Pooled::Proof`] that it is clean. A [`Lease`]
//!   merely dropped (early return, `?`, panic) closes it.
//! * An idle connection is looked at ([`Pooled::check`]) before it serves again, and is closed once
//!   it has been idle for `ttl`.
//! * At most `max` places exist: connections idle, in use, and being opened.
//! * No request waits for a connection on [`BorrowedConnection`], which is out to be tested: it is in no place.
//! * Who waits is served in the order of arrival; nobody who came later gets ahead.
//! * The lock is held neither while a connection is looked at nor while one is closed.
//!
//! # The types
//!
//! ```text
//! Pool::acquire ──> Acquired::Reused(Lease) ──release(proof)──> idle, or the first waiter
//!        │                        ├─ dropped ──> closed, the place goes to the first waiter
//!        │                        └─ discard(reason) ──> closed, the place stays: Vacancy
//!        └────────> Acquired::Vacant(Vacancy) ──fill(connection)──> Lease
//! ```
//!
//! A `Vacancy` is the right to open one connection (bb8 calls it an approval). Who can only wait for
//! the backend to open one [seeks](Vacancy::wait_for_release) meanwhile, and gets what is released.

#![forbid(unsafe_code)]

mod acquire;
mod borrowed;
mod lease;
mod limits;
mod observe;
mod pending;
mod state;
mod stats;
mod sweep;
mod waiter;

#[cfg(test)]
mod tests;

pub use self::acquire::{AcquireError, Pool};
pub use self::borrowed::BorrowedConnection;
pub use self::lease::{Acquired, Keep, Lease, Vacancy};
pub use self::limits::{Limits, Wait};
pub use self::observe::{Observe, PoolGauges};
pub use self::pending::PendingVacancy;
pub use self::state::ReleaseOrder;
#[cfg(test)]
pub(crate) use self::state::bytes_when_idle;
pub use self::stats::{CloseReason, Closed, Stats};
pub use self::sweep::Sweep;

/// What a pool stores: a connection that can say whether it is still good.
///
/// Dropping one closes it. The pool drops connections outside its lock, on the thread that found
/// them bad or expired, so a close that lingers delays one request and not the whole pool.
pub trait Pooled: Send + 'static {
    /// Evidence that the connection is clean, so that the next request may use it.
    ///
    /// Only the layer that has read the answer to its end can make one.
    type Proof;

    /// Quickly says whether this idle connection may serve a request.
    ///
    /// Must not block. Called outside the pool's lock, by [`Pool::acquire`] on each connection it
    /// is about to hand out and by [`Pool::sweep`] on each idle one that is not
    /// [quiet](Self::are_quiet).
    fn check(&mut self) -> Liveness;

    /// Says of several idle connections which of them [`check`](Self::check) would find usable,
    /// where that is cheaper together. `false`, or no answer: it has to be checked to know.
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

/// What a look at an idle connection found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Open, and nothing to be read: it may serve.
    Usable,
    /// The peer has closed it.
    Closed,
    /// Bytes nobody asked for are waiting to be read; they would pass for the next answer.
    Unread,
    /// Anything else that makes it useless, such as a reset.
    Broken,
}

impl Liveness {
    /// Why a connection found like this is closed; `None` for a usable one.
    pub fn close_reason(self) -> Option<CloseReason> {
        match self {
            Liveness::Usable => None,
            Liveness::Closed => Some(CloseReason::ClosedByPeer),
            Liveness::Unread => Some(CloseReason::Unread),
            Liveness::Broken => Some(CloseReason::Broken),
        }
    }
}
