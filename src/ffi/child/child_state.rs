//! The state of one child of httpd: its backends, and the settings of its workers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::backend::{Backend, BackendKey, Housekeeper, Reverse, Warnings};
use crate::config::{ReverseListener, WorkerSettings};
use crate::ffi::child::balancer_routes::BalancerRoutes;
use crate::ffi::child::member_table::Members;
use crate::ffi::child::transient_marks::TransientMarks;
use crate::ffi::child::worker_cache::{ByAddress, WorkerCache};
use crate::ffi::httpd::clock;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server;
use crate::ffi::mod_proxy::by_requests::ByRequests;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::messages::Message;
use crate::shared::{MemberKey, MemberState};
use crate::stats::{Counting, ErrorReason, MemberStats};

/// The state of one child, shared by its threads.
#[derive(Debug)]
pub(crate) struct Child {
    settings: HashMap<WorkerId, Arc<WorkerSettings>, ByAddress>,
    /// The settings of a worker that was added at run time.
    unset: Arc<WorkerSettings>,
    backends: RwLock<HashMap<BackendKey, Arc<Backend>>>,
    members: Members,
    counting: Option<Counting>,
    /// Workers whose settings the housekeeper reads itself.
    watched: HashSet<WorkerId>,
    /// The listeners to which containers connect.
    reverses: Vec<Arc<Reverse>>,
    housekeeper: OnceLock<Housekeeper>,
    /// Some server has `ProxyAjpParking On`, and the MPM can do it.
    can_park: bool,
    by_requests: ByRequests,
    /// Workers that have had a request.
    pub(crate) known: WorkerCache,
    /// Routes of balancers that have had a request of a session.
    pub(crate) routes: BalancerRoutes,
    /// Members that have a temporary mark.
    pub(crate) passes: TransientMarks,
    /// The limits on log lines that a client can cause, for lines that belong to no backend.
    warnings: Mutex<HashMap<MemberKey, Arc<Warnings>>>,
}

impl Child {
    pub(crate) fn new(
        settings: HashMap<WorkerId, WorkerSettings>,
        members: Members,
        counting: Option<Counting>,
        watched: HashSet<WorkerId>,
        reverses: Vec<Arc<Reverse>>,
        can_park: bool,
        by_requests: ByRequests,
    ) -> Self {
        let (backends, housekeeper) = (RwLock::default(), OnceLock::new());
        let (known, passes) = (WorkerCache::default(), TransientMarks::default());
        let settings = settings.into_iter().map(|(id, ours)| (id, Arc::new(ours))).collect();
        Self {
            settings,
            unset: Arc::default(),
            backends,
            members,
            counting,
            watched,
            reverses,
            housekeeper,
            can_park,
            by_requests,
            known,
            routes: BalancerRoutes::default(),
            passes,
            warnings: Mutex::default(),
        }
    }

