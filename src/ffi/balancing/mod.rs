//! Which member of a balancer gets a request.

pub(crate) mod elected;
pub(crate) mod lbmethod;
pub(crate) mod pre_request;
