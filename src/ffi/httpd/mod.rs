//! httpd: its servers, its requests, its log, the module's record.

pub(crate) mod body_buckets;
pub(crate) mod clock;
pub(crate) mod config_tree;
pub(crate) mod connection;
pub(crate) mod handler_status;
pub(crate) mod listening_sockets;
pub(crate) mod log;
pub(crate) mod module_record;
pub(crate) mod mpm;
pub(crate) mod own_handler;
pub(crate) mod patience;
pub(crate) mod request;
pub(crate) mod request_body;
pub(crate) mod request_steps;
pub(crate) mod request_tls;
pub(crate) mod response_body;
pub(crate) mod response_end;
pub(crate) mod server;
pub(crate) mod socket_option;
