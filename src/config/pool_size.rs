//! The size of a worker's pool in the administrator's own words.

use std::num::NonZeroUsize;

/// `min`, `max` and `smax` of a worker as they were written.
///
/// mod_proxy fills in what is not set when a child starts, by the number of threads, and lowers what does
/// not fit: its own fields no longer say what was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSize {
    /// `min`; 0: not set.
    pub min: usize,
    /// `max`; `None`: not set, or 0.
    pub max: Option<NonZeroUsize>,
    /// `smax`; `None`: not set.
    pub smax: Option<usize>,
}
