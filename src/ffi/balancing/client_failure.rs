//! A client that fails before a member has been chosen for its request.

use std::ffi::c_int;

use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::sys;
use crate::proxy::{ClientError, Failure, Outcome, Reply};

/// The client has failed before a member was chosen for its request; `member` is the one that could
/// have been. Gives what the hook returns.
pub(crate) fn client_failed_before_election(
    request: Request<'_>,
    child: &Child,
    member: Worker,
    error: ClientError,
) -> c_int {
    let failure = Failure::before_connection(error);
    child.count_refused(member.key(), failure.reason());
    let outcome = Outcome::of(&failure, false);
    log::request(
        request,
        outcome.level.into(),
        format_args!("{}, no member was asked", failure.error),
    );
    match outcome.reply {
        Reply::Status(status) | Reply::Elsewhere(status) => status.into(),
        Reply::Answered => sys::AP_FILTER_ERROR,
        Reply::Nothing | Reply::Cut => {
            // For the access log alone.
            request.set_status(sys::HTTP_BAD_REQUEST as c_int, std::ptr::null());
            sys::DONE
        }
    }
}
