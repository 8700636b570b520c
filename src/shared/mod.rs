//! State of members (workers of a balancer, and plain ones) that all children share.
//!
//! It works on atomics, and knows neither httpd, nor the clock, nor how the memory is made (`ffi`).

mod checker;
mod clock;
mod failing;
mod key;
pub mod key_slots;
mod layout;
mod life;
mod member;
mod operator;
mod probe;
mod shares;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_children;

pub use clock::{Uptime, unix_ms};
pub use failing::{FAILING_AFTER, KeptError};
pub use key::MemberKey;
pub use layout::{Header, PrivateTable, Row, Sizes, Slot, Table, VERSION};
pub use member::{AtLimit, Busy, MemberState, marks_in_error};
pub use operator::{OPERATOR_VERSION, OperatorEntry, Operators};
pub use probe::{Probe, in_error_for};
pub use shares::{Account, SharedChoice};
