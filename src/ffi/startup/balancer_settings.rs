//! What `local` and our balancer keys come to, once the whole configuration has been read.
//!
//! What the configuration makes of each member is noted here, for operators' orders.
//!
//! In the parent, before mod_proxy_balancer moves its members to the memory that children share. So
//! what is set here is what `lbset` and `status` on the member's line would have set: it goes along
//! into shared memory, and where BalancerPersist restores a member, what was saved wins as it does
//! over every other word of the configuration.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::balance::locality::{Place, Placement, placements};
use crate::balance::orders::Configured;
use crate::balance::{Activation, WorkerStatus};
use crate::config::WorkerSettings;
use crate::ffi::apr::array;
use crate::ffi::httpd::log::{self, LogLevel};
use crate::ffi::httpd::server;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::state::server_state::ServerConfig;
use crate::ffi::sys;

/// Has every server know what its balancers go by, and every member how far away it is.
///
/// # Safety
/// `pconf` is httpd's configuration pool and `main` its main server, whose configuration has been
/// read; this is its main thread, and no reference to a configuration is in use.
pub(crate) unsafe fn settle(pconf: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    // SAFETY: the shim asks httpd for its own state.
    if server::is_first_reading() {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe { settle_keys(pconf, main) };
    // SAFETY: as the caller promises; all servers are live.
    let configs = unsafe { server::servers(main).filter_map(|server| ServerConfig::of(server)) };
    let lines = Lines::of(configs);
    let (mut warned, mut configured) = (HashSet::new(), HashMap::new());
    // SAFETY: as the caller promises.
    for (server, config, balancer) in unsafe { balancers(main) } {
        let name = balancer.name();
        let text = String::from_utf8_lossy(&name);
        // SAFETY: the server is live.
        let say = |level, what: fmt::Arguments<'_>| unsafe { log::server(server, level, what) };
        let settings = config.balancer_with_keys(&name);
        if let Some(settings) = settings {
            say(LogLevel::Debug, format_args!("{text}: {settings}"));
        }
        let local_only = settings.is_some_and(|settings| settings.local_only);
        let members: Vec<Worker> = balancer.members().collect();
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
            let what = "localonly=On has no effect, for no member has local=On";
            say(LogLevel::Warning, format_args!("{text}: {what}"));
        }
    }
    // SAFETY: the main server is live.
    if let Some(config) = unsafe { ServerConfig::of(main) } {
        let _ = config.configured.set(configured);
    }
}

/// Each server's balancers, with what our lines of that server say.
///
/// # Safety
/// As [`settle`].
unsafe fn balancers(
    main: *mut sys::server_rec,
) -> impl Iterator<Item = (*mut sys::server_rec, &'static ServerConfig, Balancer)> {
    // SAFETY: httpd's main server.
    unsafe { server::servers(main) }
        .filter_map(|server| {
            // SAFETY: a live server; its configurations stay until pconf is cleared.
            unsafe { Some((server, ServerConfig::of(server)?, server_conf::proxy_conf(server)?)) }
        })
        .flat_map(|(server, config, conf)| {
            // SAFETY: mod_proxy's array of balancers, which does not change meanwhile.
            let all = unsafe { array::elements::<sys::proxy_balancer>((*conf).balancers) };
            // SAFETY: an element is a live balancer.
            all.filter_map(move |raw| Some((server, config, unsafe { Balancer::from_ptr(raw) }?)))
        })
}

/// A virtual host goes by its own lines, and by the main server's as far as mod_proxy has it inherit
/// balancers.
///
/// # Safety
/// As [`settle`].
unsafe fn settle_keys(pconf: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    // SAFETY: the main server is live; its configuration stays until pconf is cleared.
    let Some(main_config) = (unsafe { ServerConfig::of(main) }) else { return };
    main_config.settle_balancers(None);
    main_config.sent.settle(None);
    // SAFETY: httpd's main server.
    for host in unsafe { server::servers(main) }.skip(1) {
        // SAFETY: a live server, and mod_proxy's configuration of it.
        let inherits = unsafe {
            server_conf::proxy_conf(host)
                .is_none_or(|conf| (*conf).inherit() != 0 || (*conf).ppinherit() != 0)
        };
        // SAFETY: a live server.
        let own = unsafe { ServerConfig::of(host) };
        if !inherits && own.is_some_and(|own| std::ptr::eq(own, main_config)) {
            // httpd gives a host without a line of ours the main server's.
            // SAFETY: a live server and its pool, on httpd's main thread.
            unsafe { ServerConfig::renew(host, pconf) };
        }
        // SAFETY: a live server.
        if let Some(own) = unsafe { ServerConfig::of(host) } {
            own.settle_balancers(inherits.then_some(main_config));
            own.sent.settle(Some(&main_config.sent));
        }
    }
}

/// What the lines of all workers say.
struct Lines<'c>(HashMap<WorkerId, &'c WorkerSettings>);

impl<'c> Lines<'c> {
    fn of(configs: impl Iterator<Item = &'c ServerConfig>) -> Self {
        Self(configs.flat_map(ServerConfig::workers).map(|(id, line)| (*id, line)).collect())
    }

    fn place(&self, member: Worker) -> Place {
        let line = self.0.get(&member.id());
        Place {
            is_local: line.is_some_and(|line| line.local),
            // A `distance`, or an `lbset` of 0, that the administrator has written.
            is_fixed: line.is_some_and(|line| line.distance.is_some()),
            lbset: member.lbset(),
        }
    }
}
