//! The temporary mark on a member that has not taken a request, through no fault of its own.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::mod_proxy::worker::{NotedWorker, Worker};

/// The temporary mark on a member that has just not taken a request, through no fault of its own.
#[derive(Default)]
pub(crate) struct TransientMark(Option<(NotedWorker, Arc<Child>)>);

impl TransientMark {
    /// Notes that mod_proxy is about to mark this member; the mark is cleared when this is dropped.
    pub(crate) fn new(worker: Worker<'_>, child: &Arc<Child>) -> Self {
        child.passes.begin(worker);
        worker.note_error_time();
        // SAFETY: a worker outlives the requests that it is given to, which this ends with.
        Self(Some((unsafe { NotedWorker::new(worker) }, Arc::clone(child))))
    }
}

impl Drop for TransientMark {
    fn drop(&mut self) {
        if let Some((member, child)) = self.0.take() {
            child.passes.end(member.view());
        }
    }
}
