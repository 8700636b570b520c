//! The identity of a worker.

use crate::ffi::sys;

/// The stable identity of a worker.
///
/// A balancer member's record stays where it is while its shared part moves into shared memory.
/// Every other worker's record is copied for each virtual host, while the copies share one shared part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WorkerId {
    Member(usize),
    Plain(usize),
}

impl WorkerId {
    /// # Safety
    /// `worker` is a live worker.
    pub(crate) unsafe fn of(worker: *const sys::proxy_worker) -> Self {
        // SAFETY: live, as the caller promises; both fields are plain pointers set at definition.
        let (balancer, shared) = unsafe { ((*worker).balancer, (*worker).s) };
        if balancer.is_null() {
            Self::Plain(shared as usize)
        } else {
            Self::Member(worker as usize)
        }
    }
}
