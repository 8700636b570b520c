//! The probe of a member in error: one request at a time finds out whether the member has recovered.
//!
//! mod_proxy makes a member usable for all requests once its `retry` time has passed: a burst of
//! requests then meets a member that is still down. Here the member stays marked, its error time is set
//! again, and one request over all children is given to it ([`Probe`]); the others go elsewhere in the
//! meantime. Any packet from the container clears the mark.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_life;
use crate::ffi::mod_proxy::worker::{NotedWorker, Worker};
use crate::proxy::ProbeResult;
use crate::shared::{MemberKey, Probe};

/// The right to probe a member in error; released when it is dropped, at the latest with the request's
/// pool.
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
        // Not if the probe took so long that another request has replaced it.
        let is_the_one = state.is_some_and(|state| state.end_probe(self.probe));
        match self.result {
            ProbeResult::Recovered => {
                self.member.view().mark_recovered();
                member_life::log_recovery(&self.child, self.member.view());
            }
            ProbeResult::StillDown if is_the_one => self.member.view().note_error_time(),
            ProbeResult::Inconclusive if is_the_one => self.member.view().forget_error_time(),
            ProbeResult::StillDown | ProbeResult::Inconclusive => {}
        }
    }
}

impl ProbeGuard {
    /// Makes the guard for the request that has `probe` of `member`, whose key this is.
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

/// Ends the probe of `member` with this result, if it is this request's probe and has not ended before.
pub(crate) fn end(probe: &mut Option<ProbeGuard>, member: Worker<'_>, result: ProbeResult) {
    if let Some(mut probe) = probe.take_if(|probe| probe.member == member) {
        probe.result = result;
    }
}

/// Whether this request is the probe of `member`, without a result so far.
pub(crate) fn is_probe(probe: Option<&ProbeGuard>, member: Worker<'_>) -> bool {
    probe.is_some_and(|probe| probe.member == member)
}
