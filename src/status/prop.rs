//! The properties of mod_jk's status worker (`mime=prop`), for scripts that read them.
//!
//! One `worker.NAME.key=value` a line, with the names and words of mod_jk; members come under their
//! route. A value that this module does not have is left out rather than made up.

use std::collections::HashMap;
use std::fmt;

use super::{Balancer, Member, Pool, Snapshot, State};
use crate::balance::Activation;
use crate::stats::{MEMBER_FIGURES, Value};

/// Writes the snapshot as properties, a line at a time.
pub fn prop(snapshot: &Snapshot, out: &mut dyn fmt::Write) {
    let mut out = Properties(out);
    out.server(snapshot);
    let pools: HashMap<_, _> = snapshot.pools.iter().map(|pool| (&*pool.name, pool)).collect();
    out.line("lb_count", snapshot.balancers.len());
    for balancer in &snapshot.balancers {
        out.balancer(snapshot, balancer);
        for member in &balancer.members {
            let name = word(member.short_name());
            out.of(&word(&balancer.name), "balance_workers", &name);
            out.member(snapshot, member, &name, pools.get(&*member.pool).copied());
        }
    }
    out.line("ajp_count", snapshot.workers.len());
    for worker in &snapshot.workers {
        let name = word(worker.short_name());
        out.line("list", &name);
        out.member(snapshot, worker, &name, pools.get(&*worker.pool).copied());
    }
    out.end();
}

/// Writes the answer to `cmd=version`.
pub fn version(snapshot: &Snapshot, out: &mut dyn fmt::Write) {
    let mut out = Properties(out);
    out.server(snapshot);
    out.end();
}

/// Writes the result, which is the last two lines.
pub fn result(result: Result<&str, &str>) -> String {
    let (word, text) = match result {
        Ok(text) => ("OK", text),
        Err(text) => ("ERROR", text),
    };
    format!("worker.result.type={word}\nworker.result.message={text}\n")
}

struct Properties<'o>(&'o mut dyn fmt::Write);

impl Properties<'_> {
    fn line(&mut self, key: &str, value: impl fmt::Display) {
        // If the reader is gone, the rest is not read either.
        let _ = writeln!(self.0, "worker.{key}={value}");
    }

    fn of(&mut self, name: &str, key: &str, value: impl fmt::Display) {
        let _ = writeln!(self.0, "worker.{name}.{key}={value}");
    }

    fn end(&mut self) {
        let _ = self.0.write_str(&result(Ok("Action finished")));
    }

    fn server(&mut self, snapshot: &Snapshot) {
        self.line("server_name", &snapshot.server);
        self.line("time_unix", snapshot.now_ms / 1000);
        // What reads the version takes what stands behind the slash.
        self.line("jk_version", format_args!("mod_proxy_ajp_rs/{}", env!("CARGO_PKG_VERSION")));
    }

    fn balancer(&mut self, snapshot: &Snapshot, balancer: &Balancer) {
        let name = word(&balancer.name);
        let members = || balancer.members.iter();
        self.line("list", &name);
        self.of(&name, "type", "lb");
        self.of(&name, "sticky_session", yes(balancer.sticky.is_some()));
        self.of(&name, "method", &balancer.method);
        self.of(&name, "member_count", balancer.members.len());
        let good = members().filter(|m| m.is_usable() && m.activation == Activation::Active);
        let good = good.count();
        let bad = members().filter(|member| !member.is_usable()).count();
        self.of(&name, "good", good);
        self.of(&name, "degraded", balancer.members.len() - good - bad);
        self.of(&name, "bad", bad);
        self.of(&name, "busy", members().map(|member| u64::from(member.busy)).sum::<u64>());
        self.reset(snapshot, &name, members().filter_map(|member| member.reset_ms).max());
    }

    fn member(&mut self, snapshot: &Snapshot, member: &Member, name: &str, pool: Option<&Pool>) {
        let figures = &member.figures;
        self.of(name, "type", "ajp13");
        self.of(name, "host", &member.endpoint.host);
        self.of(name, "port", member.endpoint.port);
        match &member.endpoint.socket {
            Some(path) => self.of(name, "address", path),
            None => self.of(
                name,
                "address",
                format_args!("{}:{}", member.endpoint.host, member.endpoint.port),
            ),
        }
        if let Some(limit) = member.busy_limit {
            self.of(name, "busy_limit", limit);
        }
        if member.balancer.is_some() {
            let activation = match member.activation {
                Activation::Active => "ACT",
                Activation::Draining => "DIS",
                Activation::Stopped => "STP",
            };
            self.of(name, "activation", activation);
            self.of(name, "lbfactor", member.load_factor().trunc());
            self.of(name, "route", member.route.as_deref().unwrap_or(""));
            self.of(name, "redirect", member.redirect.as_deref().unwrap_or(""));
            self.of(name, "domain", member.domain.as_deref().unwrap_or(""));
            self.of(name, "distance", member.lbset);
            self.of(name, "state", state(member));
            self.of(name, "elected", member.elected);
        } else {
            self.of(name, "state", state(member));
            self.of(name, "used", figures.requests);
        }
        for figure in MEMBER_FIGURES {
            if let (Some(key), Value::Count(count)) = (figure.shown.prop, (figure.value)(figures)) {
                self.of(name, key, count);
            }
        }
        self.of(name, "busy", member.busy);
        self.of(name, "parked", member.parked);
        self.of(name, "takes_new_sessions", yes(member.takes_new_sessions()));
        self.of(name, "failing", yes(member.is_failing()));
        if let Some(pool) = pool {
            self.of(name, "connected", pool.figures.now.open());
        }
        if let Some(ms) = member.recovers_in_ms {
            self.of(name, "time_to_recover_min", ms / 1000);
            self.of(name, "time_to_recover_max", ms.div_ceil(1000));
        }
        if let Some(ms) = member.failing_since_ms {
            self.of(name, "failing_since_unix", ms / 1000);
        }
        if let Some(ms) = member.in_error_since_ms {
            self.of(name, "in_error_since_unix", ms / 1000);
        }
        if let Some(error) = member.last_error {
            self.of(name, "last_error", error);
            self.of(name, "last_error_reason", error.reason.name());
            self.of(name, "last_error_unix", error.at_ms(snapshot.now_ms) / 1000);
        }
        self.reset(snapshot, name, member.reset_ms);
        if let Some(ms) = member.error_ms {
            self.of(name, "error_time_unix seconds", ms / 1000);
            let ago = snapshot.now_ms.saturating_sub(ms) / 1000;
            self.of(name, "error_time_ago seconds", ago);
        }
    }

    fn reset(&mut self, snapshot: &Snapshot, name: &str, reset_ms: Option<u64>) {
        let at = reset_ms.unwrap_or(snapshot.since_ms);
        self.of(name, "last_reset_at", at / 1000);
        self.of(name, "last_reset_ago", snapshot.now_ms.saturating_sub(at) / 1000);
    }
}

fn state(member: &Member) -> &'static str {
    match member.state {
        State::Error | State::HealthCheckFailed => "ERR",
        State::Unknown => "NA",
        // It is never marked as in error.
        State::Ok if member.balancer.is_none() && member.is_failing() => "ERR",
        State::Ok if member.busy_limit.is_some_and(|limit| member.busy >= limit) => "OK/BUSY",
        State::Ok if member.figures.requests == 0 => "OK/IDLE",
        State::Ok => "OK",
    }
}

fn yes(is: bool) -> &'static str {
    if is { "True" } else { "False" }
}

/// The name with characters that a property's name may have.
fn word(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}
