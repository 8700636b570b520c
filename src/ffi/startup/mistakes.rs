//! Mistakes in the configuration with which httpd starts all the same, logged once it is complete.

use std::collections::HashSet;

use crate::config::{WorkerSettings, hidden_status_pages, misread_numbers};
use crate::ffi::httpd::config_tree;
use crate::ffi::httpd::log;
use crate::ffi::httpd::module_record;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::server_conf::{self, ProxyConf};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::server_config::ServerConfig;
use crate::ffi::state::server_state::ServerState;
use crate::messages::Message;

/// Logs what is probably meant otherwise than it is written.
///
/// # Safety
/// `main` is httpd's main server, whose configuration has been read and not cleared; this is its main
/// thread.
pub(crate) unsafe fn log_mistakes(main: Server<'_>) {
    // SAFETY: as the caller promises.
    let lines = unsafe { config_tree::lines() };
    for misread in misread_numbers(&lines) {
        log::server(main, Message::NumberMisread, format_args!("{misread}"));
    }
    for hidden in hidden_status_pages(&lines) {
        log::server(main, Message::StatusPageHidden, format_args!("{hidden}"));
    }
    if !module_record::is_loaded(c"mod_proxy_balancer.c") {
        log_missing_balancer_module(main);
    }
    log_unused_member_parameters(main);
}

/// Logs that the requests of balancers will fail, because nothing chooses a member.
fn log_missing_balancer_module(main: Server<'_>) {
    let balancers = server_conf::all(main).flat_map(ProxyConf::balancers).filter(has_ajp_member);
    let mut names: Vec<_> = balancers.map(|balancer| name_of(balancer)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return;
    }
    log::server(
        main,
        Message::BalancerModuleMissing,
        format_args!(
            "mod_proxy_balancer is not loaded, so every request for {} fails with 503; load it, with \
             mod_slotmem_shm and an lbmethod (Debian: a2enmod proxy_balancer lbmethod_byrequests)",
            names.join(" and "),
        ),
    );
}

/// Logs which parameters that choose a member have less effect than they seem to, or none.
fn log_unused_member_parameters(main: Server<'_>) {
    let states: Vec<_> = main.and_hosts().filter_map(ServerState::of).collect();
    let settings_of = |worker: Worker<'_>| {
        let id = worker.id();
        states.iter().find_map(|state| ServerConfig::worker(&state.config, id))
    };
    let mut seen = HashSet::new();
    for conf in server_conf::all(main) {
        for worker in conf.plain_workers().filter(|worker| seen.insert(worker.id())) {
            let unused: Vec<_> = settings_of(worker)
                .into_iter()
                .flat_map(WorkerSettings::for_members_only)
                .collect();
            if !unused.is_empty() {
                let (url, unused) = (worker.name(), unused.join(", "));
                let url = String::from_utf8_lossy(&url);
                log::server(
                    main,
                    Message::MemberParameterUnused,
                    format_args!(
                        "{url} is not a member of a balancer, so these have no effect: {unused}"
                    ),
                );
            }
        }
        for balancer in conf.balancers().filter(|balancer| !has_ajp_member(balancer)) {
            let members = balancer.members().filter(|member| seen.insert(member.id()));
            let (mut has_domain, mut as_flags) = (false, Vec::new());
            for settings in members.filter_map(settings_of) {
                has_domain |= settings.domain.is_some();
                as_flags.extend(settings.as_flags_of_mod_proxy());
            }
            as_flags.sort_unstable();
            as_flags.dedup();
            let mut effects = Vec::new();
            if has_domain {
                effects.push("domain has no effect".to_owned());
            }
            if !as_flags.is_empty() {
                let flags = as_flags.join(", ");
                effects.push(format!("{flags}: only as mod_proxy's status and lbset"));
            }
            if !effects.is_empty() {
                log::server(
                    main,
                    Message::MemberParameterUnused,
                    format_args!(
                        "{} has no ajp:// member, so mod_proxy_balancer alone chooses its members: {}",
                        name_of(balancer),
                        effects.join("; "),
                    ),
                );
            }
        }
    }
}

fn has_ajp_member(balancer: &Balancer<'_>) -> bool {
    balancer.members().any(Worker::is_ajp)
}

fn name_of(balancer: Balancer<'_>) -> String {
    String::from_utf8_lossy(&balancer.name()).into_owned()
}
