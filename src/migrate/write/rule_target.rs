//! Where the requests of a rule go.

use std::collections::BTreeSet;

use super::server_writer::ServerWriter;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::message::Message;
use crate::migrate::translate::context::Context;
use crate::migrate::translate::plan::{ServerDefaults, Worker};

/// What a rule's requests get.
pub enum Target {
    Url(String),
    StatusPage { is_read_only: bool },
    Unavailable,
}

impl Target {
    /// Finds it, and says what is wrong with the worker.
    pub fn of(writer: &mut ServerWriter<'_, '_>, rule: &Rule) -> Self {
        match writer.plan.workers.get(&rule.worker) {
            Some(Worker::Ajp(worker)) => {
                let url = worker.url.clone();
                if rule.extensions.affect_balancer() {
                    writer.context.messages.push(
                        Message::warning(rule.at, "what this rule says of members and sessions means nothing for a worker that is no balancer")
                            .help("mod_jk passes it over, too; only fail_on_status counts there, and not here"),
                    );
                }
                Self::Url(url)
            }
            Some(Worker::Balancer(balancer)) => {
                if balancer.members.is_empty() {
                    writer.context.report.record_dropped(
                        rule.at,
                        "none of its balancer's members could be converted",
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
                        "A balancer of its own with the same members, which finds members in error and counts requests by itself.",
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
                    "See its type. The rule's paths get 503.",
                );
                Self::Unavailable
            }
            None => {
                let text = format!("no worker `{}` in worker.list", rule.worker);
                let help = "mod_jk answers such requests with 500; here they get 503";
                let like = suggestion(writer, &rule.worker);
                let help = like.map_or_else(|| help.into(), |like| format!("{like} {help}"));
                writer.context.messages.push(Message::warning(rule.worker_at, text).help(help));
                writer.context.report.record_dropped(
                    rule.at,
                    "its worker is not in worker.list",
                    "Name it there, and run jk2ajp again.",
                );
                Self::Unavailable
            }
        }
    }
}

/// The listed worker that was meant by a name that is not listed, and has no lines either.
fn suggestion(writer: &mut ServerWriter<'_, '_>, name: &str) -> Option<String> {
    if writer.context.definitions.has_worker(name) || !writer.context.makes_suggestions() {
        return None;
    }
    let listed: BTreeSet<&str> = writer.plan.workers.keys().map(String::as_str).collect();
    writer.context.did_you_mean(name, listed.into_iter())
}

/// `active=`, `disabled=` and `stopped=` of a rule name members.
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
        let text = format!("`{name}` is no member of `{}`", rule.worker);
        let like = context.did_you_mean(name, members.iter().copied());
        let help = like.unwrap_or_else(|| "mod_jk passes the name over, too".into());
        context.messages.push(Message::warning(rule.at, text).help(help));
    }
}
