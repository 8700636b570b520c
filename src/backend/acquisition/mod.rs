//! From "a request needs a connection" to one that is open, tested and its own, as a machine without
//! I/O.
//!
//! [`next`](Acquisition::next) names the next thing to do, [`got`](Acquisition::got) takes what came of
//! it; whoever drives the machine does it in place, or waits for it without a thread. The machine owns
//! the place in the pool and all connections on the way.
//!
//! One time in all is waited for CPONG. A backend that hangs, and one whose pooled connections a
//! firewall has dropped, look alike: half of the time is for the pooled connection; after that a new
//! one is opened and pinged for the rest, and whichever answers first is used (`Race`). For as long the
//! new one is beside those that `max` counts.

mod blocking;
mod machine;
mod need;
mod opening;
mod ping;
mod ping_time;
mod pinged;
mod port_wait;
mod race;
mod reverse;
mod reverse_stage;
mod slow;
mod surroundings;
mod task;

#[cfg(test)]
mod tests;

pub use machine::Acquisition;
pub use need::{Accepted, Connections, Got, Inbound, Need, Which};
pub(super) use opening::Opening;
pub(super) use ping::Ping;
pub(super) use pinged::{Answer, need, pinged};
pub use surroundings::Surroundings;
pub use task::Task;
