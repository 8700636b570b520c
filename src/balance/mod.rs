//! The choice of a balancer member for a request: decisions without httpd, clock or lock.
//!
//! The layer above provides facts about members one at a time, as they are asked for, and carries out
//! the decisions. mod_proxy_balancer remains the balancer: docs/balancing.md says what is added to it.

#![forbid(unsafe_code)]

mod activation;
mod election;
pub mod lbmethod;
pub mod locality;
mod obstacle;
pub mod orders;
mod preference;
mod routes;
mod session;
mod worker_status;

use smallvec::SmallVec;

pub use activation::Activation;
pub use election::{Answer, Election, Refusal, Rules, Step};
pub use obstacle::{Obstacle, obstacles};
pub use preference::{Load, preferred};
pub use routes::Routes;
pub use session::Sticky;
pub use worker_status::{Role, WorkerStatus};

/// The places of a few members, such as those with one route.
pub type Places = SmallVec<[usize; 4]>;

/// The facts of a balancer's members, each read when it is asked for.
///
/// Members are named by their place in the balancer. Other processes change them at any time, so an
/// election reads a status once and decides with what it has read.
pub trait Members {
    /// The number of members.
    fn count(&self) -> usize;

    /// The status word.
    fn status(&self, member: usize) -> WorkerStatus;

    /// Whether its `retry` time has passed since it was marked as in error.
    fn retry_is_due(&self, member: usize) -> bool;

    /// Whether it is probed by one request at a time while it is in error. Not with `retry=0`, which
    /// lets each request try it, and not if another module serves it: its answer would not reach us.
    fn is_probed(&self, member: usize) -> bool;

    /// Its `lbset`.
    fn lbset(&self, member: usize) -> i32;

    /// Its requests in flight and its `loadfactor`.
    fn load(&self, member: usize) -> Load;

    /// Whether the request has been given to it already.
    fn was_tried(&self, member: usize) -> bool;

    /// The members with this route, in their order, as far as is known without reading all of them.
    fn of_route(&self, route: &[u8]) -> Places;

    /// The members with this route, found by reading all of them: routes change at run time.
    fn search_route(&self, route: &[u8]) -> Places;

    /// The route that its `redirect` names, if it has one.
    fn redirect(&self, member: usize) -> Option<Vec<u8>>;

    /// Its `domain`, if it has one.
    fn domain(&self, member: usize) -> Option<Vec<u8>>;
}
