//! A member in error is given one request at a time, to find out whether it is back.
//!
//! mod_proxy makes a member usable for everybody once its `retry` time has passed: a burst of
//! requests then meets one that is still dead. Here the member stays marked, its time is set anew,
//! and one request over all children is given to it ([`Probe`]); the others go elsewhere meanwhile.
//! Any packet of the container's, and the mark goes.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::mod_proxy::worker::Worker;
use crate::proxy::{Failure, Phase, ProxyError};
use crate::shared::{MemberKey, Probe};

/// The right to ask a member in error; given back when it is dropped, at the latest with the
/// request's pool.
pub(crate) struct ProbeGuard {
    member: Worker,
    key: MemberKey,
    probe: Probe,
    child: Arc<Child>,
    found: Found,
}

impl Drop for ProbeGuard {
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

impl ProbeGuard {
    /// The request that has `probe` asks `member`, whose key this is.
    pub(crate) fn new(member: Worker, key: MemberKey, probe: Probe, child: &Arc<Child>) -> Self {
        Self { member, key, probe, child: Arc::clone(child), found: Found::Nothing }
    }
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
pub(crate) fn end(asking: &mut Option<ProbeGuard>, member: Worker, found: Found) -> bool {
    let Some(mut asking) = asking.take_if(|asking| asking.member == member) else { return false };
    asking.found = found;
    true
}
