//! What the configuration says, kept per server in pconf, and the way from a server to its child.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::sync::{Arc, OnceLock};

use crate::balance::WorkerStatus;
use crate::config::{
    BalancerKeys, BalancerSettings, ConfigError, Line, Maintain, ReverseListener, WorkerSettings,
};
use crate::ffi::apr::pool::{self, Pool};
use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_table::SharedMemory;
use crate::ffi::child::operator_memory::OperatorMemory;
use crate::ffi::child::stats_mapping::StatsMapping;
use crate::ffi::httpd::listening_sockets::TakenOver;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::module;
use crate::ffi::startup::reverse_listeners::Listening;
use crate::ffi::state::attribute_config::Sent;
use crate::ffi::sys;
use crate::status::Nonce;

/// The module's configuration of one server (main or virtual host). Changed only while httpd reads
/// its configuration, on its main thread; constant afterwards but for what is set once.
#[derive(Default)]
pub(crate) struct ServerConfig {
    workers: Vec<(WorkerId, WorkerSettings)>,
    min: Vec<(WorkerId, usize)>,
    /// What this server's own lines say of balancers, by their names as mod_proxy has them.
    balancer_keys: HashMap<Box<[u8]>, BalancerKeys>,
    /// The same with what is inherited; filled in when the whole configuration has been read.
    balancers: OnceLock<HashMap<Box<[u8]>, BalancerSettings>>,
    /// `ProxyAjpReverse`, this server's own lines.
    reverse: Vec<ReverseListener>,
    /// `ProxyAjpEnvVar` and `ProxyAjpCertChain`.
    pub(crate) sent: Sent,
    /// `ProxyAjpMaintain`; the main server's counts.
    pub(crate) maintain: Maintain,
    /// Filled in by child_init, in the child's own copy of this memory.
    pub(crate) child: OnceLock<Arc<Child>>,
    /// What all children share; in the main server alone, filled in by post_config.
    pub(crate) shared: OnceLock<SharedMemory>,
    /// Sockets of before a restart, which post_config takes up; in the main server alone.
    pub(crate) taken_over: TakenOver,
    /// Where containers dial in; likewise.
    pub(crate) listening: OnceLock<Vec<Listening>>,
    /// The memory of the counters; likewise.
    pub(crate) stats: OnceLock<Arc<StatsMapping>>,
    /// What a POST to ajp-status must bring along; likewise.
    pub(crate) nonce: OnceLock<Nonce>,
    /// When that was, in ms since 1970; likewise.
    pub(crate) since_ms: OnceLock<u64>,
    /// What the configuration itself makes of each member; likewise, but before mod_proxy_balancer's turn.
    pub(crate) stated: OnceLock<HashMap<WorkerId, Stated>>,
    /// What operators have said; likewise.
    pub(crate) operators: OnceLock<OperatorMemory>,
    /// The parent's process id; likewise.
    pub(crate) parent: OnceLock<u32>,
}

/// What the configuration alone makes of a member, before balancer-manager, a saved state, or an operator
/// has a word in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stated {
    /// Those flags of its status that an operator's order is about.
    pub(crate) status: WorkerStatus,
    /// `localonly` has it drain.
    pub(crate) by_local_only: bool,
}

/// What tells a worker from another one throughout its life.
///
/// A balancer member's record stays where it is while its shared part moves into shared memory.
/// Every other worker's record is copied for each virtual host, while the copies have their shared
/// part in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WorkerId {
    Member(usize),
    Plain(usize),
}

impl WorkerId {
    /// # Safety
    /// `worker` is a live worker.
    pub(crate) unsafe fn of(worker: *const sys::proxy_worker) -> Self {
        // SAFETY: live, as the caller promises; both fields are plain pointers set at definition.
        let (balancer, shared) = unsafe { ((*worker).balancer, (*worker).s) };
        if balancer.is_null() {
            Self::Plain(shared as usize)
        } else {
            Self::Member(worker as usize)
        }
    }
}

impl ServerConfig {
    /// # Safety
    /// `pool` is a live pool of httpd's configuration, used by this thread alone.
    pub(crate) unsafe fn create(pool: *mut sys::apr_pool_t) -> *mut Self {
        // SAFETY: as the caller promises.
        unsafe { Pool::from_ptr(pool) }.own(Self::default())
    }

    /// The configuration of a server.
    ///
    /// # Safety
    /// `server` is a live server; the result is used only while it is, and not across a call that
    /// changes it (`worker_param`).
    pub(crate) unsafe fn of<'s>(server: *const sys::server_rec) -> Option<&'s Self> {
        // SAFETY: the server is live; httpd keeps what create_server_config returned.
        let config =
            unsafe { sys::ap_get_module_config((*server).module_config, module::record()) };
        // SAFETY: null or from ServerConfig::create, in pconf, which outlives the server.
        unsafe { config.cast::<Self>().as_ref() }
    }

