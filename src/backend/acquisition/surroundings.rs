//! The surroundings of a step.

use std::time::Instant;

use crate::backend::{Backend, ConnectSettings};

/// The values that the machine uses in a step and does not keep.
pub struct Surroundings<'a> {
    /// The backend, for what is known of it; nothing blocks.
    pub backend: &'a Backend,
    /// The worker's settings at this moment.
    pub settings: &'a ConnectSettings,
    /// The clock.
    pub now: &'a dyn Fn() -> Instant,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("backend", self.backend.key()).finish_non_exhaustive()
    }
}
