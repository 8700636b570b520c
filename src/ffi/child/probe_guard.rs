//! A member in error is given one request at a time, to find out whether it is back.
//!
//! mod_proxy makes a member usable for everybody once its `retry` time has passed: a burst of
//! requests then meets one that is still dead. Here the member stays marked, its time is set again,
//! and one request over all children is given to it ([`Probe`]); the others go elsewhere meanwhile.
//! Any packet of the container's, and the mark goes.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::mod_proxy::worker::{NotedWorker, Worker};
use crate::proxy::ProbeResult;
use crate::shared::{MemberKey, Probe};

/// The right to ask a member in error; given back when it is dropped, at the latest with the
/// request's pool.
pub(crate) struct ProbeGuard {
    member: NotedWorker,
    key: MemberKey,
    probe: Probe,
    child: Arc<Child>,
    result: ProbeResult,
}

impl Drop for ProbeGuard {
    fn drop(&mut self) {
        let state = self.child.member_state(self.key);
        // Not if it took so long that another request was sent in its place.
        let is_the_one = state.is_some_and(|state| state.end_probe(self.probe));
        match self.result {
            ProbeResult::Recovered => self.member.view().mark_recovered(),
            ProbeResult::StillDown if is_the_one => self.member.view().note_error_time(),
            ProbeResult::Inconclusive if is_the_one => self.member.view().forget_error_time(),
            ProbeResult::StillDown | ProbeResult::Inconclusive => {}
        }
    }
}

impl ProbeGuard {
    /// The request that has `probe` asks `member`, whose key this is.
    pub(crate) fn new(
        member: Worker<'_>,
        key: MemberKey,
        probe: Probe,
        child: &Arc<Child>,
    ) -> Self {
        // SAFETY: a member outlives the requests that it is given to, which this ends with.
        let member = unsafe { NotedWorker::new(member) };
        Self { member, key, probe, child: Arc::clone(child), result: ProbeResult::Inconclusive }
    }
}

/// Ends the probe of `member` with this result, if it is this request's and has not ended before.
pub(crate) fn end(asking: &mut Option<ProbeGuard>, member: Worker<'_>, result: ProbeResult) {
    if let Some(mut asking) = asking.take_if(|asking| asking.member == member) {
        asking.result = result;
    }
}

/// Whether this request is the probe of `member`, and nothing has been found out yet.
pub(crate) fn is_probe(asking: Option<&ProbeGuard>, member: Worker<'_>) -> bool {
    asking.is_some_and(|asking| asking.member == member)
}
