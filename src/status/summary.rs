//! What mod_status shows of it.

use std::fmt::Write;

use super::Snapshot;

/// As rows of `key: value`, for `server-status?auto`.
pub fn auto(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    // A String takes all.
    for (at, member) in snapshot.members().enumerate() {
        let name = member.balancer.as_ref().map(|name| format!("balancer://{name} "));
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(out, "AjpWorker[{at}]{key}: {value}");
        };
        line("Name", &format_args!("{}{}", name.unwrap_or_default(), member.url));
        line("Activation", &member.activation.name());
        line("State", &member.state.name());
        line("Busy", &member.busy);
        line("Requests", &member.figures.requests);
        // mod_proxy says `Err` on this page for a member in error, and people look for that.
        line("Failed", &member.figures.failures());
        line("Retries", &member.figures.retries);
        line("Failovers", &member.figures.failovers);
        line("DurationUs", &member.figures.duration.sum_us);
    }
    for (at, pool) in snapshot.pools.iter().enumerate() {
        let (figures, now) = (&pool.figures, pool.figures.now);
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(out, "AjpPool[{at}]{key}: {value}");
        };
        line("Name", &pool.name);
        line("Open", &now.open());
        line("Idle", &now.idle);
        line("InUse", &now.in_use);
        line("Waiting", &now.waiting);
        line("Created", &figures.created);
        line("Reused", &figures.reused);
    }
    out
}

/// As a piece of mod_status's page.
///
/// # Errors
/// None that this could meet.
pub fn html(snapshot: &Snapshot) -> Result<String, askama::Error> {
    super::page::summary(snapshot)
}
