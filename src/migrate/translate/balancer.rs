//! A worker of type lb, as a balancer of httpd's.

use std::collections::{BTreeSet, HashSet};

use super::ajp_worker::{self, AjpWorker, Role};
use super::context::{Context, list};
use crate::migrate::read::rule_extensions::Extensions;
use crate::migrate::text::message::Message;
use crate::migrate::text::source::Span;

/// A balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancer {
    /// Its name in mod_jk.
    pub name: String,
    /// In their order.
    pub members: Vec<AjpWorker>,
    /// What ProxySet says.
    pub settings: Vec<(&'static str, String)>,
    /// The cookie's name, and the parameter's.
    pub session: (String, String),
    /// The path of the cookie that the balancer sets itself.
    pub own_cookie: Option<String>,
    /// The lines it comes from, without those of its members.
    pub lines: Vec<Span>,
}

/// Translates a balancer. Members that cannot be are left out; `is_ajp` says which can.
pub fn translate(context: &mut Context<'_>, name: &str, is_ajp: &dyn Fn(&str) -> bool) -> Balancer {
    let lines = context.lines_of(name);
    if let Some(kind) = context.find(name, &["type"]) {
        context.kept(kind, "balancer://");
    }
    if let Some(reference) = context.find(name, &["reference"]) {
        context.kept(reference, "the template's properties");
    }
    let mut settings = Vec::new();
    let session = sessions(context, name, &mut settings);
    let own_cookie = own_cookie(context, name);
    method(context, name, &mut settings);
    let parameters = of_members(context, name);
    let secret = context.find(name, &["secret"]);
    if let Some(secret) = secret {
        context.kept(secret, "secret= of each member that has none");
    }
    attempts(context, name);
    let secret = secret.map(|secret| secret.value.as_str());
    let named_at = context.find(name, LIST).map(|list| list.at);
    let role = Role::Member { secret, parameters: &parameters, named_at };
    let members = members(context, name, &role, is_ajp);
    Balancer { name: name.into(), members, settings, session, own_cookie, lines }
}

/// The members' names: the present name, and the old one.
pub const LIST: &[&str] = &["balance_workers", "balanced_workers"];

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
            context.messages.push(Message::error(property.at, "no name of a cookie or parameter"));
        }
        let words = if is_sticky { stickiness.as_str() } else { "no stickysession" };
        context.kept(property, words);
    }
    if is_sticky {
        settings.push(("stickysession", format!("{}|{}", session.0, session.1)));
        settings.push(("scolonpathdelim", "On".into()));
    }
    if let Some((on, property)) = context.switch(name, &["sticky_session_force"]) {
        if on {
            settings.push(("nofailover", "On".into()));
            let meaning = "A session whose route no member has is shared out; mod_jk answers 503.";
            context.changed(property, "nofailover=On", meaning);
        } else {
            context.kept(property, "nothing: it is so anyway");
        }
    }
    if let Some((on, property)) = context.switch(name, &["local_worker_only"]) {
        if context.is_old && on {
            settings.push(("localonly", "On".into()));
            context.kept(property, "localonly=On");
        } else {
            context.dropped(
                property,
                "mod_jk has passed it over since 1.2.9",
                "If it is to count as it did in 1.2.6: jk2ajp --jk-1.2.6, or localonly=On on the balancer.",
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
        context.messages.push(Message::error(path.at, "no path of a cookie"));
    }
    let is_set = set.is_some_and(|(on, _)| on);
    for property in [set.map(|(_, property)| property), path].into_iter().flatten() {
        if is_set {
            let meaning = "The cookie is sent when the route has changed, without HttpOnly or Secure unless you add them.";
            context.changed(property, "Header add Set-Cookie", meaning);
        } else {
            context.kept(property, "nothing: no cookie is set");
        }
    }
    is_set.then_some(cookie_path)
}

fn method(context: &mut Context<'_>, name: &str, settings: &mut Vec<(&'static str, String)>) {
    let Some(property) = context.find(name, &["method"]) else {
        return lock(context, name);
    };
    let (method, meaning) = match property.value.chars().next().map(|c| c.to_ascii_lowercase()) {
        Some('t') => ("bytraffic", Some("httpd's own counts, which forget nothing over time.")),
        Some('b') => ("bybusyness", None),
        Some('s') => ("sessions", None),
        Some('n') => ("next", None),
        _ => ("byrequests", None),
    };
    let words = format!("lbmethod={method}");
    match meaning {
        Some(meaning) => context.changed(property, &words, meaning),
        None => context.kept(property, &words),
    }
    if method != "byrequests" {
        settings.push(("lbmethod", method.into()));
    }
    lock(context, name);
}

