//! A worker of type ajp13, as a worker of httpd's.

use super::connections::{pool, timeouts};
use super::context::Context;
use super::pings::pings;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Fate;
use crate::migrate::text::source::Span;

/// What it is used as.
#[derive(Clone, Debug)]
pub enum Role<'r> {
    /// Mounted itself.
    Plain,
    /// A member of a balancer, with what that says for all of them.
    Member {
        /// Its secret, for members that have none.
        secret: Option<&'r str>,
        /// What every member gets: `retry=` and so on.
        parameters: &'r [(&'static str, String)],
        /// Where it is named a member.
        named_at: Option<Span>,
    },
}

/// A worker of httpd's.
#[derive(Clone, Debug, PartialEq)]
pub struct AjpWorker {
    /// Its name in mod_jk.
    pub name: String,
    /// `ajp://host:port`.
    pub url: String,
    /// What stands behind the URL.
    pub parameters: Vec<(&'static str, String)>,
    /// Its route: mod_jk's is its name.
    pub route: String,
    /// Its share, before it is scaled.
    pub factor: i64,
    /// Nearer ones first.
    pub distance: i64,
    /// The lines it comes from.
    pub lines: Vec<Span>,
}

/// As long as mod_proxy takes a route or a secret.
const LONGEST_WORD: usize = 63;

/// Translates a worker.
pub fn translate(context: &mut Context<'_>, name: &str, role: &Role<'_>) -> AjpWorker {
    let mut made = AjpWorker {
        name: name.into(),
        url: String::new(),
        parameters: Vec::new(),
        route: name.into(),
        factor: 1,
        distance: 0,
        lines: context.lines_of(name),
    };
    if let Some(kind) = context.find(name, &["type"]) {
        context.kept(kind, "ajp://");
    }
    if let Some(reference) = context.find(name, &["reference"]) {
        context.kept(reference, "the template's properties");
    }
    let is_provisional = url(context, &mut made);
    if let Role::Member { parameters, named_at, .. } = role {
        made.parameters.extend(parameters.iter().cloned());
        member(context, &mut made, is_provisional, *named_at);
    } else {
        outside(context, name);
        if is_provisional {
            made.set("activation", "stopped");
        }
    }
    secret(context, &mut made, role);
    pool(context, &mut made);
    timeouts(context, &mut made);
    pings(context, &mut made);
    resending(context, &mut made, matches!(role, Role::Member { .. }));
    sockets(context, &mut made);
    made
}

impl AjpWorker {
    pub fn set(&mut self, parameter: &'static str, value: impl ToString) -> String {
        let value = value.to_string();
        let words = format!("{parameter}={value}");
        self.parameters.retain(|(known, _)| *known != parameter);
        self.parameters.push((parameter, value));
        words
    }

    /// What a parameter says.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is there.
    #[must_use]
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(known, _)| *known == parameter)
    }
}

/// `true`: port 0, a place for a member yet to come.
fn url(context: &mut Context<'_>, made: &mut AjpWorker) -> bool {
    let host = context.find(&made.name, &["host"]);
    let port = context.number(&made.name, &["port"]);
    let number = port.map_or(8009, |(port, _)| port);
    let text = host.map_or("localhost", |host| &host.value);
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    };
    let bare = text.trim_matches(['[', ']']);
    let authority = match bare.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("[{bare}]"),
        Err(_) => text.to_owned(),
    };
    if let Some(host) = host.filter(|_| authority == text && (!is_name(text) || text.len() > 200)) {
        let help = if text.starts_with('/') {
            "mod_jk has no unix sockets; here it is \"unix:/path|ajp://localhost\" in the place of ajp://host:port"
        } else {
            "the port stands in a property of its own: worker.x.port"
        };
        let message = Message::error(host.at, format!("`{text}` is no name of a host")).help(help);
        context.messages.push(message);
    }
    made.url = match number {
        0 => format!("ajp://{authority}"),
        number => format!("ajp://{authority}:{number}"),
    };
    if let Some(host) = host {
        context.kept(host, &made.url);
    }
    if let Some((_, port)) = port {
        match number {
            0 => context.changed(
                port,
                "activation=stopped",
                "mod_jk lets the status worker set host and port later; here a member can be added in balancer-manager (growth=).",
            ),
            1..=65535 => context.kept(port, &made.url),
            _ => context.messages.push(Message::error(port.at, "a port is a number from 1 to 65535")),
        }
    }
    number == 0
}

