//! What there is to see, and to steer: one picture of all members and pools, written out for people,
//! for scripts and for Prometheus; and what an operator may ask for.
//!
//! Knows nothing of httpd: `ffi` takes the picture ([`Snapshot`]), and does what is asked for
//! ([`Order`]).

mod action;
mod host;
mod json;
mod nonce;
mod openmetrics;
mod page;
mod pattern;
mod prop;
mod snapshot;
mod summary;
#[cfg(test)]
mod tests;

pub use action::{BadOrder, Done, Order, report, words};
pub use host::{is_own, ours};
pub use json::json;
pub use nonce::Nonce;
pub use openmetrics::{OPENMETRICS, openmetrics};
pub use page::page;
pub use pattern::Pattern;
pub use prop::{prop, result, version};
pub use snapshot::{Balancer, DialsIn, Endpoint, Member, Pool, Snapshot, State, Wanted};
pub use summary::{auto, html};
