//! Keeps idle connections, and leases each to one request at a time.
//!
//! The pool is generic over the connection: this layer knows neither sockets nor AJP, and it never
//! reads a clock; time is an argument of every call.
//!
//! # The promises
//!
//! * A connection goes back to the pool only with a [`Pooled::Proof`] that it is clean. A [`Lease`]
//!   that is merely dropped (early return, `?`, panic) closes it.
//! * An idle connection is checked ([`Pooled::check`]) before it serves again, and is closed once it
//!   has been idle for `ttl`.
//! * At most `max` places exist: connections idle, in use, and being opened.
//! * No request waits for a [`BorrowedConnection`], which is away to be tested: it has no place.
//! * Waiters are served first come, first served: no overtaking.
//! * The lock is held neither while a connection is checked nor while one is closed.
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
//! A `Vacancy` is the right to open one connection (bb8 calls it an approval). Where the backend
//! opens the connections, the holder of a vacancy makes it a [`PendingVacancy`]
//! ([`Vacancy::wait_for_release`]), and gets a connection that is released meanwhile.
//!
//! # The files
//!
//! From the bottom up, each using only those before it: `close_reason`, `pooled` (the trait),
//! `observe`, `stats`, `limits`; `idle` (the idle connections), `waiter` (a slot and a thread), `state` (what
//! the lock guards), `lock`, `places` ([`Pool`] itself, and the places in it), `lease`; then what is done
//! with them: `acquire`, `ticket`, `pending`, `borrowed`, `sweep`.

#![forbid(unsafe_code)]

mod acquire;
mod borrowed;
mod close_reason;
mod idle;
mod lease;
mod limits;
mod lock;
mod observe;
mod pending;
mod places;
mod pooled;
mod state;
mod stats;
mod sweep;
mod ticket;
mod waiter;

#[cfg(test)]
mod tests;

pub use self::acquire::AcquireError;
pub use self::borrowed::BorrowedConnection;
pub use self::close_reason::{CloseReason, Closed};
pub use self::idle::ReleaseOrder;
#[cfg(test)]
pub(crate) use self::idle::bytes_when_idle;
pub use self::lease::{Acquired, Keep, Lease, Vacancy};
pub use self::limits::{Limits, Wait};
pub use self::observe::{Observe, PoolGauges};
pub use self::pending::PendingVacancy;
pub use self::places::Pool;
pub use self::pooled::{Liveness, Pooled};
pub use self::stats::Stats;
pub use self::sweep::Sweep;
pub use self::ticket::QueueTicket;
