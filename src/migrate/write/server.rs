//! What is written for one server: its settings, its workers, and its rules.

use std::cmp::Reverse;

use super::conf_text::{ConfText, quoted, word};
use super::rule_differences::write_differences;
use super::rules::{write_preamble, write_rules};
use super::server_writer::ServerWriter;
use super::strip_session;
use super::workers::write_worker;
use crate::migrate::read::jk_conf::Server;
use crate::migrate::read::jk_options::{JkOption, JkOptions};
use crate::migrate::read::rules::Rule;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Disposition;
use crate::migrate::text::source::Sources;
use crate::migrate::text::span::Span;
use crate::migrate::translate::context::Context;
use crate::migrate::translate::mounts::shares_map;
use crate::migrate::translate::plan::{Plan, ServerDefaults, Worker};

/// What the main server has to do with it.
#[derive(Clone, Copy, Debug)]
pub struct Inherited<'s> {
    /// `None`: it is the main server.
    pub base: Option<&'s Server>,
    /// There are virtual hosts, to which httpd hands the main server's rules down.
    pub has_hosts: bool,
    /// One of them takes every request that comes to no other: the main server gets none.
    pub is_unreachable: bool,
    /// mod_rewrite's first line in the main server.
    pub rewrites: Option<Span>,
}

/// Writes all of it.
pub fn write(
    context: &mut Context<'_>,
    plan: &mut Plan,
    server: &Server,
    rules: &[Rule],
    inherited: &Inherited<'_>,
    sources: &Sources,
) -> ConfText {
    let empty = JkOptions::default();
    let base = inherited.base.map_or(&empty, |base| &base.options);
    let mut options = server.options.over(base);
    if inherited.base.is_some_and(|main| shares_map(server, main)) {
        options = options.with(JkOption::RejectUnsafe, base.has(JkOption::RejectUnsafe));
    }
    let strip_session = strip_session::in_force(server, inherited.base);
    let text = ConfText::within(context.room);
    let mut writer =
        ServerWriter { context, plan, sources, text, options, has_stopped_worker: false };
    write_settings(&mut writer, server, base);
    if rules.is_empty() && strip_session.is_none() {
        return writer.text;
    }
    // Where no other virtual host is: what the main server is in mod_jk.
    let is_apart = inherited.base.is_none() && inherited.has_hosts;
    if is_apart && inherited.is_unreachable {
        let session = strip_session.iter().map(|(_, at)| *at);
        drop_unreachable(writer.context, rules.iter().map(|rule| rule.at).chain(session));
        return writer.text;
    }
    writer.text.gap();
    if is_apart {
        open_host(&mut writer, inherited.rewrites);
    }
    write_workers(&mut writer, rules);
    write_preamble(&mut writer, !rules.is_empty());
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| (rule.pattern.specificity(), Reverse(rule.origin)));
    write_rules(&mut writer, &sorted);
    write_differences(&mut writer, &sorted);
    if let Some((parameter, at)) = strip_session {
        writer.text.gap();
        writer.text.comment(0, &format!("{}: JkStripSession", sources.line(at)));
        strip_session::write(&mut writer.text, parameter, &sorted);
        writer.context.report.record_kept(at, "a RewriteRule");
    }
    if is_apart {
        writer.text.line(0, "</VirtualHost>");
    }
    writer.text
}

/// Reports lines of a main server that gets no request.
fn drop_unreachable(context: &mut Context<'_>, lines: impl Iterator<Item = Span>) {
    for at in lines {
        let why = "no request comes to the main server: a virtual host takes all of them".into();
        let advice = "Put it into the virtual host that is to have it.".into();
        context.report.add_fallback(at, Disposition::Dropped { why, advice });
    }
}

/// Opens the virtual host for requests that come to no other.
fn open_host(writer: &mut ServerWriter<'_, '_>, rewrites: Option<Span>) {
    let text = &mut writer.text;
    text.comment(0, "The main server's own rules. httpd would hand them down to every virtual host, so they have");
    text.comment(0, "one of their own, for requests that come to no other.");
    text.line(0, "<VirtualHost _default_:*>");
    if let Some(at) = rewrites {
        text.comment(0, "mod_rewrite hands a server's rules down only to who asks for them.");
        text.line(0, "RewriteOptions Inherit");
        let text = "the main server's rewriting also holds where its mounts stand from now on: \
                    a virtual host for requests that come to no other";
        let help = "read it over: rules in <Directory> and <Location> are as they were";
        writer.context.messages.push(Message::warning(at, text).help(help));
    }
}

/// The workers outside of balancers that this server's rules name.
fn write_workers(writer: &mut ServerWriter<'_, '_>, rules: &[Rule]) {
    let mut written: Vec<(String, Vec<(&'static str, String)>)> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.is_mount()) {
        let Some(Worker::Ajp(worker)) = writer.plan.workers.get(&rule.worker) else { continue };
        let mut worker = worker.clone();
        ServerDefaults::of(&writer.options).add_to(&mut worker);
        match written.iter().find(|(url, _)| *url == worker.url) {
            Some((_, parameters)) => {
                if *parameters != worker.parameters {
                    let text =
                        format!("another worker is at {} too, with other properties", worker.url);
                    let message = Message::warning(rule.worker_at, text)
                        .help("httpd has one worker for one address: the properties of the first one count");
                    writer.context.messages.push(message);
                }
            }
            None => {
                write_worker(&mut writer.text, &worker, writer.sources);
                written.push((worker.url, worker.parameters));
            }
        }
    }
}

/// What is said once for the server.
fn write_settings(writer: &mut ServerWriter<'_, '_>, server: &Server, base: &JkOptions) {
    writer.text.gap();
    for variable in &server.env_vars {
        let line = writer.sources.line(variable.at);
        writer.text.comment(0, &format!("{line}: JkEnvVar"));
        let default = variable.default.as_deref().map(|default| format!(" {}", quoted(default)));
        let default = default.unwrap_or_default();
        writer.text.line(0, &format!("ProxyAjpEnvVar {}{default}", word(&variable.name)));
    }
    let (is, was) = (writer.options.has(JkOption::CertChain), base.has(JkOption::CertChain));
    if is != was {
        writer.text.line(0, if is { "ProxyAjpCertChain On" } else { "ProxyAjpCertChain Off" });
    }
    if let Some((level, at)) = server.log_level {
        writer.text.comment(0, &format!("{}: JkLogLevel", writer.sources.line(at)));
        writer.text.line(0, &format!("LogLevel proxy_ajp:{level}"));
    }
}
