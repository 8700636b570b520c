//! Requests that wait without a thread: the hooks of a connection.

pub(crate) mod hooks;
