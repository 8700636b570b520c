//! Translates mod_jk's workers to workers and balancers of httpd's.

pub mod ajp_worker;
pub mod balancer;
pub mod connections;
pub mod context;
pub mod lb_worker;
pub mod listed_workers;
pub mod member;
pub mod members;
pub mod mounts;
pub mod one_to_one;
pub mod pings;
pub mod plan;
pub mod resending;
pub mod worker;