    /// The configuration of a server, to be changed. A virtual host gets its own here: httpd asks
    /// create_server_config for one only where it meets a directive of this module.
    ///
    /// # Safety
    /// `server` is live and `pool` its configuration's; httpd is reading its configuration, on this
    /// thread; no other reference to the configuration is in use.
    pub(crate) unsafe fn of_or_new<'s>(
        server: *mut sys::server_rec,
        pool: *mut sys::apr_pool_t,
    ) -> &'s mut Self {
        // SAFETY: as the caller promises; a null entry is filled in before it is used.
        unsafe {
            let vector = (*server).module_config;
            let mut config = sys::ap_get_module_config(vector, module::record()).cast::<Self>();
            if config.is_null() {
                config = Self::create(pool);
                sys::ap_set_module_config(vector, module::record(), config.cast());
            }
            &mut *config
        }
    }

    /// Gives a server an empty configuration of its own.
    ///
    /// # Safety
    /// `server` is live and `pool` its configuration's, on httpd's main thread, before any request.
    pub(crate) unsafe fn renew(server: *mut sys::server_rec, pool: *mut sys::apr_pool_t) {
        // SAFETY: as the caller promises; the vector has a place for this module.
        unsafe {
            let config = Self::create(pool);
            sys::ap_set_module_config((*server).module_config, module::record(), config.cast());
        }
    }

    /// Notes the `min` of every worker, before mod_proxy forgets it under prefork.
    ///
    /// # Safety
    /// `main` is httpd's main server; its configuration has been read, on this thread, and no
    /// reference to a configuration is in use.
    pub(crate) unsafe fn note_min(main: *mut sys::server_rec) {
        // SAFETY: as the caller promises; the workers are mod_proxy's and live.
        unsafe {
            let Some(config) = sys::ap_get_module_config((*main).module_config, module::record())
                .cast::<Self>()
                .as_mut()
            else {
                return;
            };
            config.min = server_conf::servers(main)
                .filter_map(|server| server_conf::proxy_conf(server))
                .flat_map(|conf| server_conf::workers(conf))
                .map(|worker| (WorkerId::of(worker), Worker::from_ptr(worker).min()))
                .filter(|(_, min)| *min > 0)
                .collect();
        }
    }

    /// The `min` of each worker that has one; in the main server's configuration.
    pub(crate) fn min(&self) -> &[(WorkerId, usize)] {
        &self.min
    }

    /// Works out what its balancers go by: what its own lines say, and what those of `base` say
    /// where they say nothing. The first call counts.
    pub(crate) fn settle_balancers(&self, base: Option<&Self>) {
        self.balancers.get_or_init(|| {
            let names = base.into_iter().flat_map(|base| base.balancer_keys.keys());
            let keys = |of: &Self, name| of.balancer_keys.get(name).copied().unwrap_or_default();
            let settled = names.chain(self.balancer_keys.keys()).map(|name| {
                let inherited = base.map(|base| keys(base, name)).unwrap_or_default();
                (name.clone(), keys(self, name).over(inherited).settings())
            });
            settled.collect()
        });
    }

    /// What the balancer of this name (`balancer://name`, in lower case, as mod_proxy has it) goes
    /// by in this server. `None` where no line has a key of ours for it. Allocates nothing.
    pub(crate) fn balancer_with_keys(&self, name: &[u8]) -> Option<BalancerSettings> {
        self.balancers.get()?.get(name).copied()
    }

    /// Takes in one more `ProxyAjpReverse` of this server.
    ///
    /// # Safety
    /// As [`of_or_new`](Self::of_or_new).
    pub(crate) unsafe fn add_reverse(
        server: *mut sys::server_rec,
        pool: *mut sys::apr_pool_t,
        listener: ReverseListener,
    ) {
        // SAFETY: as the caller promises.
        unsafe { Self::of_or_new(server, pool) }.reverse.push(listener);
    }

    /// Where this server's own lines have containers dial in.
    pub(crate) fn reverse(&self) -> &[ReverseListener] {
        &self.reverse
    }

    /// Since when it is counted, in ms since 1970.
    pub(crate) fn since_ms(&self) -> u64 {
        self.since_ms.get().copied().unwrap_or(0)
    }

    /// The settings of all workers defined in this server.
    pub(crate) fn workers(&self) -> &[(WorkerId, WorkerSettings)] {
        &self.workers
    }
}

/// Takes the value of `ProxyAjpMaintain`. Null: taken; else the error text.
///
/// # Safety
/// `pool`, `server` and the string are live; httpd is reading its configuration, on this thread.
pub(crate) unsafe fn maintain(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    value: *const c_char,
) -> *const c_char {
    // SAFETY: a string of the configuration.
    let value = unsafe { pool::bytes(value) }.unwrap_or(b"");
    match Maintain::parse(&String::from_utf8_lossy(value)) {
        Ok(maintain) => {
            // SAFETY: as the caller promises; no reference from `of` is in use.
            unsafe { ServerConfig::of_or_new(server, pool) }.maintain = maintain;
            std::ptr::null()
        }
        // SAFETY: as the caller promises.
        Err(error) => unsafe { error_text(pool, "", &error) },
    }
}