/// What mod_proxy takes for a route.
fn is_word(text: &str) -> bool {
    text.len() <= LONGEST_WORD && !text.contains(char::is_whitespace)
}

fn member(
    context: &mut Context<'_>,
    made: &mut AjpWorker,
    is_provisional: bool,
    named_at: Option<Span>,
) {
    let name = made.name.clone();
    if let Some(route) = context.find(&name, &["route", "jvm_route"]) {
        made.route = route.value.clone();
        context.kept(route, format!("route={}", route.value));
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
        context.kept(property, format!("loadfactor={}", made.factor));
    }
    if let Some((distance, property)) = context.number(&name, &["distance"]) {
        made.distance = distance;
        context.kept(property, format!("distance={distance}"));
    }
    let domain = context.find(&name, &["domain"]);
    let of_route = made.route.split_once('.').map(|(domain, _)| domain.to_owned());
    let words = match (domain, of_route) {
        (Some(property), _) if property.value.len() > LONGEST_WORD => {
            context.dropped(property, "a domain has at most 63 characters here", "Shorten it.");
            None
        }
        (Some(property), _) => Some(property.value.clone()),
        // mod_jk takes the beginning of the route for it.
        (None, of_route) => of_route.filter(|domain| !domain.is_empty()),
    };
    match (words, domain) {
        (Some(word), Some(property)) if !is_word(&word) => {
            context.dropped(property, "a domain has no blanks here", "Choose another name.");
        }
        (Some(word), property) if is_word(&word) => {
            let words = made.set("domain", word);
            if let Some(property) = property {
                context.kept(property, words);
            }
        }
        _ => {}
    }
    if let Some(property) = context.find(&name, &["redirect"]) {
        if is_word(&property.value) {
            let words = made.set("redirect", &property.value);
            context.kept(property, words);
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
            context.changed(property, words, meaning);
        } else if !on {
            context.kept(property, "nothing: it is so anyway");
        } else {
            context.dropped(
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
            context.kept(property, words);
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
            context.changed(property, "activation=disabled", meaning);
        } else {
            context.kept(property, format!("activation={found}"));
        }
    }
    if let Some(word) = word {
        made.set("activation", word);
    }
}

/// Properties of members, on a worker that is none. A template may be a member's, too.
fn outside(context: &mut Context<'_>, name: &str) {
    for property in MEMBERS_ALONE {
        let found = context.find(name, &[property]);
        for line in found.iter().flat_map(|found| &found.lines) {
            let fate = Fate::Dropped {
                why: "it is about members of a balancer, and this worker is mounted itself".into(),
                advice: String::new(),
            };
            context.report.add_otherwise(*line, fate);
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

fn secret(context: &mut Context<'_>, made: &mut AjpWorker, role: &Role<'_>) {
    let inherited = match role {
        Role::Member { secret, .. } => *secret,
        Role::Plain => None,
    };
    let own = context.find(&made.name, &["secret"]);
    if let Some(property) = own {
        context.kept(property, "secret=");
        if property.value.len() > LONGEST_WORD {
            let text = "mod_proxy takes a secret of at most 63 characters";
            context.messages.push(Message::error(property.at, text));
        }
    }
    if let Some(secret) = own.map(|property| property.value.as_str()).or(inherited) {
        made.set("secret", secret);
    }
}

fn resending(context: &mut Context<'_>, made: &mut AjpWorker, is_member: bool) {
    let name = made.name.clone();
    if let Some((times, property)) = context.number(&name, &["retries"]) {
        let words = made.set("retries", (times.max(1) - 1).min(100));
        let meaning = "It counts what comes after the first attempt; of a request that may have been executed, over all members of the balancer together, of which one other gets it with retries=0, too. Nothing is tried again after a timeout or a failed status.";
        context.changed(property, words, meaning);
    }
    if let Some((pause, property)) = context.number(&name, &["retry_interval"]) {
        let words = made.set("retryinterval", pause.clamp(0, 60_000));
        context.kept(property, words);
    }
    if let Some((bits, property)) = context.number(&name, &["recovery_options"]) {
        let words = made.set("recovery", bits & 31);
        if bits & 2 == 0 {
            let meaning = "Nothing is sent again after a byte of the answer has gone to the client (bit 2 always holds), and nothing to the same backend after a timeout.";
            context.changed(property, words, meaning);
        } else {
            context.kept(property, words);
        }
    }
    if let Some(property) = context.find(&name, &["fail_on_status"]) {
        let words = fail_status(&property.value);
        match words.filter(|_| is_member) {
            Some(list) => {
                let words = made.set("failstatus", list);
                let meaning = "Codes from 400 to 599. A request that may not be sent again gets the answer as it is; mod_jk asks another member even then.";
                context.changed(property, words, meaning);
            }
            None if is_member => {
                context.dropped(property, "no status from 400 to 599 is in it", "");
            }
            None => {
                for line in &property.lines {
                    let fate = Fate::Dropped {
                        why: "outside a balancer nobody else can give the answer".into(),
                        advice: "The client gets the backend's answer. ProxyErrorOverride replaces it by httpd's page.".into(),
                    };
                    context.report.add_otherwise(*line, fate);
                }
            }
        }
    }
    if let Some((limit, property)) = context.number(&name, &["busy_limit"]) {
        if limit > 0 {
            let words = made.set("busylimit", limit.min(1_000_000));
            context.kept(property, words);
        } else {
            context.kept(property, "nothing: it is so anyway");
        }
    }
}

/// Codes that `failstatus` takes; `None`: there are none.
pub fn fail_status(text: &str) -> Option<String> {
    let codes = super::context::list(text).filter_map(|word| word.parse::<i32>().ok());
    let codes = codes.filter(|code| (400..600).contains(&code.abs()));
    let words: Vec<String> = codes.map(|code| code.to_string()).collect();
    (!words.is_empty()).then(|| words.join(","))
}

fn sockets(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((on, property)) = context.switch(&name, &["socket_keepalive"]) {
        let words =
            if on { made.set("keepalive", "On") } else { "nothing: it is so anyway".into() };
        context.kept(property, words);
    }
    if let Some((size, property)) = context.number(&name, &["socket_buffer"]) {
        if size > 0 {
            let words = made.set("receivebuffersize", size.clamp(8192, 1 << 26));
            context.changed(
                property,
                words,
                "It is about receiving alone; the kernel sizes the other one.",
            );
        } else {
            context.kept(property, "nothing: it is so anyway");
        }
    }
    if let Some((size, property)) = context.number(&name, &["max_packet_size"]) {
        let size = ((size + 1023) / 1024 * 1024).clamp(8192, 65_536);
        let words = made.set("iobuffersize", size);
        let meaning = "Requests may be as large; the backend is not asked. Packets of any size are accepted from it.";
        context.changed(property, words, meaning);
    }
    if let Some(property) = context.find(&name, &["source"]) {
        context.dropped(
            property,
            "the address to connect from is one for a whole server in httpd",
            "ProxySourceAddress, if it is the same for all workers.",
        );
    }
    if let Some((on, property)) = context.switch(&name, &["prefer_ipv6"]) {
        if on {
            let advice = "Name the IPv6 address as the host if it must be that one.";
            context.dropped(
                property,
                "all addresses of a host are tried, in the system's order",
                advice,
            );
        } else {
            context.kept(property, "nothing: it is so anyway");
        }
    }
    if let Some(property) = context.find(&name, &["secretkey"]) {
        context.dropped(property, "it is ajp14's login", "secret= is what Tomcat has.");
    }
}
