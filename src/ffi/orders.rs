//! Does what an operator asks for: in mod_proxy's own flags, which every child reads at each request.

use super::log::{self, LogLevel};
use super::picture::{Picture, Seen, activation};
use super::request::Request;
use super::server_config::ServerConfig;
use super::worker::Worker;
use super::{child::Child, operator, sys};
use crate::config::WorkerSettings;
use crate::status::{Action, Activation, Done, Order, State};

/// Carries the order out for each worker that it is about, with an audit line each.
pub(super) fn carry_out(
    request: Request<'_>,
    config: &ServerConfig,
    child: &Child,
    picture: &Picture,
    order: &Order,
) -> Vec<Done> {
    let about = picture.seen.iter().filter(|seen| order.is_about(&seen.member));
    let done = about.map(|seen| {
        let refused = one(request, config, child, seen, order.action, picture.now_ms);
        let done = Done {
            balancer: seen.member.balancer.clone(),
            url: seen.member.url.clone(),
            action: order.action,
            refused,
        };
        audit(request, seen, &done);
        done
    });
    done.collect()
}

/// `Some`: nothing was done, for this reason.
fn one(
    request: Request<'_>,
    config: &ServerConfig,
    child: &Child,
    seen: &Seen,
    action: Action,
    now_ms: u64,
) -> Option<&'static str> {
    if action != Action::Reset && seen.member.balancer.is_none() {
        // Its flags are each child's own.
        return Some("it is in no balancer");
    }
    if action == Action::Recover && seen.member.state == State::HealthCheckFailed {
        return Some("it has failed its health check, which alone takes it back");
    }
    if let Some(wanted) = action.activation() {
        let unset = WorkerSettings::default();
        let worker = seen.workers.first();
        let settings = worker.and_then(|worker| child.settings(worker.id())).unwrap_or(&unset);
        // `loadfactor=0`: to take requests of its own sessions alone is what it is for.
        let is_back = wanted == Activation::Active && settings.sessions_only;
        let wanted = if is_back { Activation::Draining } else { wanted };
        for worker in &seen.workers {
            set_activation(*worker, wanted);
        }
        let operators = config.operators.get().map(|memory| memory.table());
        let word = operator::word(wanted, settings);
        if operators.is_some_and(|table| !table.set(seen.key, word)) {
            let text = format_args!("ajp-status: no room to keep the next line over a restart");
            log::request(request, LogLevel::Warning, text);
        }
        return None;
    }
    match action {
        Action::Recover => {
            for worker in &seen.workers {
                let was_usable = worker.is_well();
                worker.is_back();
                has_changed(*worker, was_usable);
            }
            if let Some(state) = child.member_state(seen.key) {
                state.forget_reply_timeouts();
            }
        }
        _ => {
            if let Some(counting) = child.counting() {
                counting.table().reset_member(seen.key, now_ms);
                counting.table().reset_pool(&seen.member.pool, now_ms);
            }
        }
    }
    None
}

/// Sets the flags of a member as `activation` on its line does; those of other things stay.
pub(super) fn set_activation(worker: Worker, wanted: Activation) {
    let was_usable = worker.is_well();
    let (set, clear) = match wanted {
        Activation::Active => (0, DRAIN | STOPPED | DISABLED),
        Activation::Draining => (DRAIN, STOPPED | DISABLED),
        Activation::Stopped => (STOPPED, DRAIN),
    };
    // What is taken away last: in between it takes fewer requests, not more.
    if set != 0 {
        worker.add_status(set);
    }
    worker.clear_status(clear);
    has_changed(worker, was_usable);
}

const DRAIN: u32 = sys::PROXY_WORKER_DRAIN;
const STOPPED: u32 = sys::PROXY_WORKER_STOPPED;
const DISABLED: u32 = sys::PROXY_WORKER_DISABLED;

fn has_changed(worker: Worker, was_usable: bool) {
    let balancer = worker.balancer().filter(|_| !was_usable && worker.is_well());
    if let Some(balancer) = balancer {
        balancer.begin_anew();
    }
}

/// At a level that is in the log unless somebody has turned it down.
fn audit(request: Request<'_>, seen: &Seen, done: &Done) {
    let user = request.user().map_or_else(|| "nobody".into(), String::from_utf8_lossy);
    let address = String::from_utf8_lossy(request.client().ip);
    let was = match seen.workers.first() {
        Some(worker) if done.action.activation().is_some() => {
            let now = activation(worker.status()).name();
            format!("was {}, is {now}", seen.member.activation.name())
        }
        _ => format!("was {}", seen.member.state.name()),
    };
    let outcome = done.refused.map_or(was, |reason| format!("refused, {reason}"));
    let (action, member) = (done.action.name(), done.member());
    log::request(
        request,
        LogLevel::Warning,
        format_args!("ajp-status: {action} {member}: {outcome}; by user {user} from {address}"),
    );
}
