//! The housekeeper of a child: its list of workers, its start, its end.
//!
//! The thread allocates from Rust alone, never from a pool of httpd's, and logs with the main server.
//! Of httpd's records it reads the workers that were configured when the child started: those stay
//! where they are as long as the child lives. It does not read mod_proxy's lists of workers again,
//! since balancer-manager adds to them at run time without a lock that we could take. A worker that was
//! added is maintained from its first request on.

use std::collections::{HashMap, HashSet};
use std::ffi::c_void;
use std::os::fd::AsFd;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::{
    Backend, BackendKey, Housekeeper, MaintenanceReport, MaintenanceSettings, Next, Reverse,
};
use crate::config::WorkerSettings;
use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_life::MemberWatch;
use crate::ffi::child::reverse_sockets;
use crate::ffi::child::threads;
use crate::ffi::guard::guard;
use crate::ffi::httpd::listening_sockets;
use crate::ffi::httpd::log;
use crate::ffi::httpd::mpm;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::mod_proxy::worker_settings::{EffectiveSettings, Parking};
use crate::ffi::sys;
use crate::messages::Message;

/// One worker as one server uses it.
struct WatchedWorker {
    worker: Worker<'static>,
    conf: ProxyConf<'static>,
    ours: WorkerSettings,
    /// As its server sees it.
    parking: Parking,
    /// Its backend and settings when they were last read.
    said: Option<(BackendKey, MaintenanceSettings)>,
}

impl WatchedWorker {
    /// Reads the backend that the worker names now, and its settings. Returns whether they have
    /// changed. Allocates nothing if they have not, since there may be thousands of workers.
    fn read(&mut self) -> bool {
        let configured = EffectiveSettings::new(self.worker, self.conf, &self.ours, self.parking);
        let (host, port) = (self.worker.host(), self.worker.port());
        let maintenance = configured.maintenance();
        let is_as_said = |(key, said): &(BackendKey, MaintenanceSettings)| {
            *said == maintenance && configured.leads_to(key, &host, port, None)
        };
        if self.said.as_ref().is_some_and(is_as_said) {
            return false;
        }
        self.said = Some((configured.key(&host, port, None), maintenance));
        true
    }

    fn key(&self) -> Option<&BackendKey> {
        self.said.as_ref().map(|(key, _)| key)
    }
}

/// The workers that were configured when the child started.
#[derive(Default)]
pub(crate) struct WatchList {
    workers: Vec<WatchedWorker>,
    /// The settings that follow from them.
    maintenance_of: HashMap<BackendKey, MaintenanceSettings>,
    members: MemberWatch,
}

// SAFETY: the views lead to httpd's configuration and to memory shared with other processes, which are
// read one field at a time, as worker threads do. The caller of `add` promises that the records live as
// long as the child.
unsafe impl Send for WatchList {}

impl WatchList {
    /// Adds all ajp workers of a server that have one address, including members of balancers. The
    /// server lives as long as the child; so do its present workers.
    pub(crate) fn add(
        &mut self,
        conf: ProxyConf<'static>,
        parking: Parking,
        settings: impl Fn(WorkerId) -> Option<WorkerSettings>,
    ) {
        for worker in conf.workers().filter(|w| w.is_ajp() && w.has_fixed_address()) {
            let ours = settings(worker.id()).unwrap_or_default();
            self.workers.push(WatchedWorker { worker, conf, ours, parking, said: None });
        }
    }

    /// Removes duplicates: each virtual host has copies of the main server's workers.
    pub(crate) fn remove_duplicates(&mut self) {
        let mut seen = HashSet::new();
        self.workers.retain_mut(|watched| {
            watched.read();
            seen.insert((watched.worker.id(), watched.key().cloned()))
        });
        self.maintenance_of = self.sum_up();
        self.members = MemberWatch::new(self.workers.iter().map(|watched| watched.worker));
    }

    /// The identities of the workers.
    pub(crate) fn ids(&self) -> HashSet<WorkerId> {
        self.workers.iter().map(|watched| watched.worker.id()).collect()
    }