    /// The shared state of a worker ([`Worker::key`](crate::ffi::mod_proxy::worker::Worker::key)).
    /// `None`: so many workers were added at run time that there is no room, which has been logged.
    pub(crate) fn member_state(&self, key: MemberKey) -> Option<MemberState<'_>> {
        self.members.state(key, log_memory_full)
    }

    /// The counters of a worker's requests; `None` if there is no room.
    pub(crate) fn member_stats(&self, key: MemberKey) -> Option<MemberStats> {
        self.counting.as_ref()?.member(key)
    }

    /// Counts a failover: another member is given a request that this one had.
    pub(crate) fn count_failover(&self, from: MemberKey) {
        if let Some(stats) = self.member_stats(from) {
            stats.counters().failovers.add(1);
        }
    }

    /// Counts a request that ended before a connection was asked for, or that an error of ours ended.
    pub(crate) fn count_refused(&self, member: MemberKey, reason: ErrorReason) {
        if let Some(stats) = self.member_stats(member) {
            stats.counters().count_refused(reason, clock::uptime());
        }
    }

    /// All counters of all children.
    pub(crate) fn counting(&self) -> Option<&Counting> {
        self.counting.as_ref()
    }

    /// Makes a backend. It is counted under its own name, or, if a client has chosen its name, under
    /// its worker's. If its container opens the connections, it is never connected to, whichever URL
    /// names it: we would connect to our own port.
    pub(crate) fn new_backend(&self, key: &BackendKey, counted_as: Option<&str>) -> Backend {
        let own = || Backend::name_of(key);
        let name = counted_as.map_or_else(own, str::to_owned);
        let stats = self.counting.as_ref().and_then(|counting| counting.pool(&name));
        let reverse =
            key.socket_path.is_none().then(|| self.reverse(&key.host, key.port)).flatten();
        let backend = Backend::counted(key.clone(), reverse.cloned(), stats);
        match counted_as {
            // The backend is made for one request: the limits on log lines outlive it.
            Some(name) => backend.warned_as(self.warnings(MemberKey::of(&[name.as_bytes()]))),
            None => backend,
        }
    }

    /// The limits on log lines that clients can cause for a worker or balancer. For names of the
    /// configuration only, because nothing is ever removed.
    pub(crate) fn warnings(&self, of: MemberKey) -> Arc<Warnings> {
        Arc::clone(self.warnings.lock().entry(of).or_default())
    }

    /// Whether the housekeeper reads this worker's settings. If not, its requests pass them to the
    /// backend.
    pub(crate) fn watches(&self, worker: WorkerId) -> bool {
        self.watched.contains(&worker)
    }

    /// httpd's `byrequests`.
    pub(crate) fn by_requests(&self) -> ByRequests {
        self.by_requests
    }

    /// Whether requests can wait without a thread here: some server has `ProxyAjpParking On`, and the MPM
    /// can do it.
    pub(crate) fn can_park(&self) -> bool {
        self.can_park
    }

    /// Keeps the housekeeper, unless there is one already.
    pub(crate) fn keep(&self, housekeeper: Housekeeper) -> Option<&Housekeeper> {
        self.housekeeper.set(housekeeper).ok()?;
        self.housekeeper.get()
    }

    /// Returns the settings of a worker; the defaults for one that was added at run time.
    pub(crate) fn settings(&self, worker: WorkerId) -> &Arc<WorkerSettings> {
        self.settings.get(&worker).unwrap_or(&self.unset)
    }

    /// The backend with this key: the same one for all workers and virtual hosts with that key.
    pub(crate) fn backend(&self, key: &BackendKey) -> Arc<Backend> {
        if let Some(backend) = self.backends.read().get(key) {
            return Arc::clone(backend);
        }
        let mut backends = self.backends.write();
        let backend =
            backends.entry(key.clone()).or_insert_with(|| Arc::new(self.new_backend(key, None)));
        Arc::clone(backend)
    }

    /// The listener of the container behind the pool of this name.
    pub(crate) fn reverse_of(&self, pool: &str) -> Option<Arc<Reverse>> {
        self.reverses.iter().find(|reverse| reverse.settings().url() == pool).cloned()
    }

    /// The listener of the container of the worker with this host and port, if there is one.
    pub(crate) fn reverse(&self, host: &str, port: u16) -> Option<&Arc<Reverse>> {
        let find = |is_it: &dyn Fn(&ReverseListener) -> bool| {
            self.reverses.iter().find(|reverse| is_it(reverse.settings()))
        };
        // A listener with this name comes before one that listens on the address.
        find(&|settings| settings.is_for(host.as_bytes(), port))
            .or_else(|| find(&|settings| settings.is_reached_by(host, port)))
    }

    /// The listeners to which containers connect.
    pub(crate) fn reverses(&self) -> &[Arc<Reverse>] {
        &self.reverses
    }

    /// The backend with this key, if there is one.
    pub(crate) fn known_backend(&self, key: &BackendKey) -> Option<Arc<Backend>> {
        self.backends.read().get(key).cloned()
    }

    /// All backends that exist now.
    pub(crate) fn backends(&self) -> Vec<Arc<Backend>> {
        self.backends.read().values().cloned().collect()
    }

    /// Whether the housekeeper of this child checks the ports that all children share. It keeps them for
    /// `time`.
    pub(crate) fn claim_ports(&self, time: Duration) -> bool {
        !self.reverses.is_empty() && self.members.claim_ports(clock::uptime(), time)
    }

    /// Ends the pools: idle connections close now, those in use after their request.
    pub(crate) fn close(&self) {
        self.members.release_ports();
        self.reverses.iter().for_each(|reverse| reverse.give_up());
        for backend in self.backends.read().values() {
            backend.close();
        }
    }
}

fn log_memory_full() {
    // SAFETY: this is a child.
    let Some(main) = (unsafe { server::main() }) else { return };
    log::server(
        main,
        Message::NoRoomForWorker,
        format_args!(
            "the shared memory is full, because many workers were added at run time: for the \
             workers that have no room in it, busylimit, maxreplytimeouts, escalation, \
             lbmethod=sessions and lbmethod=next count only the requests of this child, until \
             httpd is restarted"
        ),
    );
}
