//! Operators' orders, carried out in mod_proxy's own flags, which every child reads at each request.

use crate::balance::orders::{Action, Effect, Facts, KeptOrder, Remark};
use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_life;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::activation::{reset_lbmethod_if_usable, set_activation};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::status_page::snapshot::{SnapshotBuilder, WorkerEntry};
use crate::messages::Message;
use crate::status::{Done, Order, words};

/// Carries the order out for each worker that it names, with an audit line for each.
pub(crate) fn carry_out(
    request: Request<'_>,
    state: &ServerState,
    child: &Child,
    builder: &SnapshotBuilder<'_>,
    order: &Order,
) -> Vec<Done> {
    let about = builder.seen.iter().filter(|seen| order.is_about(&seen.member));
    let done = about.map(|seen| {
        let result = one(request, state, child, seen, order.action, builder.now_ms);
        let done = Done {
            balancer: seen.member.balancer.clone(),
            url: seen.member.url.clone(),
            action: order.action,
            refused: result.err(),
            note: result.ok().flatten(),
        };
        audit(request, seen, &done);
        done
    });
    done.collect()
}

/// Carries the order out for one worker. Returns a remark, if there is one. `Err`: nothing was done,
/// for this reason.
fn one(
    request: Request<'_>,
    state: &ServerState,
    child: &Child,
    seen: &WorkerEntry<'_>,
    action: Action,
    now_ms: u64,
) -> Result<Option<Remark>, Remark> {
    let status: Vec<_> = seen.workers.iter().map(|worker| worker.status()).collect();
    let line = |worker: &Worker<'_>| {
        let all = state.parent.configured.get();
        all.and_then(|all| all.get(&worker.id())).copied().unwrap_or_default()
    };
    let configured: Vec<_> = seen.workers.iter().map(line).collect();
    let is_in_balancer = seen.member.balancer.is_some();
    let facts = Facts { is_in_balancer, status: &status, configured: &configured };
    let (effect, remark) = action.on(facts)?;
    match effect {
        Effect::Activate(wanted) => {
            seen.workers.iter().for_each(|worker| set_activation(*worker, wanted));
            // After the flags: a housekeeper that sees the old ones beside the new note would log that they are back.
            if let Some(state) = child.member_state(seen.key) {
                state.note_activation(wanted);
            }
            let order = KeptOrder::new(wanted, &configured);
            let operators = state.parent.operators.get().map(|memory| memory.table());
            if operators.is_some_and(|table| !table.set(seen.key, order.bits())) {
                let text =
                    format_args!("ajp-status: the next order ends with a restart: no room is left");
                log::request(request, Message::OrderNotKept, text);
            }
        }
        Effect::Recover => {
            for worker in &seen.workers {
                let was_usable = worker.status().is_usable();
                worker.mark_recovered();
                reset_lbmethod_if_usable(*worker, was_usable);
            }
            if let Some(state) = child.member_state(seen.key) {
                member_life::note_recovery(state);
                state.forget_reply_timeouts();
            }
        }
        Effect::Reset => {
            if let Some(counting) = child.counting() {
                counting.table().reset_member(seen.key, now_ms);
                counting.table().reset_pool(&seen.member.pool, now_ms);
            }
        }
    }
    Ok(remark)
}

/// Logs an order, at a level that is in the log unless an administrator has lowered it.
fn audit(request: Request<'_>, seen: &WorkerEntry<'_>, done: &Done) {
    let user = request.user().map_or_else(|| "nobody".into(), String::from_utf8_lossy);
    let address = String::from_utf8_lossy(request.client().ip);
    let was = match seen.workers.first() {
        Some(worker) if done.action.activation().is_some() => {
            let now = worker.status().activation().name();
            format!("was {}, is {now}", seen.member.activation.name())
        }
        _ => format!("was {}", seen.member.state.name()),
    };
    let outcome = match (done.refused, done.note) {
        (Some(reason), _) => format!("refused, {}", words(reason)),
        (None, Some(note)) => format!("{was}, but {}", words(note)),
        (None, None) => was,
    };
    let (action, member) = (done.action.name(), done.member());
    log::request(
        request,
        Message::OrderGiven,
        format_args!("ajp-status: {action} {member}: {outcome}; by user {user} from {address}"),
    );
}
