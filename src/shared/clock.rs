//! The clock of shared memory.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time on the clock that all processes of a machine share and that is never set: milliseconds since the
/// machine started (`CLOCK_MONOTONIC`).
///
/// Shared memory has times of this clock only. The wall clock ([`unix_ms`]) may be set back by a day at any
/// time; it is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(u64);

impl Uptime {
    /// So many milliseconds after the start.
    #[must_use]
    pub fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// The milliseconds since the start.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds, for 136 years.
    pub(super) fn seconds(self) -> u32 {
        u32::try_from(self.0 / 1000).unwrap_or(u32::MAX)
    }

    /// Whole minutes, modulo 2^16.
    pub(super) fn minute(self) -> u16 {
        (self.0 / 60_000) as u16
    }

    /// The time since `then`; zero where another process has read the clock after this one.
    #[must_use]
    pub fn since(self, then: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(then.0))
    }
}

/// The milliseconds since 1970.
pub fn unix_ms(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
