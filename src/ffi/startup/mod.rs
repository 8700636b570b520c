//! From reading the configuration to the end of a child.

pub(crate) mod balancer_settings;
pub(crate) mod lifecycle;
pub(crate) mod reverse_listeners;
