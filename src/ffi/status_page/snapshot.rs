//! The snapshot of all workers and pools that ajp-status shows.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use crate::backend::Backend;
use crate::balance::WorkerStatus;
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::clock;
use crate::ffi::httpd::listening_sockets;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::server_conf::{self, ProxyConf};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_settings::EffectiveSettings;
use crate::ffi::state::server_state::ServerState;
use crate::shared::{KeptError, MemberKey, Uptime, unix_ms};
use crate::stats::{ErrorDetail, ErrorReason, LastError, StatsTable};
use crate::status::{DialsIn, Endpoint, Member, Pool, Snapshot, State};

/// A worker as the page shows it, with all of mod_proxy's workers of its name: several virtual hosts
/// may define the same worker.
pub(crate) struct WorkerEntry<'r> {
    pub(crate) key: MemberKey,
    pub(crate) member: Member,
    pub(crate) workers: Vec<Worker<'r>>,
}

/// All ajp workers, each once.
pub(crate) struct SnapshotBuilder<'r> {
    pub(crate) seen: Vec<WorkerEntry<'r>>,
    balancers: Vec<crate::status::Balancer>,
    pub(crate) now_ms: u64,
}

impl<'r> SnapshotBuilder<'r> {
    /// Reads every worker of every server, including those that another child has added.
    pub(crate) fn collect(main: Server<'r>, child: &Child) -> Self {
        let (now, now_ms) = (clock::uptime(), unix_ms(SystemTime::now()));
        let mut builder = Self { seen: Vec::new(), balancers: Vec::new(), now_ms };
        let mut places = HashMap::new();
        for conf in server_conf::all(main) {
            let view = View { conf, child, now, now_ms };
            for balancer in conf.balancers() {
                if let Some(locked) = balancer.lock() {
                    // SAFETY: a server and its configuration.
                    unsafe { locked.sync(conf.server(), conf.as_ptr()) };
                }
                let members: Vec<_> = balancer.members().filter(|m| m.is_ajp()).collect();
                if members.is_empty() {
                    continue;
                }
                let name = builder.note(balancer);
                for member in members {
                    builder.add(&mut places, &view, member, Some(&name));
                }
            }
            for worker in conf.plain_workers().filter(|worker| worker.is_ajp()) {
                builder.add(&mut places, &view, worker, None);
            }
        }
        builder
    }

    /// Adds a balancer, unless one of its name is there; returns the name without the scheme.
    fn note(&mut self, balancer: Balancer<'_>) -> String {
        let name = text(&balancer.name());
        let name = name.strip_prefix("balancer://").unwrap_or(&name).to_owned();
        if !self.balancers.iter().any(|known| known.name == name) {
            self.balancers.push(crate::status::Balancer {
                name: name.clone(),
                method: text(&balancer.method()),
                sticky: balancer.sticky().map(|sticky| text(&sticky.cookie)),
                members: Vec::new(),
                others_for_new_sessions: others_for_new_sessions(balancer),
            });
        }
        name
    }

    fn add(
        &mut self,
        places: &mut HashMap<MemberKey, usize>,
        view: &View<'_>,
        worker: Worker<'r>,
        balancer: Option<&str>,
    ) {
        let key = worker.key();
        let at = *places.entry(key).or_insert(self.seen.len());
        match self.seen.get_mut(at) {
            Some(seen) if seen.workers.iter().any(|known| known.id() == worker.id()) => {}
            Some(seen) => seen.workers.push(worker),
            None => {
                let member = view.member(worker, key, balancer);
                self.seen.push(WorkerEntry { key, member, workers: vec![worker] });
            }
        }
    }

    /// The whole snapshot, with the counters.
    pub(crate) fn snapshot(self, request: Request<'_>, child: &Child, since_ms: u64) -> Snapshot {
        let table = child.counting().map(|counting| counting.table());
        let mut snapshot = Snapshot {
            server: text(request.server_name()),
            server_name: request.server_names().next().map(text).unwrap_or_default(),
            now_ms: self.now_ms,
            since_ms: since_ms.min(self.now_ms),
            children: table.as_ref().map_or(0, StatsTable::children),
            balancers: self.balancers,
            ..Snapshot::default()
        };
        let now = clock::uptime();
        let mut names: Vec<String> = Vec::new();
        for WorkerEntry { key, mut member, .. } in self.seen {
            if let Some(table) = &table {
                member.figures = table.member_figures(key);
                member.parked = table.member_parked(key);
                member.reset_ms = table.member_reset_ms(key).map(|ms| ms.min(self.now_ms));
                let began_ms = member.reset_ms.unwrap_or(since_ms);
                let counted_for = Duration::from_millis(self.now_ms.saturating_sub(began_ms));
                member.activity = member.figures.recent.activity(now, counted_for);
            }
            names.push(member.pool.clone());
            let name = member.balancer.as_deref();
            match snapshot.balancers.iter_mut().find(|known| Some(&*known.name) == name) {
                Some(balancer) => balancer.members.push(member),
                None => snapshot.workers.push(member),
            }
        }
        // Pools that no worker names any more, or that belong to a ProxyRemote.
        let known: Vec<String> = table.as_ref().map(StatsTable::pool_names).unwrap_or_default();
        let mut said = HashSet::new();
        snapshot.pools = names
            .into_iter()
            .chain(known)
            .filter(|name| said.insert(name.clone()))
            .map(|name| {
                let figures = table.as_ref().map(|table| table.pool_figures(&name));
                let dials_in = child.reverse_of(&name).map(|reverse| DialsIn {
                    at: reverse.to_string(),
                    queue: reverse
                        .listener()
                        .and_then(|socket| listening_sockets::accept_queue(socket.as_fd())),
                });
                Pool { name, dials_in, figures: figures.unwrap_or_default() }
            })
            .collect();
        snapshot
    }
}

