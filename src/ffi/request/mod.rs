//! The scheme handler: one request to one worker.

pub(crate) mod after_parking;
pub(crate) mod call;
pub(crate) mod canon;
pub(crate) mod client;
pub(crate) mod forward_request;
pub(crate) mod forwarding;
pub(crate) mod handler;
pub(crate) mod hcheck_cping;
pub(crate) mod known_worker;
pub(crate) mod outcome;
pub(crate) mod packet_memory;
pub(crate) mod parked_call;
pub(crate) mod parking_rules;
pub(crate) mod prepare;
pub(crate) mod proxy_block;
pub(crate) mod response;
pub(crate) mod response_progress;
