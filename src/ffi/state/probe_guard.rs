//! A member in error is given one request at a time, to find out whether it is back.
//!
//! mod_proxy makes a member usable for everybody once its `retry` time has passed: a burst of
//! requests then meets one that is still dead. Here the member stays marked, its time is set anew,
//! and one request over all children is given to it ([`Probe`]); the others go elsewhere meanwhile.
//! Any packet of the container's, and the mark goes.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::clock;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::first_piece;
use crate::ffi::state::request_state::Kept;
use crate::proxy::{Failure, Phase, ProxyError};
use crate::shared::{MemberKey, Probe};

/// The right to ask a member in error; given back when it is dropped, at the latest with the
/// request's pool.
pub(crate) struct Asking {
    member: Worker,
    key: MemberKey,
    probe: Probe,
    child: Arc<Child>,
    found: Found,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let state = self.child.member_state(self.key);
        // Not if it took so long that another request was sent in its place.
        let is_the_one = state.is_some_and(|state| state.end_probe(self.probe));
        match self.found {
            Found::Back => self.member.is_back(),
            Found::Down if is_the_one => self.member.note_error_time(),
            Found::Nothing if is_the_one => self.member.forget_error_time(),
            Found::Down | Found::Nothing => {}
        }
    }
}

/// This request could ask the member, but its client has sent nothing of the body that it announces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyIsMissing(pub(crate) Worker);

/// Lets this request be the one that is given to a member in error. `false`: another one is.
///
/// # Errors
/// [`BodyIsMissing`]: nothing has changed; to be tried again once the client has sent it.
///
/// # Race
/// Children that claim in the same instant: one has the probe, and the others may, before it has set
/// the member's time anew, let mod_proxy find that the time has come. The member has more than one
/// request then.
pub(crate) fn begin(
    request: Request<'_>,
    member: Worker,
    child: &Arc<Child>,
) -> Result<bool, BodyIsMissing> {
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
    let asking = Asking { member, key, probe, child: Arc::clone(child), found: Found::Nothing };
    // SAFETY: the reference is used for this one assignment.
    unsafe { Kept::of(request) }.asking = Some(asking);
    Ok(true)
}

/// What the request has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It answers, in whatever way.
    Back,
    /// It is still in error.
    Down,
    /// Nothing: the request was at fault itself.
    Nothing,
}

impl Found {
    pub(crate) fn by(failure: &Failure) -> Self {
        match failure.phase {
            Phase::Headers | Phase::HeadersOnly | Phase::Body => Self::Back,
            _ if matches!(failure.error, ProxyError::Client(_)) => Self::Nothing,
            Phase::Connect | Phase::Request | Phase::FirstByte => Self::Down,
        }
    }
}

/// The member has had its request. `true`: it was the one that asked.
pub(crate) fn end(asking: &mut Option<Asking>, member: Worker, found: Found) -> bool {
    let Some(mut asking) = asking.take_if(|asking| asking.member == member) else { return false };
    asking.found = found;
    true
}

/// The member's turn is over. If it has not been asked, since the request was refused before, another
/// request may ask at once.
pub(crate) fn give_up(request: Request<'_>, member: Worker) {
    if !request.kept().is_null() {
        // SAFETY: the reference is used for this one call.
        end(&mut unsafe { Kept::of(request) }.asking, member, Found::Nothing);
    }
}
