//! Connections of a worker: how long they are waited for, and what may be sent over them.

use super::ajp_worker::AjpWorker;
use super::context::{Context, DEFAULT};
use crate::migrate::text::message::Message;

/// A day. mod_jk waits forever if no timeout is set, and httpd must have one.
const NO_TIMEOUT: &str = "86400";

/// Warns that connections are reused, which mod_jk 1.2.6 did only with a cache size.
pub fn warn_of_reuse(context: &mut Context<'_>, made: &AjpWorker) {
    let size = context.number(&made.name, &["connection_pool_size", "cachesize"]);
    if let Some(at) = made.lines.first().filter(|_| context.is_old && size.is_none()) {
        let text = format!(
            "`{}` has no cachesize: mod_jk 1.2.6 opened a connection for each request",
            made.name
        );
        context.messages.push(
            Message::warning(*at, text)
                .help("connections are used again here; forceclose=On brings the other back"),
        );
    }
}

/// Adds `acquire`.
pub fn acquire_timeout(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((wait, property)) = context.number(&name, &["connection_acquire_timeout"]) {
        let words = made.set("acquire", wait.max(0));
        if wait > 0 {
            context.record_kept(property, words);
        } else {
            let meaning = "It looks for a connection once; in mod_jk it never found one.";
            context.record_changed(property, words, meaning);
        }
    } else if made.has("max") {
        // mod_jk waits for as long as it would retry.
        let times = context.number(&name, &["retries"]).map_or(2, |(number, _)| number.max(1));
        let pause =
            context.number(&name, &["retry_interval"]).map_or(100, |(number, _)| number.max(0));
        made.set("acquire", times.saturating_mul(pause).min(3_600_000));
    }
}

/// Adds `timeout`, and `idlemax` as mod_jk 1.2.6 meant it.
pub fn socket_timeout(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    match context.number(&name, &["socket_timeout"]) {
        Some((seconds, property)) if context.is_old && seconds > 0 => {
            let words = made.set("idlemax", seconds.min(24 * 86_400 - 1) * 1000);
            let meaning = "As mod_jk 1.2.6 took it: how long a connection may have been idle. Later ones take it for the timeout of reading and writing.";
            context.record_changed(property, words, meaning);
        }
        Some((seconds, property)) if seconds > 0 => {
            let words = made.set("timeout", seconds);
            context.record_kept(property, words);
        }
        Some((_, property)) => {
            context.record_kept(property, "timeout=86400: without end, as httpd can say it");
        }
        None => {}
    }
    if !made.has("timeout") {
        made.set("timeout", NO_TIMEOUT);
    }
}

/// Adds `iobuffersize`.
pub fn packet_size(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((size, property)) = context.number(&name, &["max_packet_size"]) {
        let size = ((size + 1023) / 1024 * 1024).clamp(8192, 65_536);
        let words = made.set("iobuffersize", size);
        let meaning = "Requests may be as large; the backend is not asked. Packets of any size are accepted from it.";
        context.record_changed(property, words, meaning);
    }
}

/// Adds nothing: all addresses of a host are tried.
pub fn prefer_ipv6(context: &mut Context<'_>, made: &AjpWorker) {
    if let Some((on, property)) = context.switch(&made.name, &["prefer_ipv6"]) {
        if on {
            let why = "all addresses of a host are tried, in the system's order";
            let advice = "Name the IPv6 address as the host if it must be that one.";
            context.record_dropped(property, why, advice);
        } else {
            context.record_kept(property, DEFAULT);
        }
    }
}
