//! Which member of a balancer gets a request.

pub(crate) mod client_failure;
pub(crate) mod elected;
pub(crate) mod hook_args;
pub(crate) mod lbmethod;
mod newcomer;
pub(crate) mod no_member;
pub(crate) mod pre_request;
pub(crate) mod session;
