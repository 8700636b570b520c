//! From reading the configuration to the end of a child.

pub(crate) mod balancer_settings;
pub(crate) mod child_end;
pub(crate) mod directives;
pub(crate) mod lifecycle;
pub(crate) mod operator_orders;
pub(crate) mod reverse_listeners;
