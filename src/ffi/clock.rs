//! The clock that processes have in common.

use rustix::time::{ClockId, clock_gettime};

use crate::metrics::Uptime;

/// Now.
pub(super) fn uptime() -> Uptime {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither is negative: it counts from the start of the machine.
    let (seconds, nanoseconds) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    Uptime::from_millis(seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000))
}
