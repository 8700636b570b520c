//! One call of the scheme handler: its arguments.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::request_state::RequestState;

/// One call of the scheme handler.
pub(crate) struct Call<'r> {
    pub(crate) request: Request<'r>,
    pub(crate) worker: Worker<'r>,
    pub(crate) conf: ProxyConf<'r>,
    pub(crate) child: &'r Arc<Child>,
    /// What is kept with the request over its calls.
    pub(crate) kept: &'r RequestState,
}
