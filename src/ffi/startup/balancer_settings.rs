//! Applies `local` and our balancer keys once the configuration is complete.
//!
//! Notes the activation that the configuration gives each member, for operators' orders, and the size that
//! it gives each pool.
//!
//! Runs in the parent, before mod_proxy_balancer moves its members to the memory that children share.
//! So the values set here are those that `lbset` and `status` on the member's line would have set: they
//! are copied into shared memory, and if BalancerPersist restores a member, the saved state replaces
//! them, as it replaces every other word of the configuration.

use std::collections::{HashMap, HashSet};

use crate::balance::locality::{Place, Placement, placements};
use crate::balance::orders::Configured;
use crate::balance::{Activation, WorkerStatus};
use crate::config::{PoolSize, WorkerSettings};
use crate::ffi::apr::pool::Pool;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server::{self, Server};
use crate::ffi::mod_proxy::server_conf::{self, ProxyConf};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::state::server_config::ServerConfig;
use crate::ffi::state::server_state::ServerState;
use crate::messages::Message;

/// Resolves each server's balancer settings and assigns lbset by locality.
///
/// # Safety
/// `pconf` is httpd's configuration pool and `main` its main server, whose configuration has been
/// read; this is its main thread, and no reference to a state is in use.
pub(crate) unsafe fn apply(pconf: Pool<'_>, main: Server<'_>) {
    if server::is_first_reading() {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe { resolve_keys(pconf, main) };
    let states = main.and_hosts().filter_map(ServerState::of);
    let lines = Lines::of(states.map(|state| &state.config));
    let (mut warned, mut configured) = (HashSet::new(), HashMap::new());
    for conf in server_conf::all(main) {
        let server = conf.server();
        let Some(state) = ServerState::of(server) else { continue };
        for balancer in conf.balancers() {
            let name = balancer.name();
            let text = String::from_utf8_lossy(&name);
            let settings = state.balancer_with_keys(&name);
            if let Some(settings) = settings {
                log::debug_server(server, format_args!("{text}: {settings}"));
            }
            let local_only = settings.is_some_and(|settings| settings.local_only);
            let members: Vec<Worker<'_>> = balancer.members().collect();
            let places: Vec<_> = members.iter().map(|member| lines.place(*member)).collect();
            let placements = placements(&places, local_only);
            for (at, member) in members.iter().enumerate() {
                let placement = placements.as_ref().map_or(Placement::default(), |all| all[at]);
                if let Some(lbset) = placement.lbset {
                    member.set_lbset(lbset);
                }
                if placement.drains {
                    member.add_status(WorkerStatus::DRAIN);
                }
                let known: &mut Configured = configured.entry(member.id()).or_default();
                if let Some(settings) = lines.0.get(&member.id()) {
                    known.activation = settings.activation;
                    known.sessions_only = settings.sessions_only;
                }
                known.status = member.status().among(Activation::FLAGS);
                known.by_local_only |= placement.drains;
            }
            let has_local = placements.is_some();
            if local_only && !has_local && warned.insert(name.to_vec()) {
                let what = "localonly=On has no effect, because no member has local=On";
                log::server(server, Message::NoLocalMember, format_args!("{text}: {what}"));
            }
        }
    }
    if let Some(state) = ServerState::of(main) {
        let _ = state.parent.configured.set(configured);
        let _ = state.parent.pool_sizes.set(pool_sizes(main));
    }
}

/// The size of each worker's pool, if a line says anything of it.
fn pool_sizes(main: Server<'_>) -> Vec<(WorkerId, PoolSize)> {
    let all =
        server_conf::all_workers(main).map(|worker| (worker.id(), worker.readings().pool_size()));
    all.filter(|(_, size)| *size != PoolSize::default()).collect()
}

/// Resolves the keys of each server: a virtual host uses its own lines, and the main server's as far as
/// mod_proxy lets it inherit balancers.
///
/// # Safety
/// As [`apply`].
unsafe fn resolve_keys(pconf: Pool<'_>, main: Server<'_>) {
    let Some(main_state) = ServerState::of(main) else { return };
    main_state.inherit(None, true);
    for host in main.and_hosts().skip(1) {
        let inherits = ProxyConf::of(host).is_none_or(ProxyConf::inherits_balancers);
        let own = ServerState::of(host);
        if !inherits && own.is_some_and(|own| std::ptr::eq(own, main_state)) {
            // httpd gives a host without a line of ours the main server's state.
            // SAFETY: as the caller promises; the main server's own state stays where it is.
            unsafe { ServerState::renew(host, pconf) };
        }
        if let Some(own) = ServerState::of(host) {
            own.inherit(Some(&main_state.config), inherits);
        }
    }
}

/// The lines of all workers.
struct Lines<'c>(HashMap<WorkerId, &'c WorkerSettings>);

impl<'c> Lines<'c> {
    fn of(configs: impl Iterator<Item = &'c ServerConfig>) -> Self {
        Self(configs.flat_map(ServerConfig::workers).map(|(id, line)| (*id, line)).collect())
    }

    fn place(&self, member: Worker<'_>) -> Place {
        let line = self.0.get(&member.id());
        Place {
            is_local: line.is_some_and(|line| line.local),
            // A `distance`, or an `lbset` of 0, that the administrator has written.
            is_fixed: line.is_some_and(|line| line.distance.is_some()),
            lbset: member.lbset(),
        }
    }
}
