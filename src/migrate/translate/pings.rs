//! Translates `ping_mode` and its timeouts.

use super::ajp_worker::AjpWorker;
use super::context::Context;
use crate::migrate::read::property_table::MAX_MS;
use crate::migrate::text::message::Message;

/// mod_jk's default of `ping_timeout`, in milliseconds.
const DEFAULT_WAIT: i64 = 10_000;

/// Sets `pingmode` and its timeouts. A kind of ping is enabled by its letter, or by its timeout.
pub fn pings(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    let mode = context.find(&name, &["ping_mode"]);
    let letters = mode.map_or(String::new(), |mode| mode.value.to_ascii_uppercase());
    if let Some(mode) = mode.filter(|_| letters.contains(|c| !"CPIA".contains(c))) {
        let text = "mod_jk has the letters C, P, I and A, and ignores others";
        context.messages.push(Message::warning(mode.at, text));
    }
    let has = |letter| letters.contains([letter, 'A']);
    let wait = context.number(&name, &["ping_timeout"]);
    let default = wait.map_or(DEFAULT_WAIT, |(wait, _)| wait);
    let default = if default > 0 { default } else { DEFAULT_WAIT };
    let connect = context.number(&name, &["connect_timeout"]);
    let prepost = context.number(&name, &["prepost_timeout"]);
    let interval = context.number(&name, &["connection_ping_interval"]);
    let time = |own: Option<i64>, letter, default| {
        own.filter(|own| *own > 0).or(has(letter).then_some(default))
    };
    let on_connect = time(connect.map(|(n, _)| n), 'C', default);
    let on_request = time(prepost.map(|(n, _)| n), 'P', default);
    let on_idle = time(interval.map(|(n, _)| n), 'I', (default / 100).max(1));

    let kinds: Vec<&str> =
        [("connect", on_connect), ("prepost", on_request), ("interval", on_idle)]
            .into_iter()
            .filter_map(|(word, time)| time.map(|_| word))
            .collect();
    let nothing = "nothing (no CPING is sent)";
    let pingmode =
        if kinds.is_empty() { nothing.to_owned() } else { made.set("pingmode", kinds.join(",")) };
    if let Some(mode) = mode {
        context.record_kept(mode, &pingmode);
    }
    let on_connect = on_connect.map(|time| made.set("pingconnect", time.min(MAX_MS)));
    let on_request = on_request.map(|time| made.set("pingprepost", time.min(MAX_MS)));
    let on_idle = on_idle.map(|time| {
        // The timeout of pings on idle connections.
        if default != DEFAULT_WAIT {
            made.set("ping", format!("{}ms", default.min(MAX_MS)));
        }
        made.set("pinginterval", time.min(MAX_MS / 1000))
    });
    if let Some((_, property)) = connect {
        let words = on_connect.unwrap_or_else(|| nothing.into());
        let meaning = "In mod_jk too, connect_timeout is the timeout of a ping on a new connection; the timeout of connecting is socket_connect_timeout there and connecttimeout here.";
        context.record_changed(property, words, meaning);
    }
    if let Some((_, property)) = prepost {
        context.record_kept(property, on_request.unwrap_or_else(|| nothing.into()));
    }
    if let Some((_, property)) = interval {
        context.record_kept(property, on_idle.unwrap_or_else(|| nothing.into()));
    }
    if let Some((_, property)) = wait {
        context
            .record_kept(property, format!("{pingmode}, with this timeout where no other is set"));
    }
}
