//! Does what an operator asks for: in mod_proxy's own flags, which every child reads at each request.

use crate::balance::{Activation, WorkerStatus};
use crate::config::WorkerSettings;
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::log::{self, LogLevel};
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::activation::{reset_lbmethod_if_usable, set_activation};
use crate::ffi::state::operator_words;
use crate::ffi::state::server_state::{ConfiguredState, ServerConfig};
use crate::ffi::status_page::snapshot::{SnapshotBuilder, WorkerEntry};
use crate::status::{Action, Done, Order, Remark};

/// Carries the order out for each worker that it is about, with an audit line each.
pub(crate) fn carry_out(
    request: Request<'_>,
    config: &ServerConfig,
    child: &Child,
    picture: &SnapshotBuilder,
    order: &Order,
) -> Vec<Done> {
    let about = picture.seen.iter().filter(|seen| order.is_about(&seen.member));
    let done = about.map(|seen| {
        let result = one(request, config, child, seen, order.action, picture.now_ms);
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

/// What is to be said of it. `Err`: nothing was done, for this reason.
fn one(
    request: Request<'_>,
    config: &ServerConfig,
    child: &Child,
    seen: &WorkerEntry,
    action: Action,
    now_ms: u64,
) -> Result<Option<Remark>, Remark> {
    if action != Action::Reset && seen.member.balancer.is_none() {
        // Its flags are each child's own.
        return Err(Remark::NoBalancer);
    }
    if let Some(wanted) = action.activation() {
        return Ok(activate(request, config, child, seen, wanted));
    }
    match action {
        Action::Recover => {
            let is = |flag| seen.workers.iter().any(|worker| worker.status().has(flag));
            let has_failed_check = is(WorkerStatus::HC_FAIL);
            if has_failed_check && !is(WorkerStatus::IN_ERROR) {
                return Err(Remark::HealthCheck);
            }
            for worker in &seen.workers {
                let was_usable = worker.status().is_usable();
                worker.is_back();
                reset_lbmethod_if_usable(*worker, was_usable);
            }
            if let Some(state) = child.member_state(seen.key) {
                state.forget_reply_timeouts();
            }
            return Ok(has_failed_check.then_some(Remark::HealthCheck));
        }
        _ => {
            if let Some(counting) = child.counting() {
                counting.table().reset_member(seen.key, now_ms);
                counting.table().reset_pool(&seen.member.pool, now_ms);
            }
        }
    }
    Ok(None)
}

/// Sets what the member is to be used for, and notes it for the next restart.
fn activate(
    request: Request<'_>,
    config: &ServerConfig,
    child: &Child,
    seen: &WorkerEntry,
    wanted: Activation,
) -> Option<Remark> {
    let (unset, nothing) = (WorkerSettings::default(), ConfiguredState::default());
    let lines: Vec<_> = seen
        .workers
        .iter()
        .map(|worker| {
            let stated = config.stated.get().and_then(|all| all.get(&worker.id()));
            (child.settings(worker.id()).unwrap_or(&unset), stated.unwrap_or(&nothing))
        })
        .collect();
    let is_back = wanted == Activation::Active;
    // `loadfactor=0`: to take requests of its own sessions alone is what it is for.
    let sessions_only = is_back && lines.iter().any(|(settings, _)| settings.sessions_only);
    let local_only = is_back && lines.iter().any(|(_, stated)| stated.by_local_only);
    let wanted = if sessions_only { Activation::Draining } else { wanted };
    for worker in &seen.workers {
        set_activation(*worker, wanted);
    }
    let operators = config.operators.get().map(|memory| memory.table());
    let word = operator_words::word(wanted, lines.into_iter());
    if operators.is_some_and(|table| !table.set(seen.key, word)) {
        let text = format_args!("ajp-status: no room to keep the next line over a restart");
        log::request(request, LogLevel::Warning, text);
    }
    if sessions_only { Some(Remark::SessionsOnly) } else { local_only.then_some(Remark::LocalOnly) }
}

/// At a level that is in the log unless somebody has turned it down.
fn audit(request: Request<'_>, seen: &WorkerEntry, done: &Done) {
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
        (Some(reason), _) => format!("refused, {}", reason.words()),
        (None, Some(note)) => format!("{was}, but {}", note.words()),
        (None, None) => was,
    };
    let (action, member) = (done.action.name(), done.member());
    log::request(
        request,
        LogLevel::Warning,
        format_args!("ajp-status: {action} {member}: {outcome}; by user {user} from {address}"),
    );
}
