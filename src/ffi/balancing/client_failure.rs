//! A client that fails before a member has been chosen for its request.

use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::proxy::{ClientError, Consequence, Facts, Failure};

/// Ends a request whose client has failed before a member was chosen. `member` is one that could have
/// been chosen. Returns the hook's result.
pub(crate) fn client_failed_before_election(
    request: Request<'_>,
    child: &Child,
    member: Worker<'_>,
    error: ClientError,
) -> HandlerStatus {
    let failure = Failure::before_connection(error);
    let consequence = Consequence::of(&failure, &Facts::default());
    child.count_refused(member.key(), consequence.reason);
    log::request(
        request,
        consequence.message,
        format_args!("{}; {}; no member was tried", failure.error, request.for_log()),
    );
    HandlerStatus::of(request, consequence.reply, false)
}