fn lock(context: &mut Context<'_>, name: &str) {
    if let Some(property) = context.find(name, &["lock"]) {
        context.dropped(property, "mod_proxy_balancer has one way of locking", "Nothing to do.");
    }
}

/// What every member gets from the balancer's lines.
fn of_members(context: &mut Context<'_>, name: &str) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::new();
    let recover = context.number(name, &["recover_time"]);
    let recover_time = recover.map_or(60, |(seconds, _)| seconds.max(1));
    if let Some((_, property)) = recover {
        parameters.push(("retry", recover_time.to_string()));
        context.kept(property, format!("retry={recover_time} of each member"));
    }
    let escalation = context.number(name, &["error_escalation_time"]);
    let tolerated = escalation.map_or(recover_time / 2, |(seconds, _)| seconds.max(0));
    let tolerated = tolerated.min(24 * 86_400);
    if tolerated > 0 {
        parameters.push(("escalation", tolerated.to_string()));
    }
    if let Some((_, property)) = escalation {
        context.kept(property, format!("escalation={tolerated} of each member"));
    }
    if let Some((count, property)) = context.number(name, &["max_reply_timeouts"]) {
        let count = count.clamp(0, 1_000_000);
        parameters.push(("maxreplytimeouts", count.to_string()));
        context.kept(property, format!("maxreplytimeouts={count} of each member"));
    }
    parameters
}

fn attempts(context: &mut Context<'_>, name: &str) {
    for property in ["retries", "lb_retries", "retry_interval"] {
        if let Some(property) = context.find(name, &[property]) {
            context.dropped(
                property,
                "a request that no member has taken is given to each usable one once",
                "maxattempts= on the balancer makes that fewer.",
            );
        }
    }
    if let Some(property) = context.find(name, &["max_packet_size"]) {
        context.dropped(property, "it is a property of the members", "Set it there.");
    }
}

fn members(
    context: &mut Context<'_>,
    name: &str,
    role: &Role<'_>,
    is_ajp: &dyn Fn(&str) -> bool,
) -> Vec<AjpWorker> {
    let Some(property) = context.find(name, LIST) else {
        let at = context.find(name, &["type"]).map(|kind| kind.at);
        if let Some(at) = at.or(context.lines_of(name).first().copied()) {
            let text = format!("the balancer `{name}` has no members");
            context
                .messages
                .push(Message::error(at, text).help(format!("worker.{name}.balance_workers=")));
        }
        return Vec::new();
    };
    context.kept(property, "BalancerMember");
    let mut members: Vec<AjpWorker> = Vec::new();
    let names: HashSet<&str> = list(&property.value).collect();
    for member in list(&property.value) {
        if !context.workers.take(1, property.at, context.messages) {
            break;
        }
        let may_be = |known: &str| known != name && is_ajp(known);
        context.say_if_undefined(member, &names, property.at, &may_be);
        if members.iter().any(|known| known.name == member) {
            let text = format!("`{member}` is a member twice");
            context.messages.push(Message::error(property.at, text));
            continue;
        }
        if !is_ajp(member) {
            let text = format!("`{member}` cannot be converted, and is left out of `{name}`");
            context.messages.push(Message::warning(property.at, text));
            continue;
        }
        let made = ajp_worker::translate(context, member, role);
        if let Some(other) = members.iter().find(|known| known.route == made.route) {
            let text = format!("`{}` and `{member}` have the same route", other.name);
            context.messages.push(Message::error(property.at, text));
        }
        if let Some(other) = members.iter().find(|known| known.url == made.url) {
            let text = format!("`{}` and `{member}` are both at {}", other.name, made.url);
            context.messages.push(
                Message::warning(property.at, text)
                    .help("httpd has one member for one address: the second is left out"),
            );
            continue;
        }
        members.push(made);
    }
    redirects(context, &members);
    shares(context, &mut members, property.at);
    distances(&mut members);
    members
}

