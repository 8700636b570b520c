//! The observer of a pool.

use std::fmt;

use super::CloseReason;

/// The part of [`Stats`](super::Stats) that can also fall: what a pool has at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolGauges {
    /// See [`Stats`](super::Stats).
    pub idle: usize,
    /// See [`Stats`](super::Stats).
    pub in_use: usize,
    /// See [`Stats`](super::Stats).
    pub borrowed: usize,
    /// See [`Stats`](super::Stats).
    pub waiting: usize,
}

/// Observer of a pool: notified of each event as it happens, on the thread on which it happens: for counters
/// that outlive the process.
///
/// Some notifications come with the pool locked, so none may block or call the pool.
pub trait Observe: fmt::Debug + Send + Sync {
    /// A connection was put into the pool for the first time.
    fn created(&self);
    /// An idle connection was leased.
    fn reused(&self);
    /// An acquire ended without a place.
    fn timed_out(&self);
    /// A connection was closed.
    fn closed(&self, reason: CloseReason);
    /// The gauges were `before` and are `now`. At the pool's end all are 0.
    fn gauges_changed(&self, before: PoolGauges, now: PoolGauges);
}
