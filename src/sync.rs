//! The primitives by which threads meet in the pool, and threads and processes in shared memory.
//!
//! They are those of parking_lot and std, under one name. The package `schedules/` compiles the same
//! sources with a `sync` of its own, whose primitives let a scheduler choose which thread goes on. Counters
//! that only grow and decide nothing ([`pool::Stats`](crate::pool::Stats)) are std's there, too.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

/// Atomics that decide something.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
