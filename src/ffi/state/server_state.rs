//! The state that this module keeps with a server, in pconf, and the link from a server to this child.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::balance::orders::Configured;
use crate::config::{BalancerSettings, PoolSize, RequestAttributes};
use crate::ffi::apr::pool::Pool;
use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_table::SharedMemory;
use crate::ffi::child::operator_memory::OperatorMemory;
use crate::ffi::child::reverse_sockets::Listening;
use crate::ffi::child::stats_mapping::StatsMapping;
use crate::ffi::httpd::listening_sockets::TakenOver;
use crate::ffi::httpd::module_record;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server::{self, Server};
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::mod_proxy::worker_settings::Parking;
use crate::ffi::state::server_config::{Inherited, ServerConfig};
use crate::ffi::sys;
use crate::status::Nonce;

/// The state of one server (main or virtual host). Constant once httpd has read its configuration,
/// except for cells that are set once. A virtual host without a line of ours shares the main server's.
#[derive(Default)]
pub(crate) struct ServerState {
    /// Its own lines.
    pub(crate) config: ServerConfig,
    /// The effective settings; filled in when the whole configuration has been read.
    inherited: OnceLock<Inherited>,
    /// In the main server alone.
    pub(crate) parent: ParentState,
    /// Filled in by child_init, in the child's own copy of this memory.
    pub(crate) child: OnceLock<Arc<Child>>,
}

/// The state that the parent creates, for itself and for the children, which have a copy.
#[derive(Default)]
pub(crate) struct ParentState {
    /// Sockets from before a restart, from check_config to post_config.
    pub(crate) taken_over: TakenOver,
    /// The activation that the configuration itself gives each member, before mod_proxy_balancer has
    /// set its members up.
    pub(crate) configured: OnceLock<HashMap<WorkerId, Configured>>,
    /// The size of each worker's pool, before mod_proxy fills in what is not set.
    pub(crate) pool_sizes: OnceLock<Vec<(WorkerId, PoolSize)>>,
    /// The memory that all children share. This and the following fields are filled in by post_config.
    pub(crate) shared: OnceLock<SharedMemory>,
    /// The listeners for containers.
    pub(crate) listening: OnceLock<Vec<Listening>>,
    /// The memory of the counters.
    pub(crate) stats: OnceLock<Arc<StatsMapping>>,
    /// The nonce that a POST to ajp-status must carry.
    pub(crate) nonce: OnceLock<Nonce>,
    /// When counting began, in ms since 1970.
    pub(crate) since_ms: OnceLock<u64>,
    /// Operators' orders.
    pub(crate) operators: OnceLock<OperatorMemory>,
    /// The parent's process id.
    pub(crate) process: OnceLock<u32>,
}

impl ServerState {
    /// An empty state, in a pool of httpd's configuration.
    pub(crate) fn create(pool: Pool<'_>) -> *mut Self {
        pool.own(Self::default())
    }

    /// The state of a server.
    pub(crate) fn of<'s>(server: Server<'s>) -> Option<&'s Self> {
        // SAFETY: our own module.
        let state = unsafe { server.config_of(module_record::record()) };
        // SAFETY: null or from ServerState::create, in pconf, which outlives the server. `&mut`s to
        // its configuration end before there is another reference: see config_mut.
        unsafe { state.cast::<Self>().as_ref() }
    }

    /// The child that this process is; `None` in the parent.
    pub(crate) fn child_of<'s>(server: Server<'s>) -> Option<&'s Arc<Child>> {
        Self::of(server)?.child.get()
    }

    /// The attributes that the server of this request sends beyond the standard ones.
    pub(crate) fn attributes<'r>(request: Request<'r>) -> &'r RequestAttributes {
        static NOTHING: RequestAttributes = RequestAttributes::new();
        let inherited = Self::of(request.server()).and_then(|state| state.inherited.get());
        inherited.map_or(&NOTHING, Inherited::attributes)
    }

    /// Whether requests to this server are to wait without a thread (`ProxyAjpParking On`). Whether they
    /// can: [`Child::can_park`].
    pub(crate) fn parks(server: Server<'_>) -> bool {
        let inherited = Self::of(server).and_then(|state| state.inherited.get());
        inherited.is_some_and(Inherited::parking)
    }

    /// The same in a child; `can_park`: some server wants it, and the child can.
    pub(crate) fn parking(server: Server<'_>, can_park: bool) -> Parking {
        match can_park {
            true if Self::parks(server) => Parking::Here,
            true => Parking::Elsewhere,
            false => Parking::Nowhere,
        }
    }

    /// Returns the configuration of a server, to be changed. A virtual host gets its own here: httpd
    /// calls create_server_config for it only when it meets a directive of this module.
    ///
    /// # Safety
    /// httpd is reading its configuration, whose pool this is, on this thread; no reference from
    /// [`of`](Self::of) or an earlier call is in use.
    pub(crate) unsafe fn config_mut<'s>(
        server: Server<'s>,
        pool: Pool<'_>,
    ) -> &'s mut ServerConfig {
        // SAFETY: as the caller promises; a null entry is filled in before it is used.
        unsafe {
            let mut state = server.config_of(module_record::record()).cast::<Self>();
            if state.is_null() {
                state = Self::renew(server, pool);
            }
            &mut (*state).config
        }
    }

    /// Gives a server an empty state of its own.
    ///
    /// # Safety
    /// `pool` is the configuration's, on httpd's main thread, before any request; no reference to the
    /// state of this server is in use.
    pub(crate) unsafe fn renew(server: Server<'_>, pool: Pool<'_>) -> *mut Self {
        let state = Self::create(pool);
        // SAFETY: the server is live, and its vector has a place for this module.
        unsafe {
            let vector = (*server.as_ptr()).module_config;
            sys::ap_set_module_config(vector, module_record::record(), state.cast());
        }
        state
    }

    /// Computes the settings that apply in this server; only the first call has an effect. As
    /// [`Inherited::new`].
    pub(crate) fn inherit(&self, base: Option<&ServerConfig>, has_balancers: bool) {
        self.inherited.get_or_init(|| Inherited::new(&self.config, base, has_balancers));
    }

    /// When counting began, in ms since 1970.
    pub(crate) fn since_ms(&self) -> u64 {
        self.parent.since_ms.get().copied().unwrap_or(0)
    }

    /// As [`Inherited::has_balancer_keys`].
    pub(crate) fn has_balancer_keys(&self) -> bool {
        self.inherited.get().is_some_and(Inherited::has_balancer_keys)
    }

    /// As [`Inherited::balancer`].
    pub(crate) fn balancer_with_keys(&self, name: &[u8]) -> Option<BalancerSettings> {
        self.inherited.get()?.balancer(name)
    }
}

/// The main server, its state, and this child, for a request that it serves.
pub(crate) fn in_this_child<'r>(
    _request: Request<'r>,
) -> Option<(Server<'r>, &'r ServerState, &'r Arc<Child>)> {
    // SAFETY: a request is served by a child, and ends before it.
    let main = unsafe { server::main::<'r>() }?;
    let state = ServerState::of(main)?;
    Some((main, state, state.child.get()?))
}
