//! The clock that processes have in common.

use crate::shared::Uptime;

/// Returns the time since the machine's start.
///
/// Calls libc, and does not look for the kernel's function in the process's memory: tools that run a
/// process inside their own (valgrind) hide that function.
pub(crate) fn uptime() -> Uptime {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for one timespec, written to during this call alone. Of CLOCK_MONOTONIC it cannot
    // fail; if it did, this would be the time of the machine's start.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    // Neither is negative: it counts from the start of the machine.
    let (seconds, nanoseconds) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    Uptime::from_millis(seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000))
}
