//! Translates the properties that a worker has as a member of a balancer.

use super::ajp_worker::AjpWorker;
use super::context::{Context, DEFAULT};
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Disposition;
use crate::migrate::text::span::Span;

/// The longest route or secret that mod_proxy accepts.
pub const MAX_WORD: usize = 63;

/// Returns whether mod_proxy accepts the text as a route.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD && !text.contains(char::is_whitespace)
}

/// Sets route, load factor, distance, domain, redirect and activation.
pub fn member(
    context: &mut Context<'_>,
    made: &mut AjpWorker,
    is_provisional: bool,
    named_at: Option<Span>,
) {
    let name = made.name.clone();
    if let Some(route) = context.find(&name, &["route", "jvm_route"]) {
        made.route = route.value.clone();
        context.record_kept(route, format!("route={}", route.value));
    }
    if !is_word(&made.route) {
        let at = context.find(&name, &["route", "jvm_route"]).map(|route| route.at);
        if let Some(at) = at.or(made.lines.first().copied()).or(named_at) {
            let text = "mod_proxy limits a route to 63 characters without spaces";
            context.messages.push(Message::error(at, text));
        }
    }
    if let Some((factor, property)) = context.number(&name, &["lbfactor"]) {
        made.factor = factor.max(1);
        context.record_kept(property, format!("loadfactor={}", made.factor));
    }
    if let Some((distance, property)) = context.number(&name, &["distance"]) {
        made.distance = distance;
        context.record_kept(property, format!("distance={distance}"));
    }
    let domain = context.find(&name, &["domain"]);
    let of_route = made.route.split_once('.').map(|(domain, _)| domain.to_owned());
    let words = match (domain, of_route) {
        (Some(property), _) if property.value.len() > MAX_WORD => {
            context.record_dropped(property, "a domain is limited to 63 characters", "Shorten it.");
            None
        }
        (Some(property), _) => Some(property.value.clone()),
        // In mod_jk, the beginning of the route is the default.
        (None, of_route) => of_route.filter(|domain| !domain.is_empty()),
    };
    match (words, domain) {
        (Some(word), Some(property)) if !is_word(&word) => {
            context.record_dropped(
                property,
                "a domain must not contain spaces",
                "Choose another name.",
            );
        }
        (Some(word), property) if is_word(&word) => {
            let words = made.set("domain", word);
            if let Some(property) = property {
                context.record_kept(property, words);
            }
        }
        _ => {}
    }
    if let Some(property) = context.find(&name, &["redirect"]) {
        if is_word(&property.value) {
            let words = made.set("redirect", &property.value);
            context.record_kept(property, words);
        } else {
            let text = "mod_proxy limits a redirect to 63 characters without spaces";
            context.messages.push(Message::error(property.at, text));
        }
    }
    activation(context, made, is_provisional);
    if let Some((on, property)) = context.switch(&name, &["local_worker"]) {
        if context.is_old && on {
            let words = made.set("local", "On");
            let meaning = "Local members share the requests; mod_jk 1.2.6 used the first one.";
            context.record_changed(property, words, meaning);
        } else if !on {
            context.record_kept(property, DEFAULT);
        } else {
            context.record_dropped(
                property,
                "mod_jk has ignored it since 1.2.9",
                "For the behavior of 1.2.6, use jk2ajp --jk-1.2.6, or local=On on the member.",
            );
        }
    }
}

fn activation(context: &mut Context<'_>, made: &mut AjpWorker, is_provisional: bool) {
    let name = made.name.clone();
    let mut word = is_provisional.then_some("stopped");
    for (property, becomes) in [("disabled", "disabled"), ("stopped", "stopped")] {
        if let Some((on, property)) = context.switch(&name, &[property]) {
            let words = if on { format!("activation={becomes}") } else { DEFAULT.to_owned() };
            if on {
                word = Some(becomes);
            }
            context.record_kept(property, words);
        }
    }
    if let Some(property) = context.find(&name, &["activation"]) {
        let found = match property.value.chars().next().map(|c| c.to_ascii_lowercase()) {
            Some('d') => "disabled",
            Some('s') => "stopped",
            _ => "active",
        };
        word =
            if is_provisional { Some("stopped") } else { Some(found).filter(|w| *w != "active") };
        if found == "disabled" {
            let meaning = "As in mod_jk, this drains the member (balancer-manager: Drn): it keeps its sessions and gets no new ones. mod_proxy's own `disabled` (status=+D) is different.";
            context.record_changed(property, "activation=disabled", meaning);
        } else {
            context.record_kept(property, format!("activation={found}"));
        }
    }
    if let Some(word) = word {
        made.set("activation", word);
    }
}

/// Reports properties of members on a worker that is none, unless a member shares the line through a template.
pub fn report_member_properties(context: &mut Context<'_>, name: &str) {
    for property in MEMBERS_ONLY {
        let found = context.find(name, &[property]);
        for line in found.iter().flat_map(|found| &found.lines) {
            let disposition = Disposition::Dropped {
                why: "it applies to members of a balancer, and rules name this worker itself"
                    .into(),
                advice: String::new(),
            };
            context.report.add_fallback(*line, disposition);
        }
    }
}

/// The properties that mod_jk reads for members only.
const MEMBERS_ONLY: &[&str] = &[
    "activation",
    "disabled",
    "stopped",
    "route",
    "jvm_route",
    "distance",
    "domain",
    "redirect",
    "lbfactor",
    "local_worker",
];