    /// Passes their settings to the child's backends; creates the backends that need connections in
    /// advance: for `min`, and to check ports.
    fn read(&mut self, child: &Child, checks: PortChecks) {
        let mut has_changed = false;
        for watched in &mut self.workers {
            has_changed |= watched.read();
        }
        if has_changed {
            let before = std::mem::take(&mut self.maintenance_of);
            self.maintenance_of = self.sum_up();
            // A worker whose settings were changed at run time may have become another backend.
            for key in before.keys().filter(|key| !self.maintenance_of.contains_key(key)) {
                let Some(backend) = child.known_backend(key) else { continue };
                let Some(maintenance) = backend.maintenance() else { continue };
                backend.set_maintenance(MaintenanceSettings { min: 0, ..(*maintenance).clone() });
            }
        }
        let is_checked = |key: &BackendKey| {
            !child.reverses().is_empty()
                && key.socket_path.is_none()
                && child.reverse(&key.host, key.port).is_some_and(|reverse| checks.include(reverse))
        };
        for (key, maintenance) in &self.maintenance_of {
            if maintenance.min > 0 || is_checked(key) {
                child.backend(key);
            }
        }
        for backend in child.backends() {
            if let Some(maintenance) = self.maintenance_of.get(backend.key()) {
                backend.set_maintenance(maintenance.clone());
            }
        }
    }

    /// Merges the settings of all workers that name a backend, for each backend.
    fn sum_up(&self) -> HashMap<BackendKey, MaintenanceSettings> {
        let mut maintenance_of = HashMap::<BackendKey, MaintenanceSettings>::new();
        for (key, maintenance) in self.workers.iter().filter_map(|watched| watched.said.as_ref()) {
            let both = maintenance_of.get(key).map(|other| maintenance.clone().with(other));
            maintenance_of.insert(key.clone(), both.unwrap_or_else(|| maintenance.clone()));
        }
        maintenance_of
    }
}

