//! Operators' orders from before a restart, applied again.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};

use crate::balance::Activation;
use crate::balance::orders::{AfterRestart, KeptOrder};
use crate::ffi::apr::pool::Pool;
use crate::ffi::child::operator_memory::OperatorMemory;
use crate::ffi::guard::guard;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::activation::set_activation;
use crate::ffi::mod_proxy::balancer::member_name;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;
use crate::messages::Message;
use crate::shared::MemberKey;

/// Applies the orders to their members, once mod_proxy_balancer has set the members up, and has them
/// compared once more when the next restart begins. Runs in the parent.
///
/// `pconf` is httpd's configuration pool and `main` its main server; this is its main thread.
pub(crate) fn reapply(pconf: Pool<'_>, main: Server<'_>, memory: OperatorMemory) {
    let table = memory.table();
    let configured = ServerState::of(main).and_then(|state| state.parent.configured.get());
    let line = |worker: &Worker<'_>| {
        configured.and_then(|all| all.get(&worker.id())).copied().unwrap_or_default()
    };
    for (key, workers) in members(main) {
        let Some(order) = table.get(key).and_then(KeptOrder::from_bits) else { continue };
        let lines: Vec<_> = workers.iter().map(line).collect();
        let wanted = match order.after_restart(&lines) {
            AfterRestart::Apply(wanted) => wanted,
            AfterRestart::Forget(said) => {
                table.set(key, 0);
                log_dropped(main, &workers, said, "the configuration of the member was edited");
                continue;
            }
        };
        let others = workers.iter().filter(|worker| worker.status().activation() != wanted);
        let changed = others.map(|worker| set_activation(*worker, wanted)).count();
        if changed > 0 {
            let name = name(&workers);
            let wanted = wanted.name();
            log::server(
                main,
                Message::OrderRestored,
                format_args!(
                    "{name}: restored to {wanted} (an operator's order from before the restart)"
                ),
            );
        }
    }
    // SAFETY: pconf is live; the main server is until pconf has been cleared, which begins with this.
    unsafe {
        let data = main.as_ptr().cast::<c_void>();
        sys::apr_pool_pre_cleanup_register(pconf.as_ptr(), data, Some(drop_undone));
    }
}

/// Logs that an operator's order no longer applies to a member.
fn log_dropped(main: Server<'_>, workers: &[Worker<'_>], said: Activation, why: &str) {
    let (name, said) = (name(workers), said.name());
    log::server(
        main,
        Message::OrderDropped,
        format_args!("ajp-status: {name}: the operator's order ({said}) no longer applies: {why}"),
    );
}

/// `balancer://app ajp://10.0.0.1:8009`.
fn name(workers: &[Worker<'_>]) -> String {
    workers.first().map(|worker| member_name(*worker)).unwrap_or_default()
}

/// Drops the orders that were undone, when a restart or the end of httpd begins.
unsafe extern "C" fn drop_undone(main: *mut c_void) -> sys::apr_status_t {
    guard(0, || {
        // SAFETY: the server that `reapply` registered, live as said there: nothing of the
        // configuration has been destroyed yet, and the log is closed later.
        let main = unsafe { Server::from_ptr(main.cast::<sys::server_rec>()) };
        let Some(state) = ServerState::of(main) else { return 0 as c_int };
        // A child that ends destroys its copy of the pool too.
        let is_parent = state.parent.process.get() == Some(&std::process::id());
        let Some(memory) = state.parent.operators.get().filter(|_| is_parent) else { return 0 };
        let table = memory.table();
        for (key, workers) in members(main) {
            let Some(order) = table.get(key).and_then(KeptOrder::from_bits) else { continue };
            if order.is_undone(workers.iter().map(|worker| worker.status())) {
                table.set(key, 0);
                let said = order.activation();
                log_dropped(main, &workers, said, "the member was changed in balancer-manager");
            }
        }
        0
    })
}

/// The ajp members of all balancers; for each key, all workers that share it.
fn members<'m>(main: Server<'m>) -> Vec<(MemberKey, Vec<Worker<'m>>)> {
    let mut found: Vec<(MemberKey, Vec<Worker<'m>>)> = Vec::new();
    let mut places = HashMap::new();
    for worker in
        server_conf::all_workers(main).filter(|worker| worker.is_member() && worker.is_ajp())
    {
        let key = worker.key();
        let at = *places.entry(key).or_insert(found.len());
        match found.get_mut(at) {
            Some((_, known)) if known.contains(&worker) => {}
            Some((_, known)) => known.push(worker),
            None => found.push((key, vec![worker])),
        }
    }
    found
}
