//! Translates the properties of a worker's connections: their number, timeouts and packet size.

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
        context.messages.push(Message::warning(*at, text).help(
            "connections are reused now; use forceclose=On to close them after each request",
        ));
    }
}

/// Sets `acquire`.
pub fn acquire_timeout(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((wait, property)) = context.number(&name, &["connection_acquire_timeout"]) {
        let words = made.set("acquire", wait.max(0));
        if wait > 0 {
            context.record_kept(property, words);
        } else {
            let meaning = "A connection is looked for once; in mod_jk, none was ever found.";
            context.record_changed(property, words, meaning);
        }
    } else if made.has("max") {
        // mod_jk waits as long as its retries take.
        let times = context.number(&name, &["retries"]).map_or(2, |(number, _)| number.max(1));
        let pause =
            context.number(&name, &["retry_interval"]).map_or(100, |(number, _)| number.max(0));
        made.set("acquire", times.saturating_mul(pause).min(3_600_000));
    }
}

/// Sets `timeout`; for mod_jk 1.2.6, `idlemax`.
pub fn socket_timeout(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    match context.number(&name, &["socket_timeout"]) {
        Some((seconds, property)) if context.is_old && seconds > 0 => {
            let words = made.set("idlemax", seconds.min(24 * 86_400 - 1) * 1000);
            let meaning = "As in mod_jk 1.2.6, it is the longest idle time of a connection. In later releases, it is the timeout of reading and writing.";
            context.record_changed(property, words, meaning);
        }
        Some((seconds, property)) if seconds > 0 => {
            let words = made.set("timeout", seconds);
            context.record_kept(property, words);
        }
        Some((_, property)) => {
            context.record_kept(property, "timeout=86400 (a day, since httpd needs a timeout)");
        }
        None => {}
    }
    if !made.has("timeout") {
        made.set("timeout", NO_TIMEOUT);
    }
}

/// Sets `iobuffersize`.
pub fn packet_size(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((size, property)) = context.number(&name, &["max_packet_size"]) {
        let size = ((size + 1023) / 1024 * 1024).clamp(8192, 65_536);
        let words = made.set("iobuffersize", size);
        let meaning = "It is the size of request packets; the backend is not asked for its limit. Packets of any size are accepted from the backend.";
        context.record_changed(property, words, meaning);
    }
}

/// Reports the preference, which has no translation: all addresses of a host are tried.
pub fn prefer_ipv6(context: &mut Context<'_>, made: &AjpWorker) {
    if let Some((on, property)) = context.switch(&made.name, &["prefer_ipv6"]) {
        if on {
            let why = "all addresses of a host are tried, in the system's order";
            let advice = "If it must be the IPv6 address, use that as the host.";
            context.record_dropped(property, why, advice);
        } else {
            context.record_kept(property, DEFAULT);
        }
    }
}