/// The main server, for log lines of the thread.
struct MainServer(Server<'static>);

// SAFETY: only httpd's logging uses it, which is meant for any thread; it outlives the child.
unsafe impl Send for MainServer {}

/// Starts the thread, which ends before the child does.
///
/// # Safety
/// `pchild` is the child's pool; no other thread runs yet. The library stays loaded, and `main` live,
/// until `pchild` is gone.
pub(crate) unsafe fn start(
    child: &Arc<Child>,
    mut watch_list: WatchList,
    every: Duration,
    main: Server<'static>,
    pchild: *mut sys::apr_pool_t,
) {
    watch_list.members.begin(child);
    let kept = Arc::clone(child);
    let log = MainServer(main);
    let pass = move |now| round(&kept, &mut watch_list, &log, every, now);
    // A prefork child handles TERM and USR1 in its only thread; a handler must never run on ours.
    let keeper = match threads::without_signals(|| Housekeeper::start(every, pass)) {
        Ok(keeper) => keeper,
        Err(error) => {
            log::server(
                main,
                Message::NoHousekeeper,
                format_args!("cannot start the housekeeper: {error}"),
            );
            return;
        }
    };
    if let Some(keeper) = child.keep(keeper) {
        // SAFETY: pchild is live and ours on this thread. The housekeeper belongs to the child's
        // state, which the configuration holds: both are there until after pchild is destroyed.
        unsafe {
            let data = std::ptr::from_ref(keeper).cast::<c_void>();
            sys::apr_pool_pre_cleanup_register(pchild, data, Some(end));
        }
    }
}

/// Stops the housekeeper when the child ends. May run in a signal handler that has interrupted this
/// very thread anywhere (prefork), so it takes no lock, allocates nothing, and waits for a limited
/// time.
unsafe extern "C" fn end(data: *mut c_void) -> sys::apr_status_t {
    guard(0, || {
        // SAFETY: what `start` registered, alive as said there.
        let keeper = unsafe { &*data.cast_const().cast::<Housekeeper>() };
        keeper.stop();
        // SAFETY: the thread is joined here alone, once: the pool runs a cleanup once, and
        // `Housekeeper` neither joins nor detaches.
        unsafe { threads::join_within(keeper.thread().as_pthread_t(), JOIN_TIMEOUT) };
        0
    })
}

/// The ports of reverse connections that this child checks: its own, and all others if it has claimed those.
#[derive(Clone, Copy)]
struct PortChecks {
    has_shared: bool,
}

impl PortChecks {
    fn include(self, reverse: &Reverse) -> bool {
        self.has_shared || !reverse.settings().is_shared()
    }
}

/// Runs one round.
fn round(
    child: &Child,
    watch_list: &mut WatchList,
    log: &MainServer,
    every: Duration,
    now: Instant,
) -> Next {
    if mpm::is_stopping() {
        child.close();
        return Next::Usual;
    }
    // Claimed for some rounds, of which one may take long.
    let checks = PortChecks { has_shared: child.claim_ports(3 * every + MIN_CLAIM) };
    watch_list.read(child, checks);
    watch_list.members.look(child, now);
    let mut next = Next::Usual;
    // First the work that never blocks, for all backends: dead connections are closed in time, whatever
    // another backend's resolver or connect() takes below.
    let swept: Vec<_> = child
        .backends()
        .into_iter()
        .filter_map(|backend| {
            let maintenance = backend.maintenance()?;
            let sweep = backend.sweep(&maintenance, now);
            Some((backend, maintenance, sweep))
        })
        .collect();
    let until = Instant::now() + PORTS_TIME;
    for reverse in child.reverses() {
        tend(child, log, reverse, checks, until);
        if reverse.is_busy() {
            next = Next::Soon;
        }
    }
    for (backend, maintenance, sweep) in swept {
        // The time is read for each backend, since the one before may have taken long.
        let pass = backend.maintain(&maintenance, sweep, Instant::now());
        if pass.awaited > 0 {
            next = Next::Soon;
        }
        report(log, backend.key(), &pass);
    }
    next
}

/// Maintains a listener for containers: opens a port if there is none yet, continues handshakes that no
/// request waits for, removes strange and dead connections from a full queue, checks those that wait if
/// that is this child's task, and logs refused peers. All ports together wait for peers until `until`.
fn tend(
    child: &Child,
    MainServer(server): &MainServer,
    reverse: &Arc<Reverse>,
    checks: PortChecks,
    until: Instant,
) {
    reverse_sockets::find_port(*server, reverse);
    let queue =
        reverse.listener().and_then(|listener| listening_sockets::accept_queue(listener.as_fd()));
    let is_its = |backend: &&Arc<Backend>| {
        backend.reverse().is_some_and(|other| Arc::ptr_eq(other, reverse))
    };
    match child.backends().iter().find(is_its) {
        Some(backend) => {
            let news = backend.maintain_port(queue, checks.include(reverse), until);
            // Once over all children.
            if let Some(news) = news.filter(|_| checks.has_shared) {
                reverse_sockets::report_news(*server, reverse, news);
            }
        }
        // No backend has the listener yet: the connections are closed, and the container connects again.
        None => drop(reverse.tidy(queue)),
    }
    reverse_sockets::report(*server, reverse);
}

fn report(MainServer(server): &MainServer, key: &BackendKey, pass: &MaintenanceReport) {
    let swept = &pass.sweep;
    let dead = swept.closed_by_peer + swept.unread + swept.broken;
    let line = |text: std::fmt::Arguments<'_>| log::debug_server(*server, text);
    if swept.expired + dead + pass.moved + pass.unanswered + pass.opened > 0 {
        line(format_args!(
            "{key}: closed {} idle connections past ttl, {} closed by the backend, {} with unread \
             bytes, {} broken, {} to a former address, {} without CPONG; opened {}",
            swept.expired,
            swept.closed_by_peer,
            swept.unread,
            swept.broken,
            pass.moved,
            pass.unanswered,
            pass.opened,
        ));
    }
    if let Some(failure) = &pass.failure {
        line(format_args!(
            "{key}: cannot open a connection for min: {failure}; trying again later"
        ));
    }
}

/// A child keeps its claim of the shared ports for at least this time after its last round.
const MIN_CLAIM: Duration = Duration::from_secs(10);

/// How long a round waits for the answers of peers that have connected, over all ports.
const PORTS_TIME: Duration = Duration::from_millis(100);

/// A round takes a moment unless the resolver hangs; an ending child does not wait for that.
const JOIN_TIMEOUT: Duration = Duration::from_secs(1);
