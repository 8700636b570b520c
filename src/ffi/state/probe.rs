//! The probe of a member in error, claimed and released by a request: see [`probe_guard`].

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::child::probe_guard::{self, ProbeGuard};
use crate::ffi::httpd::clock;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::first_piece;
use crate::ffi::state::request_state::RequestState;
use crate::proxy::ProbeResult;

/// This request could probe the member, but its client has sent nothing of the body that it announces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyIsMissing<'m>(pub(crate) Worker<'m>);

/// Claims the probe of a member in error for this request. `false`: another request has it.
///
/// # Errors
/// [`BodyIsMissing`]: nothing has changed; the caller tries again once the client has sent a piece of
/// it.
///
/// # Race
/// If children claim in the same instant, one gets the probe. Before it has set the member's error time
/// again, the others may let mod_proxy find that the time has passed. The member gets more than one
/// request then.
pub(crate) fn begin<'m>(
    request: Request<'_>,
    member: Worker<'m>,
    child: &Arc<Child>,
) -> Result<bool, BodyIsMissing<'m>> {
    let key = member.key();
    let now = clock::uptime();
    // If there is no room for its state, mod_proxy's own rule applies.
    let Some(state) = child.member_state(key) else { return Ok(false) };
    if let Some(left) = state.probe_left(now) {
        // If a probe takes longer than `retry`, mod_proxy would give the member to all requests.
        if member.retry_is_due() {
            member.put_off_retry(left);
        }
        return Ok(false);
    }
    if !first_piece::is_here(request) {
        return Err(BodyIsMissing(member));
    }
    let Some(probe) = state.begin_probe(now) else { return Ok(false) };
    // No other request finds that the time has passed during this probe, or right after it.
    member.note_error_time();
    let guard = ProbeGuard::new(member, key, probe, child);
    RequestState::of(request).probe.replace(Some(guard));
    Ok(true)
}

/// Releases the probe. If the request was refused before the member was tried, another request may
/// probe it at once.
pub(crate) fn give_up(request: Request<'_>, member: Worker<'_>) {
    if let Some(state) = RequestState::existing(request) {
        let mut probe = state.probe.borrow_mut();
        probe_guard::end(&mut probe, member, ProbeResult::Inconclusive);
    }
}
