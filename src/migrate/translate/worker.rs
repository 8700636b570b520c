//! Translates a worker of type ajp13 to a worker of httpd's.

use super::ajp_worker::AjpWorker;
use super::connections::{
    acquire_timeout, packet_size, prefer_ipv6, socket_timeout, warn_of_reuse,
};
use super::context::Context;
use super::member::{MAX_WORD, member, report_member_properties};
use super::one_to_one;
use super::pings::pings;
use super::resending::{recovery, retries, set_fail_status};
use crate::migrate::read::property_table::{PROPERTIES, Step, Translation};
use crate::migrate::text::message::Message;
use crate::migrate::text::span::Span;

/// The use of a worker.
#[derive(Clone, Debug)]
pub enum Role<'r> {
    /// Rules name it.
    Plain,
    /// It is a member of a balancer, whose properties apply to all members.
    Member {
        /// The secret for members that have none.
        secret: Option<&'r str>,
        /// The parameters of every member, such as `retry=`.
        parameters: &'r [(&'static str, String)],
        /// The place of the list of members.
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
        context.record_kept(reference, "the properties of the template");
    }
    let is_provisional = set_url(context, &mut made);
    if let Role::Member { parameters, named_at, .. } = role {
        made.parameters.extend(parameters.iter().cloned());
        member(context, &mut made, is_provisional, *named_at);
    } else {
        report_member_properties(context, name);
        if is_provisional {
            made.set("activation", "stopped");
        }
    }
    set_secret(context, &mut made, role);
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

/// Translates properties that need code.
fn run(step: Step, context: &mut Context<'_>, made: &mut AjpWorker, role: &Role<'_>) {
    match step {
        Step::AcquireTimeout => acquire_timeout(context, made),
        Step::SocketTimeout => socket_timeout(context, made),
        Step::Pings => pings(context, made),
        Step::Retries => retries(context, made),
        Step::Recovery => recovery(context, made),
        Step::FailStatus => set_fail_status(context, made, matches!(role, Role::Member { .. })),
        Step::PacketSize => packet_size(context, made),
        Step::PreferIpv6 => prefer_ipv6(context, made),
    }
}

/// Sets the URL. Returns whether the port is 0: the address of such a member is set later.
fn set_url(context: &mut Context<'_>, made: &mut AjpWorker) -> bool {
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
            "mod_jk has no Unix sockets; with this module, use \"unix:/path|ajp://localhost\" instead of ajp://host:port"
        } else {
            "the port is a separate property: worker.x.port"
        };
        let message = Message::error(host.at, format!("`{text}` is not a host name")).help(help);
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
                "In mod_jk, the status worker can set host and port later; in httpd, balancer-manager can add a member (growth=).",
            ),
            1..=65535 => context.record_kept(port, &made.url),
            _ => context.messages.push(Message::error(port.at, "a port must be a number from 1 to 65535")),
        }
    }
    number == 0
}

/// Sets the secret: its own, or the balancer's.
fn set_secret(context: &mut Context<'_>, made: &mut AjpWorker, role: &Role<'_>) {
    let inherited = match role {
        Role::Member { secret, .. } => *secret,
        Role::Plain => None,
    };
    let own = context.find(&made.name, &["secret"]);
    if let Some(property) = own {
        context.record_kept(property, "secret=");
        if property.value.len() > MAX_WORD {
            let text = "mod_proxy limits a secret to 63 characters";
            context.messages.push(Message::error(property.at, text));
        }
    }
    if let Some(secret) = own.map(|property| property.value.as_str()).or(inherited) {
        made.set("secret", secret);
    }
}
