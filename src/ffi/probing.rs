//! A member in error is given one request at a time, to find out whether it is back.
//!
//! mod_proxy makes a member usable for everybody once its `retry` time has passed: a burst of
//! requests then meets one that is still dead. Here the member stays marked, its time is set anew,
//! and one request over all children is given to it ([`Probe`]); the others go elsewhere meanwhile.
//! If it answers, the mark goes.

use std::sync::Arc;

use super::child::Child;
use super::clock;
use super::kept::Kept;
use super::request::Request;
use super::worker::Worker;
use crate::metrics::{MemberKey, Probe};
use crate::proxy::{Failure, Phase, ProxyError};

/// The right to ask a member in error; given back when it is dropped, at the latest with the
/// request's pool.
pub(super) struct Asking {
    member: Worker,
    key: MemberKey,
    probe: Probe,
    child: Arc<Child>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(state) = self.child.member_state(self.key) {
            state.end_probe(self.probe);
        }
    }
}

/// Lets this request be the one that is given to a member in error. `false`: another one is.
pub(super) fn begin(request: Request<'_>, member: Worker, child: &Arc<Child>) -> bool {
    let key = member.key();
    let now = clock::uptime();
    let probe = child.member_state(key).and_then(|state| state.begin_probe(now));
    // Nobody else finds that its time has come while this one is out, nor right after it.
    member.note_error_time();
    let Some(probe) = probe else { return false };
    // SAFETY: the reference is used for this one assignment.
    unsafe { Kept::of(request) }.asking =
        Some(Asking { member, key, probe, child: Arc::clone(child) });
    true
}

/// What the request has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It answers, in whatever way.
    Back,
    /// It is still in error.
    Down,
    /// Nothing: the request was at fault itself.
    Nothing,
}

impl Found {
    pub(super) fn by(failure: &Failure) -> Self {
        match failure.phase {
            Phase::Headers | Phase::HeadersOnly | Phase::Body => Self::Back,
            _ if matches!(failure.error, ProxyError::Client(_)) => Self::Nothing,
            Phase::Connect | Phase::Request | Phase::FirstByte => Self::Down,
        }
    }
}

/// The member has had its request. `true`: it was the one that asked.
pub(super) fn end(asking: &mut Option<Asking>, member: Worker, found: Found) -> bool {
    let Some(asking) = asking.take_if(|asking| asking.member == member) else { return false };
    match found {
        Found::Back => member.is_back(),
        Found::Down => {}
        Found::Nothing => member.forget_error_time(),
    }
    drop(asking);
    true
}

/// The member's turn is over. If it has not been asked, since the request was refused before, another
/// request may ask at once.
pub(super) fn give_up(request: Request<'_>, member: Worker) {
    if !request.kept().is_null() {
        // SAFETY: the reference is used for this one call.
        end(&mut unsafe { Kept::of(request) }.asking, member, Found::Nothing);
    }
}
