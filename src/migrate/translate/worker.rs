//! A worker of type ajp13, as a worker of httpd's.

use super::ajp_worker::AjpWorker;
use super::connections::{pool, timeouts};
use super::context::Context;
use super::member::{MAX_WORD, member, report_member_properties};
use super::pings::pings;
use super::resending::resending;
use crate::migrate::text::message::Message;
use crate::migrate::text::span::Span;

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
        context.record_kept(kind, "ajp://");
    }
    if let Some(reference) = context.find(name, &["reference"]) {
        context.record_kept(reference, "the template's properties");
    }
    let is_provisional = url(context, &mut made);
    if let Role::Member { parameters, named_at, .. } = role {
        made.parameters.extend(parameters.iter().cloned());
        member(context, &mut made, is_provisional, *named_at);
    } else {
        report_member_properties(context, name);
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
        context.record_kept(host, &made.url);
    }
    if let Some((_, port)) = port {
        match number {
            0 => context.record_changed(
                port,
                "activation=stopped",
                "mod_jk lets the status worker set host and port later; here a member can be added in balancer-manager (growth=).",
            ),
            1..=65535 => context.record_kept(port, &made.url),
            _ => context.messages.push(Message::error(port.at, "a port is a number from 1 to 65535")),
        }
    }
    number == 0
}

fn secret(context: &mut Context<'_>, made: &mut AjpWorker, role: &Role<'_>) {
    let inherited = match role {
        Role::Member { secret, .. } => *secret,
        Role::Plain => None,
    };
    let own = context.find(&made.name, &["secret"]);
    if let Some(property) = own {
        context.record_kept(property, "secret=");
        if property.value.len() > MAX_WORD {
            let text = "mod_proxy takes a secret of at most 63 characters";
            context.messages.push(Message::error(property.at, text));
        }
    }
    if let Some(secret) = own.map(|property| property.value.as_str()).or(inherited) {
        made.set("secret", secret);
    }
}

fn sockets(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((on, property)) = context.switch(&name, &["socket_keepalive"]) {
        let words =
            if on { made.set("keepalive", "On") } else { "nothing: it is so anyway".into() };
        context.record_kept(property, words);
    }
    if let Some((size, property)) = context.number(&name, &["socket_buffer"]) {
        if size > 0 {
            let words = made.set("receivebuffersize", size.clamp(8192, 1 << 26));
            context.record_changed(
                property,
                words,
                "It is about receiving alone; the kernel sizes the other one.",
            );
        } else {
            context.record_kept(property, "nothing: it is so anyway");
        }
    }
    if let Some((size, property)) = context.number(&name, &["max_packet_size"]) {
        let size = ((size + 1023) / 1024 * 1024).clamp(8192, 65_536);
        let words = made.set("iobuffersize", size);
        let meaning = "Requests may be as large; the backend is not asked. Packets of any size are accepted from it.";
        context.record_changed(property, words, meaning);
    }
    if let Some(property) = context.find(&name, &["source"]) {
        context.record_dropped(
            property,
            "the address to connect from is one for a whole server in httpd",
            "ProxySourceAddress, if it is the same for all workers.",
        );
    }
    if let Some((on, property)) = context.switch(&name, &["prefer_ipv6"]) {
        if on {
            let advice = "Name the IPv6 address as the host if it must be that one.";
            context.record_dropped(
                property,
                "all addresses of a host are tried, in the system's order",
                advice,
            );
        } else {
            context.record_kept(property, "nothing: it is so anyway");
        }
    }
    if let Some(property) = context.find(&name, &["secretkey"]) {
        context.record_dropped(property, "it is ajp14's login", "secret= is what Tomcat has.");
    }
}
