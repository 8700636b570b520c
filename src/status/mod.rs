//! ajp-status: a snapshot of all members and pools, written out for people, scripts and Prometheus; and the
//! orders of operators.
//!
//! It knows nothing of httpd: `ffi` takes the [`Snapshot`] and carries out the [`Order`].

mod action;
mod host;
mod json;
mod nonce;
mod numbers;
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
pub use page::{asks_first, confirmation, help, outcome, page, refresh};
pub use pattern::Pattern;
pub use prop::{prop, result, version};
pub use snapshot::{Balancer, DialsIn, Endpoint, Health, Member, Pool, Snapshot, State, Wanted};
pub use summary::{auto, html};
