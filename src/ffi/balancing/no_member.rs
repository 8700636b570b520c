//! The log line of a request that no member of its balancer can take.

use crate::backend::WarningKind;
use crate::balance::{Obstacle, Refusal, obstacles};
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::request_state::RequestState;
use crate::messages::Message;
use crate::shared::MemberKey;

/// Logs what keeps each member from taking the request: once a minute for each balancer, and at info in
/// between.
#[cold]
pub(crate) fn log(request: Request<'_>, child: &Child, balancer: Balancer<'_>, refusal: Refusal) {
    let name = balancer.name();
    let name = String::from_utf8_lossy(&name);
    let warnings = child.warnings(MemberKey::of(&[name.as_bytes()]));
    let kept = RequestState::existing(request);
    let was_tried = |member: Worker<'_>| kept.is_some_and(|kept| kept.was_tried(member));
    let members = balancer.members().map(|member| Obstacle::of(member.status(), was_tried(member)));
    let why = obstacles(refusal, members);
    log::at_will(
        request,
        Message::NoMemberLeft,
        Some((&warnings, WarningKind::NoMember)),
        format_args!(
            "{name}: no member left that could take the request: {why}; {}",
            request.for_log()
        ),
    );
}
