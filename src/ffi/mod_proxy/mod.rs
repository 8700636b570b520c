//! mod_proxy: views of its workers and balancers, and what their settings mean for a connection.

pub(crate) mod activation;
pub(crate) mod backend_url;
pub(crate) mod balancer;
pub(crate) mod by_requests;
pub(crate) mod canonical_start;
pub(crate) mod server_conf;
pub(crate) mod text_sizes;
pub(crate) mod worker;
pub(crate) mod worker_fields;
pub(crate) mod worker_id;
pub(crate) mod worker_readings;
pub(crate) mod worker_settings;
