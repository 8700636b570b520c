//! Translates the members of a balancer, and what depends on all of them.

use std::collections::{BTreeSet, HashSet};

use super::ajp_worker::AjpWorker;
use super::context::{Context, list};
use super::worker::{self, Role};
use crate::migrate::text::message::Message;
use crate::migrate::text::span::Span;

/// The property with the names of the members, and its old name.
pub const LIST: &[&str] = &["balance_workers", "balanced_workers"];

/// Translates the members of a balancer.
pub fn members(
    context: &mut Context<'_>,
    name: &str,
    role: &Role<'_>,
    is_ajp: &dyn Fn(&str) -> bool,
) -> Vec<AjpWorker> {
    let Some(property) = context.find(name, LIST) else {
        let at = context.find(name, &["type"]).map(|kind| kind.at);
        if let Some(at) = at.or(context.lines_of(name).first().copied()) {
            let text = format!("the balancer `{name}` has no members");
            context.messages.push(
                Message::error(at, text)
                    .help(format!("list them in worker.{name}.balance_workers")),
            );
        }
        return Vec::new();
    };
    context.record_kept(property, "BalancerMember");
    let mut members: Vec<AjpWorker> = Vec::new();
    let names: HashSet<&str> = list(&property.value).collect();
    for member in list(&property.value) {
        if !context.workers.take(1, property.at, context.messages) {
            break;
        }
        let may_be = |known: &str| known != name && is_ajp(known);
        context.report_undefined(member, &names, property.at, &may_be);
        if members.iter().any(|known| known.name == member) {
            let text = format!("`{member}` is listed twice");
            context.messages.push(Message::error(property.at, text));
            continue;
        }
        if !is_ajp(member) {
            let text = format!("`{member}` cannot be converted, and is omitted from `{name}`");
            context.messages.push(Message::warning(property.at, text));
            continue;
        }
        let made = worker::translate(context, member, role);
        if let Some(other) = members.iter().find(|known| known.route == made.route) {
            let text = format!("`{}` and `{member}` have the same route", other.name);
            context.messages.push(Message::error(property.at, text));
        }
        if let Some(other) = members.iter().find(|known| known.url == made.url) {
            let text =
                format!("`{}` and `{member}` have the same address {}", other.name, made.url);
            context.messages.push(
                Message::warning(property.at, text)
                    .help("httpd has one member for each address: the second one is omitted"),
            );
            continue;
        }
        members.push(made);
    }
    check_redirects(context, &members);
    set_load_factors(context, &mut members, property.at);
    set_distances(&mut members);
    members
}

/// Checks that each `redirect` is the route or the domain of a member.
fn check_redirects(context: &mut Context<'_>, members: &[AjpWorker]) {
    let routes = members.iter().map(|member| member.route.as_str());
    let domains = members.iter().filter_map(|member| member.parameter("domain"));
    let known: BTreeSet<&str> = routes.chain(domains).collect();
    for member in members {
        let Some(property) = context.find(&member.name, &["redirect"]) else { continue };
        if member.parameter("redirect").is_some_and(|route| !known.contains(route)) {
            let text = format!("no member has the route or domain `{}`", property.value);
            let message = Message::warning(property.at, text);
            let like = context.did_you_mean(&property.value, known.iter().copied());
            let help = like.unwrap_or_else(|| "mod_jk ignores the redirect, too".into());
            context.messages.push(message.help(help));
        }
    }
}

/// Sets `loadfactor`, scaled to 1 to 100 with two decimals.
fn set_load_factors(context: &mut Context<'_>, members: &mut [AjpWorker], at: Span) {
    let most = members.iter().map(|member| member.factor).max().unwrap_or(1);
    for member in members.iter_mut().filter(|_| most > 1) {
        let share = if most <= 100 {
            member.factor.to_string()
        } else {
            // A number below 2^53 is exact.
            let share = member.factor as f64 * 100.0 / most as f64;
            if share < 1.0 {
                let text = format!("`{}` gets a hundredth of the largest load factor", member.name);
                context.messages.push(
                    Message::warning(at, text).help("httpd's loadfactor is limited to 1 to 100"),
                );
            }
            format!("{:.2}", share.max(1.0))
        };
        if share != "1" {
            member.parameters.insert(0, ("loadfactor", share));
        }
    }
}

/// Sets `distance`, reduced to 0 to 99; only the order matters.
fn set_distances(members: &mut [AjpWorker]) {
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
