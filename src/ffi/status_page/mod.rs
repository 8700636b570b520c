//! The status page `ajp-status`.

pub(crate) mod handler;
pub(crate) mod orders;
pub(crate) mod snapshot;
