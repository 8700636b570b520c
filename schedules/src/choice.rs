//! What a scenario leaves to chance.

use shuttle::rand::{Rng, thread_rng};

/// The scheduler's choice, so that it belongs to the schedule.
pub(crate) fn choose(count: u32) -> u32 {
    thread_rng().gen_range(0..count)
}
