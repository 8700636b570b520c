//! mod_jk's workers, as workers and balancers of httpd's.

pub mod ajp_worker;
pub mod balancer;
pub mod connections;
pub mod context;
pub mod mounts;
pub mod pings;
pub mod plan;
