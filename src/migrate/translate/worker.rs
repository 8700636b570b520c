//! A worker of type ajp13, as a worker of httpd's.

use super::ajp_worker::AjpWorker;
use super::connections::{
    acquire_timeout, packet_size, prefer_ipv6, socket_timeout, warn_of_reuse,
};
use super::context::Context;
use super::member::{MAX_WORD, member, report_member_properties};
use super::one_to_one;
use super::pings::pings;
use super::resending::{failed_status, recovery, retries};
use crate::migrate::read::property_table::{PROPERTIES, Step, Translation};
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
        lines: context.use_lines(name),
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
    warn_of_reuse(context, &made);
    let mut step_before = None;
    for row in PROPERTIES {
        match row.translation {
            Translation::Step(step) if step_before.replace(step) != Some(step) => {
                run(step, context, &mut made, role);
            }
            Translation::Step(_) => {}
            _ => one_to_one::translate(context, &mut made, row),
        }
    }
    made
}

/// Translates what needs code.
fn run(step: Step, context: &mut Context<'_>, made: &mut AjpWorker, role: &Role<'_>) {
    match step {
        Step::AcquireTimeout => acquire_timeout(context, made),
        Step::SocketTimeout => socket_timeout(context, made),
        Step::Pings => pings(context, made),
        Step::Retries => retries(context, made),
        Step::Recovery => recovery(context, made),
        Step::FailStatus => failed_status(context, made, matches!(role, Role::Member { .. })),
        Step::PacketSize => packet_size(context, made),
        Step::PreferIpv6 => prefer_ipv6(context, made),
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
