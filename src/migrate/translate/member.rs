//! What a worker says of itself as a member of a balancer.

use super::ajp_worker::AjpWorker;
use super::context::Context;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Disposition;
use crate::migrate::text::span::Span;

/// As long as mod_proxy takes a route or a secret.
pub const MAX_WORD: usize = 63;

/// What mod_proxy takes for a route.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD && !text.contains(char::is_whitespace)
}

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
            let text = "mod_proxy takes a route of at most 63 characters without blanks";
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
            context.record_dropped(
                property,
                "a domain has at most 63 characters here",
                "Shorten it.",
            );
            None
        }
        (Some(property), _) => Some(property.value.clone()),
        // mod_jk takes the beginning of the route for it.
        (None, of_route) => of_route.filter(|domain| !domain.is_empty()),
    };
    match (words, domain) {
        (Some(word), Some(property)) if !is_word(&word) => {
            context.record_dropped(property, "a domain has no blanks here", "Choose another name.");
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
            let text = "mod_proxy takes a redirect of at most 63 characters without blanks";
            context.messages.push(Message::error(property.at, text));
        }
    }
    activation(context, made, is_provisional);
    if let Some((on, property)) = context.switch(&name, &["local_worker"]) {
        if context.is_old && on {
            let words = made.set("local", "On");
            let meaning = "Local members share requests; mod_jk 1.2.6 took the first one.";
            context.record_changed(property, words, meaning);
        } else if !on {
            context.record_kept(property, "nothing: it is so anyway");
        } else {
            context.record_dropped(
                property,
                "mod_jk has passed it over since 1.2.9",
                "If it is to count as it did in 1.2.6: jk2ajp --jk-1.2.6, or local=On on the member.",
            );
        }
    }
}

fn activation(context: &mut Context<'_>, made: &mut AjpWorker, is_provisional: bool) {
    let name = made.name.clone();
    let mut word = is_provisional.then_some("stopped");
    for (property, becomes) in [("disabled", "disabled"), ("stopped", "stopped")] {
        if let Some((on, property)) = context.switch(&name, &[property]) {
            let words = if on {
                format!("activation={becomes}")
            } else {
                "nothing: it is so anyway".into()
            };
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
            let meaning = "Disabled is drain (balancer-manager: Drn): sessions go on, new ones go elsewhere, as in mod_jk; mod_proxy's own `disabled` (status=+D) is another thing.";
            context.record_changed(property, "activation=disabled", meaning);
        } else {
            context.record_kept(property, format!("activation={found}"));
        }
    }
    if let Some(word) = word {
        made.set("activation", word);
    }
}

/// Properties of members, on a worker that is none. A template may be a member's, too.
pub fn report_member_properties(context: &mut Context<'_>, name: &str) {
    for property in MEMBERS_ALONE {
        let found = context.find(name, &[property]);
        for line in found.iter().flat_map(|found| &found.lines) {
            let disposition = Disposition::Dropped {
                why: "it is about members of a balancer, and this worker is mounted itself".into(),
                advice: String::new(),
            };
            context.report.add_fallback(*line, disposition);
        }
    }
}

/// What mod_jk reads of members alone.
const MEMBERS_ALONE: &[&str] = &[
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
