//! The probe of a member in error, claimed and given up by a request: see [`probe_guard`].

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::child::probe_guard::{self, ProbeGuard};
use crate::ffi::httpd::clock;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::first_piece;
use crate::ffi::state::request_state::RequestState;
use crate::proxy::ProbeResult;

/// This request could ask the member, but its client has sent nothing of the body that it announces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyIsMissing<'m>(pub(crate) Worker<'m>);

/// Lets this request be the one that is given to a member in error. `false`: another one is.
///
/// # Errors
/// [`BodyIsMissing`]: nothing has changed; to be tried again once the client has sent it.
///
/// # Race
/// Children that claim in the same instant: one has the probe, and the others may, before it has set
/// the member's time again, let mod_proxy find that the time has come. The member has more than one
/// request then.
pub(crate) fn begin<'m>(
    request: Request<'_>,
    member: Worker<'m>,
    child: &Arc<Child>,
) -> Result<bool, BodyIsMissing<'m>> {
    let key = member.key();
    let now = clock::uptime();
    // Without a place for its state mod_proxy's own way is left.
    let Some(state) = child.member_state(key) else { return Ok(false) };
    if let Some(left) = state.probe_left(now) {
        // A probe that takes longer than `retry`: mod_proxy would give the member to everybody.
        if member.retry_is_due() {
            member.put_off_retry(left);
        }
        return Ok(false);
    }
    if !first_piece::is_here(request) {
        return Err(BodyIsMissing(member));
    }
    let Some(probe) = state.begin_probe(now) else { return Ok(false) };
    // Nobody else finds that its time has come while this one is out, nor right after it.
    member.note_error_time();
    let asking = ProbeGuard::new(member, key, probe, child);
    RequestState::of(request).asking.replace(Some(asking));
    Ok(true)
}

/// The member's turn is over. If it has not been asked, since the request was refused before, another
/// request may ask at once.
pub(crate) fn give_up(request: Request<'_>, member: Worker<'_>) {
    if let Some(state) = RequestState::existing(request) {
        let mut asking = state.asking.borrow_mut();
        probe_guard::end(&mut asking, member, ProbeResult::Inconclusive);
    }
}
