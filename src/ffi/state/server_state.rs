//! What the configuration says, kept per server in pconf, and the way from a server to its child.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::balance::orders::Configured;
use crate::config::{
    BalancerKeys, BalancerSettings, Maintain, RequestAttributes, ReverseListener, WorkerSettings,
};
use crate::ffi::apr::pool::Pool;
use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_table::SharedMemory;
use crate::ffi::child::operator_memory::OperatorMemory;
use crate::ffi::child::reverse_sockets::Listening;
use crate::ffi::child::stats_mapping::StatsMapping;
use crate::ffi::httpd::listening_sockets::TakenOver;
use crate::ffi::httpd::module_record;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::state::attribute_config::AttributeConfig;
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
    pub(crate) reverse: Vec<ReverseListener>,
    /// `ProxyAjpEnvVar` and `ProxyAjpCertChain`.
    pub(crate) sent: AttributeConfig,
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
    pub(crate) configured: OnceLock<HashMap<WorkerId, Configured>>,
    /// What operators have said; likewise.
    pub(crate) operators: OnceLock<OperatorMemory>,
    /// The parent's process id; likewise.
    pub(crate) parent: OnceLock<u32>,
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
            unsafe { sys::ap_get_module_config((*server).module_config, module_record::record()) };
        // SAFETY: null or from ServerConfig::create, in pconf, which outlives the server.
        unsafe { config.cast::<Self>().as_ref() }
    }

    /// The attributes that the server of this request sends beyond the usual.
    pub(crate) fn attributes<'r>(request: Request<'r>) -> &'r RequestAttributes {
        static NOTHING: RequestAttributes = RequestAttributes::new();
        // SAFETY: the request's server is live, and its configuration stays as long as it is.
        let config: Option<&'r Self> = unsafe { Self::of(request.server()) };
        config.and_then(|config| config.sent.settled()).unwrap_or(&NOTHING)
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
            let mut config =
                sys::ap_get_module_config(vector, module_record::record()).cast::<Self>();
            if config.is_null() {
                config = Self::create(pool);
                sys::ap_set_module_config(vector, module_record::record(), config.cast());
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
            sys::ap_set_module_config(
                (*server).module_config,
                module_record::record(),
                config.cast(),
            );
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
            let Some(config) =
                sys::ap_get_module_config((*main).module_config, module_record::record())
                    .cast::<Self>()
                    .as_mut()
            else {
                return;
            };
            config.min = server::servers(main)
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

    /// Since when it is counted, in ms since 1970.
    pub(crate) fn since_ms(&self) -> u64 {
        self.since_ms.get().copied().unwrap_or(0)
    }

    /// Takes in one more line with keys of ours for the balancer of this name.
    pub(crate) fn add_balancer_keys(&mut self, name: Box<[u8]>, keys: BalancerKeys) {
        let known = self.balancer_keys.entry(name).or_default();
        *known = keys.over(*known);
    }

    /// The settings of a worker defined in this server.
    pub(crate) fn worker(&self, id: WorkerId) -> Option<&WorkerSettings> {
        self.workers.iter().find(|(known, _)| *known == id).map(|(_, settings)| settings)
    }

    /// Sets the settings of a worker defined in this server.
    pub(crate) fn set_worker(&mut self, id: WorkerId, settings: WorkerSettings) {
        match self.workers.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = settings,
            None => self.workers.push((id, settings)),
        }
    }

    /// The settings of all workers defined in this server.
    pub(crate) fn workers(&self) -> &[(WorkerId, WorkerSettings)] {
        &self.workers
    }
}

/// The main server, its configuration, and this child; `None` outside a child.
pub(crate) fn in_this_child()
-> Option<(*mut sys::server_rec, &'static ServerConfig, &'static Arc<Child>)> {
    let main = server::main()?.as_ptr();
    // SAFETY: live as long as the child.
    let config = unsafe { ServerConfig::of(main) }?;
    Some((main, config, config.child.get()?))
}
