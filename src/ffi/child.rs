//! What one child of httpd owns: its backends, and the settings of its workers.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::log::{self, LogLevel};
use super::server_config::WorkerId;
use super::shm::Members;
use super::sys;
use crate::backend::{Backend, BackendKey};
use crate::config::WorkerSettings;
use crate::metrics::{MemberKey, MemberState};

/// The state of one child, shared by its threads.
#[derive(Debug)]
pub(super) struct Child {
    settings: HashMap<WorkerId, WorkerSettings>,
    backends: RwLock<HashMap<BackendKey, Arc<Backend>>>,
    members: Members,
}

impl Child {
    pub(super) fn new(settings: HashMap<WorkerId, WorkerSettings>, members: Members) -> Self {
        Self { settings, backends: RwLock::default(), members }
    }

    /// What all children know of a worker ([`Worker::key`](super::worker::Worker::key)). `None`:
    /// so many were added at run time that there is no room, which has been logged.
    pub(super) fn member_state(&self, key: MemberKey) -> Option<MemberState<'_>> {
        self.members.state(key, say_members_are_full)
    }

    /// What the configuration says of a worker; nothing for one that was added at run time.
    pub(super) fn settings(&self, worker: WorkerId) -> Option<&WorkerSettings> {
        self.settings.get(&worker)
    }

    /// The backend with this key: the same one for every worker and virtual host that has it.
    pub(super) fn backend(&self, key: &BackendKey) -> Arc<Backend> {
        if let Some(backend) = self.backends.read().get(key) {
            return Arc::clone(backend);
        }
        let mut backends = self.backends.write();
        let backend =
            backends.entry(key.clone()).or_insert_with(|| Arc::new(Backend::new(key.clone())));
        Arc::clone(backend)
    }

    /// The child ends: idle connections close now, those in use after their request.
    pub(super) fn close(&self) {
        for backend in self.backends.read().values() {
            backend.close();
        }
    }
}

fn say_members_are_full() {
    // SAFETY: httpd's main server, set before any child exists and constant in a child.
    let main = unsafe { (&raw const sys::ap_server_conf).read() };
    if main.is_null() {
        return;
    }
    // SAFETY: live as long as the child.
    unsafe {
        log::server(
            main,
            LogLevel::Warning,
            format_args!(
                "more workers were added at run time than there is shared memory for: busylimit, \
                 maxreplytimeouts and escalation of the others count the requests of this child \
                 alone, until httpd is restarted"
            ),
        );
    }
}
