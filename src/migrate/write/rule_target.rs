//! The target of a rule.

use std::collections::BTreeSet;

use super::server_writer::ServerWriter;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::message::Message;
use crate::migrate::translate::context::Context;
use crate::migrate::translate::plan::{ServerDefaults, Worker};

/// The target of a rule's requests.
pub enum Target {
    /// A worker or a balancer.
    Url(String),
    /// ajp-status.
    StatusPage { is_read_only: bool },
    /// None: the requests get 503.
    Unavailable,
}

impl Target {
    /// Finds the target, and reports problems with the worker.
    pub fn of(writer: &mut ServerWriter<'_, '_>, rule: &Rule) -> Self {
        match writer.plan.workers.get(&rule.worker) {
            Some(Worker::Ajp(worker)) => {
                let url = worker.url.clone();
                if rule.extensions.affect_balancer() {
                    writer.context.messages.push(
                        Message::warning(rule.at, "the extensions of this rule for members and sessions have no effect: its worker is not a balancer")
                            .help("mod_jk ignores them, too, except fail_on_status, which has no effect here"),
                    );
                }
                Self::Url(url)
            }
            Some(Worker::Balancer(balancer)) => {
                if balancer.members.is_empty() {
                    writer.context.report.record_dropped(
                        rule.at,
                        "none of its balancer's members can be converted",
                        "",
                    );
                    return Self::Unavailable;
                }
                let members = balancer.members.iter().map(|member| member.name.as_str());
                report_unknown_members(writer.context, rule, members);
                let defaults = ServerDefaults::of(&writer.options);
                let name = writer.plan.balancer_for(
                    writer.context,
                    &rule.worker,
                    &rule.extensions,
                    defaults,
                    rule.at,
                );
                if rule.extensions.affect_balancer() {
                    writer.context.report.record_changed(
                        rule.at,
                        format!("balancer://{}", name.as_deref().unwrap_or("")),
                        "A separate balancer with the same members, which detects members in error and counts requests by itself.",
                    );
                }
                name.map_or(Self::Unavailable, |name| Self::Url(format!("balancer://{name}")))
            }
            Some(Worker::Status { is_read_only }) => {
                Self::StatusPage { is_read_only: *is_read_only }
            }
            Some(Worker::Unsupported) => {
                writer.context.report.record_dropped(
                    rule.at,
                    format!("worker `{}` is not converted", rule.worker),
                    "See its type. The paths of the rule get 503.",
                );
                Self::Unavailable
            }
            None => {
                let text = format!("no worker `{}` in worker.list", rule.worker);
                let help = "mod_jk answers such requests with 500, httpd with 503";
                let like = suggestion(writer, &rule.worker);
                let help = like.map_or_else(|| help.into(), |like| format!("{like} {help}"));
                writer.context.messages.push(Message::warning(rule.worker_at, text).help(help));
                writer.context.report.record_dropped(
                    rule.at,
                    "its worker is not in worker.list",
                    "Add it there, and run jk2ajp again.",
                );
                Self::Unavailable
            }
        }
    }
}

/// Returns a suggestion for a name that is neither in worker.list nor has properties.
fn suggestion(writer: &mut ServerWriter<'_, '_>, name: &str) -> Option<String> {
    if writer.context.definitions.has_worker(name) || !writer.context.makes_suggestions() {
        return None;
    }
    let listed: BTreeSet<&str> = writer.plan.workers.keys().map(String::as_str).collect();
    writer.context.did_you_mean(name, listed.into_iter())
}

/// Reports names in `active=`, `disabled=` and `stopped=` of a rule that are no members.
fn report_unknown_members<'m>(
    context: &mut Context<'_>,
    rule: &Rule,
    members: impl Iterator<Item = &'m str>,
) {
    let own = &rule.extensions;
    let mut names = own.active.iter().chain(&own.disabled).chain(&own.stopped).peekable();
    if names.peek().is_none() {
        return;
    }
    let members: BTreeSet<&str> = members.collect();
    for name in names.filter(|name| !members.contains(name.as_str())) {
        let text = format!("`{name}` is not a member of `{}`", rule.worker);
        let like = context.did_you_mean(name, members.iter().copied());
        let help = like.unwrap_or_else(|| "mod_jk ignores the name, too".into());
        context.messages.push(Message::warning(rule.at, text).help(help));
    }
}