/// Sets `edited` to what mod_proxy is to read in a line's place, and notes what the line says of a
/// balancer. Null, or an error text.
///
/// # Safety
/// Arguments as the shim passes them while httpd reads its configuration.
pub(crate) unsafe fn edit_line(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    line: &sys::ajp_shim_line,
    edited: &mut *const c_char,
) -> *const c_char {
    // A line that is no UTF-8 has none of our words.
    let text = |text: *const c_char| {
        // SAFETY: strings of the configuration, constant during this call.
        std::str::from_utf8(unsafe { pool::bytes(text) }.unwrap_or(b"")).ok()
    };
    let (Some(directive), Some(arguments), Some(section)) =
        (text(line.directive), text(line.arguments), text(line.section))
    else {
        return std::ptr::null();
    };
    let ours = match (Line { directive, arguments, section, has_path: line.has_path != 0 }).edit() {
        Ok(ours) => ours,
        // SAFETY: as the caller promises.
        Err(error) => return unsafe { error_text(pool, directive, &error) },
    };
    if let Some((name, keys)) = ours.balancer {
        // SAFETY: the server is live; this is httpd's main thread, reading its configuration, and
        // no reference from `of` is in use.
        let config = unsafe { ServerConfig::of_or_new(server, pool) };
        let known = config.balancer_keys.entry(name.into_bytes().into()).or_default();
        *known = keys.over(*known);
    }
    if let Some(arguments) = ours.arguments {
        // SAFETY: the configuration's pool is live and ours on this thread.
        *edited = unsafe { Pool::from_ptr(pool) }.copy(arguments.as_bytes());
    }
    std::ptr::null()
}

/// An error as httpd shows it, behind the directive where mod_proxy does not put that there.
///
/// # Safety
/// `pool` is a live pool of the configuration, on this thread.
pub(crate) unsafe fn error_text(
    pool: *mut sys::apr_pool_t,
    directive: &str,
    error: &ConfigError,
) -> *const c_char {
    let text = format!("{directive} {error}");
    let text = CString::new(text.trim_start()).unwrap_or_default();
    // SAFETY: as the caller promises.
    unsafe { Pool::from_ptr(pool) }.copy(text.as_bytes())
}

/// Takes `key=value` of a ProxyPass, BalancerMember or ProxySet line. Null: taken; else the error
/// text, or `ajp_shim_not_ours`.
///
/// # Safety
/// Arguments as mod_proxy passes them while it reads its configuration on the main thread.
pub(crate) unsafe fn worker_param(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    worker: *mut sys::proxy_worker,
    key: *const c_char,
    value: *const c_char,
) -> *const c_char {
    let not_ours = (&raw const sys::ajp_shim_not_ours).cast::<c_char>();
    // SAFETY: strings of the configuration, constant during this call.
    let (Some(key), Some(value)) = (unsafe { (pool::bytes(key), pool::bytes(value)) }) else {
        return not_ours;
    };
    if worker.is_null() {
        return not_ours;
    }
    // SAFETY: the server is live; this is httpd's main thread, reading its configuration, and no
    // reference from `of` is in use.
    let config = unsafe { ServerConfig::of_or_new(server, pool) };
    // SAFETY: mod_proxy passes a live worker.
    let id = unsafe { WorkerId::of(worker) };
    let at = config.workers.iter().position(|(known, _)| *known == id);
    let before = at.map(|i| config.workers[i].1.clone()).unwrap_or_default();
    let mut settings = before.clone();
    match settings.set(&String::from_utf8_lossy(key), &String::from_utf8_lossy(value)) {
        Ok(false) => return not_ours,
        Ok(true) => {}
        // SAFETY: the configuration's pool is live and ours on this thread.
        Err(error) => return unsafe { error_text(pool, "", &error) },
    }
    // SAFETY: mod_proxy passes a live worker.
    tell_mod_proxy(unsafe { Worker::from_ptr(worker) }, &before, &settings);
    match at {
        Some(i) => config.workers[i].1 = settings,
        None => config.workers.push((id, settings)),
    }
    std::ptr::null()
}

/// What mod_proxy itself can do of our words, it does: `status` and `lbset`, where balancer-manager
/// shows and changes them.
fn tell_mod_proxy(worker: Worker, before: &WorkerSettings, after: &WorkerSettings) {
    let flags = |settings: &WorkerSettings| {
        let (activation, _) = settings.activation.unwrap_or_default().flags();
        if settings.sessions_only { activation.with(WorkerStatus::DRAIN) } else { activation }
    };
    let (before_flags, after_flags) = (flags(before), flags(after));
    if before_flags != after_flags {
        worker.clear_status(before_flags.without(after_flags));
        worker.add_status(after_flags);
    }
    if before.distance != after.distance {
        worker.set_lbset(after.distance.unwrap_or(0).into());
    }
}
