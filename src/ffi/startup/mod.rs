//! The start: directives, the checks and the memory of the parent, the start of a child, and its end.

pub(crate) mod balancer_settings;
pub(crate) mod child_end;
pub(crate) mod directives;
pub(crate) mod lifecycle;
pub(crate) mod members;
pub(crate) mod mistakes;
pub(crate) mod operator_orders;
pub(crate) mod parking;
pub(crate) mod reverse_listeners;
