//! Translates a worker of type lb to a balancer of httpd's.

use super::balancer::Balancer;
use super::context::{Context, DEFAULT};
use super::members::{LIST, members};
use super::worker::Role;
use crate::migrate::text::message::Message;

/// Translates a balancer, with those members for which `is_ajp` is true.
pub fn translate(context: &mut Context<'_>, name: &str, is_ajp: &dyn Fn(&str) -> bool) -> Balancer {
    let lines = context.use_lines(name);
    if let Some(kind) = context.find(name, &["type"]) {
        context.record_kept(kind, "balancer://");
    }
    if let Some(reference) = context.find(name, &["reference"]) {
        context.record_kept(reference, "the properties of the template");
    }
    let mut settings = Vec::new();
    let session = sessions(context, name, &mut settings);
    let own_cookie = own_cookie(context, name);
    method(context, name, &mut settings);
    let parameters = member_parameters(context, name);
    let secret = context.find(name, &["secret"]);
    if let Some(secret) = secret {
        context.record_kept(secret, "secret= of each member without its own");
    }
    attempts(context, name);
    let secret = secret.map(|secret| secret.value.as_str());
    let named_at = context.find(name, LIST).map(|list| list.at);
    let role = Role::Member { secret, parameters: &parameters, named_at };
    let members = members(context, name, &role, is_ajp);
    Balancer { name: name.into(), members, settings, session, own_cookie, lines }
}

fn sessions(
    context: &mut Context<'_>,
    name: &str,
    settings: &mut Vec<(&'static str, String)>,
) -> (String, String) {
    let sticky = context.switch(name, &["sticky_session"]);
    let cookie = context.find(name, &["session_cookie"]);
    let path = context.find(name, &["session_path"]);
    let session = (
        cookie.map_or("JSESSIONID", |cookie| &cookie.value).to_owned(),
        path.map_or("jsessionid", |path| path.value.trim_start_matches(';')).to_owned(),
    );
    let is_sticky = sticky.is_none_or(|(on, _)| on);
    let stickiness = sticky_words(&session);
    for property in [sticky.map(|(_, property)| property), cookie, path].into_iter().flatten() {
        if property.value.contains(['|', '"', ' ', '=']) {
            context
                .messages
                .push(Message::error(property.at, "not a name of a cookie or parameter"));
        }
        let words = if is_sticky { stickiness.as_str() } else { "no stickysession" };
        context.record_kept(property, words);
    }
    if is_sticky {
        settings.push(("stickysession", format!("{}|{}", session.0, session.1)));
        settings.push(("scolonpathdelim", "On".into()));
    }
    if let Some((on, property)) = context.switch(name, &["sticky_session_force"]) {
        if on {
            settings.push(("nofailover", "On".into()));
            let meaning =
                "A session whose route no member has goes to any member; mod_jk answers 503.";
            context.record_changed(property, "nofailover=On", meaning);
        } else {
            context.record_kept(property, DEFAULT);
        }
    }
    if let Some((on, property)) = context.switch(name, &["local_worker_only"]) {
        if context.is_old && on {
            settings.push(("localonly", "On".into()));
            context.record_kept(property, "localonly=On");
        } else {
            context.record_dropped(
                property,
                "mod_jk has ignored it since 1.2.9",
                "For the behavior of 1.2.6, use jk2ajp --jk-1.2.6, or localonly=On on the balancer.",
            );
        }
    }
    session
}

fn sticky_words(session: &(String, String)) -> String {
    format!("stickysession={}|{} scolonpathdelim=On", session.0, session.1)
}

fn own_cookie(context: &mut Context<'_>, name: &str) -> Option<String> {
    let set = context.switch(name, &["set_session_cookie"]);
    let path = context.find(name, &["session_cookie_path"]);
    let cookie_path = path.map_or("/", |path| &path.value).to_owned();
    if let Some(path) = path.filter(|path| path.value.contains(['"', ';', '%', '\\'])) {
        context.messages.push(Message::error(path.at, "not a path of a cookie"));
    }
    let is_set = set.is_some_and(|(on, _)| on);
    for property in [set.map(|(_, property)| property), path].into_iter().flatten() {
        if is_set {
            let meaning = "The cookie is sent when the route changes, without HttpOnly and Secure unless you add them.";
            context.record_changed(property, "Header add Set-Cookie", meaning);
        } else {
            context.record_kept(property, "nothing (no cookie is set)");
        }
    }
    is_set.then_some(cookie_path)
}

fn method(context: &mut Context<'_>, name: &str, settings: &mut Vec<(&'static str, String)>) {
    let Some(property) = context.find(name, &["method"]) else {
        return lock(context, name);
    };
    let (method, meaning) = match property.value.chars().next().map(|c| c.to_ascii_lowercase()) {
        Some('t') => (
            "bytraffic",
            Some("httpd counts the traffic since its start; older traffic does not lose weight."),
        ),
        Some('b') => ("bybusyness", None),
        Some('s') => ("sessions", None),
        Some('n') => ("next", None),
        _ => ("byrequests", None),
    };
    let words = format!("lbmethod={method}");
    match meaning {
        Some(meaning) => context.record_changed(property, &words, meaning),
        None => context.record_kept(property, &words),
    }
    if method != "byrequests" {
        settings.push(("lbmethod", method.into()));
    }
    lock(context, name);
}

fn lock(context: &mut Context<'_>, name: &str) {
    if let Some(property) = context.find(name, &["lock"]) {
        context.record_dropped(
            property,
            "mod_proxy_balancer has only one way of locking",
            "Nothing to do.",
        );
    }
}

/// Returns the parameters that every member gets from the balancer's properties.
fn member_parameters(context: &mut Context<'_>, name: &str) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::new();
    let recover = context.number(name, &["recover_time"]);
    let recover_time = recover.map_or(60, |(seconds, _)| seconds.max(1));
    if let Some((_, property)) = recover {
        parameters.push(("retry", recover_time.to_string()));
        context.record_kept(property, format!("retry={recover_time} of each member"));
    }
    let escalation = context.number(name, &["error_escalation_time"]);
    let tolerated = escalation.map_or(recover_time / 2, |(seconds, _)| seconds.max(0));
    let tolerated = tolerated.min(24 * 86_400);
    if tolerated > 0 {
        parameters.push(("escalation", tolerated.to_string()));
    }
    if let Some((_, property)) = escalation {
        context.record_kept(property, format!("escalation={tolerated} of each member"));
    }
    if let Some((count, property)) = context.number(name, &["max_reply_timeouts"]) {
        let count = count.clamp(0, 1_000_000);
        parameters.push(("maxreplytimeouts", count.to_string()));
        context.record_kept(property, format!("maxreplytimeouts={count} of each member"));
    }
    parameters
}

fn attempts(context: &mut Context<'_>, name: &str) {
    for property in ["retries", "lb_retries", "retry_interval"] {
        if let Some(property) = context.find(name, &[property]) {
            context.record_dropped(
                property,
                "a request that no member has executed is sent to each usable member once",
                "Use maxattempts= on the balancer for fewer.",
            );
        }
    }
    if let Some(property) = context.find(name, &["max_packet_size"]) {
        context.record_dropped(property, "it is a property of the members", "Set it there.");
    }
}
