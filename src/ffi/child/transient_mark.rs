//! The member that has not taken a request, for no fault of its own.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::ffi::mod_proxy::worker::Worker;

/// The member that has just not taken a request, for no fault of its own.
#[derive(Default)]
pub(crate) struct TransientMark(Option<(Worker, Arc<Child>)>);

impl TransientMark {
    pub(crate) fn set(&mut self, worker: Worker, child: &Arc<Child>) {
        self.unmark();
        child.passes.begin(worker);
        worker.note_error_time();
        self.0 = Some((worker, Arc::clone(child)));
    }

    /// Takes its mark away.
    pub(crate) fn unmark(&mut self) {
        if let Some((member, child)) = self.0.take() {
            child.passes.end(member);
        }
    }
}

impl Drop for TransientMark {
    fn drop(&mut self) {
        self.unmark();
    }
}
