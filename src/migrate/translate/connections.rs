//! How long a worker's connections are waited for, and how many there are.

use super::ajp_worker::AjpWorker;
use super::context::Context;
use crate::migrate::text::message::Message;

/// A day: mod_jk waits without end where no timeout is set, and httpd must have one.
const NO_TIMEOUT: &str = "86400";

/// 24 days, in milliseconds: as long as this module waits for anything.
pub const MAX_MS: i64 = 24 * 86_400_000;

pub fn pool(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    let size = context.number(&name, &["connection_pool_size", "cachesize"]);
    if let Some((number, property)) = size.filter(|(number, _)| *number > 0) {
        let words = made.set("max", number);
        context.record_kept(property, words);
    } else if let Some((_, property)) = size {
        context.record_kept(property, "nothing: it is so anyway");
    } else if context.is_old {
        if let Some(at) = made.lines.first() {
            let text = format!(
                "`{name}` has no cachesize: mod_jk 1.2.6 opened a connection for each request"
            );
            context.messages.push(
                Message::warning(*at, text)
                    .help("connections are used again here; forceclose=On brings the other back"),
            );
        }
    }
    if let Some((number, property)) = context.number(&name, &["connection_pool_minsize"]) {
        let words = made.set("min", number.max(0));
        let meaning =
            "So many connections are also opened ahead of requests; mod_jk only kept them.";
        context.record_changed(property, words, meaning);
    }
    let timeout = context.number(&name, &["connection_pool_timeout", "cache_timeout"]);
    if let Some((seconds, property)) = timeout {
        if seconds > 0 {
            let words = made.set("ttl", seconds);
            context.record_kept(property, words);
        } else {
            context.record_kept(property, "nothing: it is so anyway");
        }
    }
    if let Some((wait, property)) = context.number(&name, &["connection_acquire_timeout"]) {
        let words = made.set("acquire", wait.max(0));
        if wait > 0 {
            context.record_kept(property, words);
        } else {
            context.record_changed(
                property,
                words,
                "It looks for a connection once; in mod_jk it never found one.",
            );
        }
    } else if made.has("max") {
        // mod_jk waits for as long as it would retry.
        let times = context.number(&name, &["retries"]).map_or(2, |(number, _)| number.max(1));
        let pause =
            context.number(&name, &["retry_interval"]).map_or(100, |(number, _)| number.max(0));
        made.set("acquire", times.saturating_mul(pause).min(3_600_000));
    }
    if let Some(property) = context.find(&name, &["recycle_timeout"]) {
        context.record_dropped(property, "mod_jk passes it over, too", "");
    }
}

pub fn timeouts(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    let socket = context.number(&name, &["socket_timeout"]);
    match socket {
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
            context.record_kept(property, "timeout=86400: without end, as httpd can say it")
        }
        None => {}
    }
    if !made.has("timeout") {
        made.set("timeout", NO_TIMEOUT);
    }
    if let Some((wait, property)) = context.number(&name, &["socket_connect_timeout"]) {
        if wait > 0 {
            let words = made.set("connecttimeout", wait.min(MAX_MS));
            context.record_kept(property, words);
        } else {
            context.record_kept(property, "nothing: it is so anyway");
        }
    }
    if let Some((wait, property)) = context.number(&name, &["reply_timeout"]) {
        if wait > 0 {
            let words = made.set("replytimeout", wait.min(MAX_MS));
            context.record_kept(property, words);
        } else {
            context.record_kept(property, "nothing: it is so anyway");
        }
    }
}