/// The configuration and the child for which workers are read.
struct View<'c> {
    conf: ProxyConf<'c>,
    child: &'c Child,
    now: Uptime,
    now_ms: u64,
}

impl View<'_> {
    /// A time on the wall clock, as that is now. `None`: before 1970.
    fn since_1970(&self, at: Uptime) -> Option<u64> {
        self.now_ms.checked_sub(self.now.millis().saturating_sub(at.millis()))
    }

    fn member(&self, worker: Worker<'_>, key: MemberKey, balancer: Option<&str>) -> Member {
        let settings = self.child.settings(worker.id());
        let counters = worker.counters();
        let (name, host) = (text(&worker.name()), text(&worker.host()));
        let socket = worker.socket_path().as_deref().map(text);
        let port = worker.port();
        let parking = ServerState::parking(self.conf.server(), self.child.can_park());
        let configured = EffectiveSettings::new(worker, self.conf, settings, parking);
        let pool = if worker.has_fixed_address() {
            Backend::name_of(&configured.key(host.as_bytes(), port, None))
        } else {
            name.clone()
        };
        // Workers that differ only in the socket have the same name.
        let url = socket.as_ref().map_or(name.clone(), |socket| format!("unix:{socket}|{name}"));
        let state = state(worker.status());
        let shared = self.child.member_state(key);
        // An error time in the future: the clock was set back. The next request corrects it to now as
        // well.
        let error_us = counters.error_us.min(self.now_ms.saturating_mul(1000));
        let error_ms = (error_us > 0).then_some(error_us / 1000);
        let due_ms = error_us.saturating_add(counters.retry_us) / 1000;
        Member {
            balancer: balancer.map(str::to_owned),
            endpoint: Endpoint { host, port, socket },
            route: worker.route().as_deref().map(text),
            redirect: worker.redirect().as_deref().map(text),
            domain: settings.domain.clone(),
            pool,
            activation: worker.status().activation(),
            state,
            role: worker.status().role(),
            lbset: worker.lbset(),
            lbfactor: counters.lbfactor,
            sessions_only: settings.sessions_only,
            elected: counters.elected,
            busy: shared.map_or(0, |state| state.in_flight()),
            recovers_in_ms: (state == State::Error).then(|| due_ms.saturating_sub(self.now_ms)),
            error_ms: error_ms.filter(|_| state == State::Error),
            in_error_since_ms: shared
                .and_then(|state| self.since_1970(state.in_error_since()?))
                .or(error_ms)
                .filter(|_| state == State::Error),
            failing_since_ms: shared.and_then(|state| self.since_1970(state.failing_since()?)),
            last_error: shared.and_then(|state| last_error(state.last_error()?, self.now)),
            busy_limit: settings.busy_limit,
            max: configured.limits().max,
            url,
            ..Member::default()
        }
    }
}

fn last_error(kept: KeptError, now: Uptime) -> Option<LastError> {
    Some(LastError {
        ago: now.since(kept.at),
        reason: *ErrorReason::ALL.get(usize::from(kept.reason))?,
        detail: ErrorDetail(kept.detail),
    })
}

/// The members of protocols that this module does not serve: of them the page shows nothing but whether
/// the balancer has any left.
fn others_for_new_sessions(balancer: Balancer<'_>) -> usize {
    let takes = |status: WorkerStatus| status.is_usable() && !status.is_draining();
    let others = balancer.members().filter(|member| !member.is_ajp());
    others.filter(|member| takes(member.status())).count()
}

fn state(status: WorkerStatus) -> State {
    match status {
        _ if status.has(WorkerStatus::HC_FAIL) => State::HealthCheckFailed,
        _ if status.has(WorkerStatus::IN_ERROR) => State::Error,
        _ if !status.has(WorkerStatus::INITIALIZED) => State::Unknown,
        _ => State::Ok,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