/// `redirect` names the route of another member, or a domain.
fn redirects(context: &mut Context<'_>, members: &[AjpWorker]) {
    let routes = members.iter().map(|member| member.route.as_str());
    let domains = members.iter().filter_map(|member| member.parameter("domain"));
    let known: BTreeSet<&str> = routes.chain(domains).collect();
    for member in members {
        let Some(property) = context.find(&member.name, &["redirect"]) else { continue };
        if member.parameter("redirect").is_some_and(|route| !known.contains(route)) {
            let text = format!("no member has the route or domain `{}`", property.value);
            let message = Message::warning(property.at, text);
            let like = context.did_you_mean(&property.value, known.iter().copied());
            let help = like.unwrap_or_else(|| "mod_jk passes the redirect over, too".into());
            context.messages.push(message.help(help));
        }
    }
}

/// `loadfactor`: 1 to 100, with two decimals.
fn shares(context: &mut Context<'_>, members: &mut [AjpWorker], at: Span) {
    let most = members.iter().map(|member| member.factor).max().unwrap_or(1);
    for member in members.iter_mut().filter(|_| most > 1) {
        let share = if most <= 100 {
            member.factor.to_string()
        } else {
            // A number below 2^53 is exact.
            let share = member.factor as f64 * 100.0 / most as f64;
            if share < 1.0 {
                let text = format!("`{}` gets a hundredth of what the largest gets", member.name);
                context.messages.push(
                    Message::warning(at, text).help("httpd's loadfactor is a number from 1 to 100"),
                );
            }
            format!("{:.2}", share.max(1.0))
        };
        if share != "1" {
            member.parameters.insert(0, ("loadfactor", share));
        }
    }
}

/// `distance`: 0 to 99; only their order counts.
fn distances(members: &mut [AjpWorker]) {
    let mut all: Vec<i64> = members.iter().map(|member| member.distance).collect();
    all.sort_unstable();
    all.dedup();
    let fits = all.iter().all(|distance| (0..100).contains(distance));
    for member in members.iter_mut().filter(|_| all != [0]) {
        let rank = all.iter().position(|distance| *distance == member.distance).unwrap_or(0);
        let distance = if fits { member.distance } else { rank.min(99) as i64 };
        member.parameters.insert(0, ("distance", distance.to_string()));
    }
}

impl Balancer {
    /// The balancer for the requests of a rule with these extensions.
    #[must_use]
    pub fn with(&self, extensions: &Extensions) -> Self {
        let mut changed = self.clone();
        for member in &mut changed.members {
            let is_in = |list: &[String]| list.contains(&member.name);
            let word = if is_in(&extensions.active) {
                Some(None)
            } else if is_in(&extensions.disabled) {
                Some(Some("disabled"))
            } else if is_in(&extensions.stopped) {
                Some(Some("stopped"))
            } else {
                None
            };
            if let Some(word) = word {
                member.parameters.retain(|(parameter, _)| *parameter != "activation");
                member.parameters.extend(word.map(|word| ("activation", word.to_owned())));
            }
            if let Some(list) = &extensions.fail_on_status {
                member.parameters.retain(|(parameter, _)| *parameter != "failstatus");
                member
                    .parameters
                    .extend(ajp_worker::fail_status(list).map(|list| ("failstatus", list)));
            }
        }
        if extensions.session_cookie.is_some() || extensions.session_path.is_some() {
            let own = &extensions.session_cookie;
            changed.session.0 = own.clone().unwrap_or(changed.session.0);
            let own = &extensions.session_path;
            changed.session.1 = own.clone().unwrap_or(changed.session.1);
            for (setting, value) in &mut changed.settings {
                if *setting == "stickysession" {
                    *value = format!("{}|{}", changed.session.0, changed.session.1);
                }
            }
        }
        if extensions.set_session_cookie {
            changed.own_cookie = extensions.session_cookie_path.clone().or(Some("/".into()));
        } else if let (Some(_), Some(path)) = (&changed.own_cookie, &extensions.session_cookie_path)
        {
            changed.own_cookie = Some(path.clone());
        }
        changed
    }
}
