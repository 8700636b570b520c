//! The whole of a request to one backend as a machine without I/O: a place in the pool, connecting,
//! CPING, the question about packet sizes, attempts, pauses, and the connection given back.
//!
//! [`next`](Conversation::next) names the next thing to do, and [`got`](Conversation::got) takes what
//! came of it. Whoever drives the machine does each thing in place ([`serve`](super::serve)), or notes
//! descriptors and a deadline, gives its thread back, and goes on on another one. The machine owns all
//! that lives from step to step, the connection included, and may move to another thread between two
//! steps; backend, settings, request and client are arguments of a step, the clock among them.
//!
//! ```text
//!  Asking ──> Connecting ──> Attempt ──> Passing ──> Done        (a request above 8192 bytes asks first)
//!                 ^   │         │
//!                 │   v         v         connecting again, a fresh connection, or the end
//!                Pause <────────┴───────> Done
//! ```
//!
//! A driver that works in place [begins](Conversation::begin) with the attempt where an idle connection is all
//! that is needed.
//!
//! Nothing is sent again after a byte of the response has reached the client, a connection goes back to
//! the pool only with the [`Reusable`](crate::exchange::Reusable) of its exchange, and every attempt but the last is counted
//! against what [`Resend`](super::Resend) allows.

mod attempt;
mod begin;
mod blocked;
mod error;
mod machine;
mod outgoing;
mod packet_size;
mod packets;
mod refusal;
mod resend;
mod step;
mod upload;

#[cfg(any(test, feature = "fuzzing"))]
mod tests;

#[cfg(feature = "fuzzing")]
pub use tests::any_backend::check_any_backend;

pub use machine::Conversation;
pub use step::{BodyWait, Context, Do, What};
