//! Writes one server: its settings, its workers, and its rules.

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

/// The relation of a server to the main server.
#[derive(Clone, Copy, Debug)]
pub struct Inherited<'s> {
    /// The main server; `None`: this is the main server.
    pub base: Option<&'s Server>,
    /// Whether there are virtual hosts, which inherit the main server's rules in httpd.
    pub has_hosts: bool,
    /// Whether a virtual host gets all requests that match no other, so that the main server gets none.
    pub is_unreachable: bool,
    /// The first directive of mod_rewrite in the main server.
    pub rewrites: Option<Span>,
}

/// Writes a server.
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
    // The main server's rules apply to requests that match no virtual host, as in mod_jk.
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
        let why = "the main server gets no requests: a virtual host gets all of them".into();
        let advice = "Move it into the virtual host that needs it.".into();
        context.report.add_fallback(at, Disposition::Dropped { why, advice });
    }
}

/// Opens the virtual host for requests that match no other.
fn open_host(writer: &mut ServerWriter<'_, '_>, rewrites: Option<Span>) {
    let text = &mut writer.text;
    text.comment(0, "The main server's own rules. Every virtual host would inherit them, so they are in a virtual");
    text.comment(0, "host of their own, for requests that match no other.");
    text.line(0, "<VirtualHost _default_:*>");
    if let Some(at) = rewrites {
        text.comment(0, "mod_rewrite inherits a server's rules only on request.");
        text.line(0, "RewriteOptions Inherit");
        let text = "the main server's rewrite rules now also apply where its mounts are: \
                in a virtual host for requests that match no other";
        let help = "review them; rules in <Directory> and <Location> are unchanged";
        writer.context.messages.push(Message::warning(at, text).help(help));
    }
}

/// Writes the workers outside of balancers that the rules name.
fn write_workers(writer: &mut ServerWriter<'_, '_>, rules: &[Rule]) {
    let mut written: Vec<(String, Vec<(&'static str, String)>)> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.is_mount()) {
        let Some(Worker::Ajp(worker)) = writer.plan.workers.get(&rule.worker) else { continue };
        let mut worker = worker.clone();
        ServerDefaults::of(&writer.options).add_to(&mut worker);
        match written.iter().find(|(url, _)| *url == worker.url) {
            Some((_, parameters)) => {
                if *parameters != worker.parameters {
                    let text = format!(
                        "another worker has the same address {}, with different properties",
                        worker.url
                    );
                    let message = Message::warning(rule.worker_at, text)
                        .help("httpd has one worker for each address: the properties of the first one take effect");
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

/// Writes the settings of the server as a whole.
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
