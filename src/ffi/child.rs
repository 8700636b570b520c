//! What one child of httpd owns: its backends, and the settings of its workers.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::server_config::WorkerId;
use crate::backend::{Backend, BackendKey};
use crate::config::WorkerSettings;

/// The state of one child, shared by its threads.
#[derive(Debug, Default)]
pub(super) struct Child {
    settings: HashMap<WorkerId, WorkerSettings>,
    backends: RwLock<HashMap<BackendKey, Arc<Backend>>>,
}

impl Child {
    pub(super) fn new(settings: HashMap<WorkerId, WorkerSettings>) -> Self {
        Self { settings, backends: RwLock::default() }
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
