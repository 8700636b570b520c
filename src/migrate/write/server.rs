//! What one server maps: its rules in mod_jk's order, and what is different for some of them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::conf_text::{ConfText, quoted, word};
use super::files;
use super::strip_session;
use crate::migrate::read::jk_directives::Server;
use crate::migrate::read::jk_options::{Choice, Options, UNSAFE};
use crate::migrate::read::pattern::Pattern;
use crate::migrate::read::rule_extensions::Extensions;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Fate;
use crate::migrate::text::source::{Sources, Span};
use crate::migrate::translate::context::Context;
use crate::migrate::translate::mounts::shares;
use crate::migrate::translate::plan::{Manner, Plan, Worker};

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

/// What must not be left for the container to resolve, wherever it stands in a path.
const DOTS: &str = r"/\.\.?;";

/// Writes all of it.
pub fn write(
    context: &mut Context<'_>,
    plan: &mut Plan,
    server: &Server,
    rules: &[Rule],
    inherited: &Inherited<'_>,
    sources: &Sources,
) -> ConfText {
    let empty = Options::default();
    let base = inherited.base.map_or(&empty, |base| &base.options);
    let mut options = server.options.over(base);
    if inherited.base.is_some_and(|main| shares(server, main)) {
        options = options.with(Choice::RejectUnsafe, base.has(Choice::RejectUnsafe));
    }
    let strip_session = strip_session::in_force(server, inherited.base);
    let text = ConfText::within(context.room);
    let mut part = Part { context, plan, sources, text, options, has_nowhere: false };
    part.words(server, base);
    if !rules.is_empty() || strip_session.is_some() {
        // Where no other virtual host is: what the main server is in mod_jk.
        let is_apart = inherited.base.is_none() && inherited.has_hosts;
        if is_apart && inherited.is_unreachable {
            let session = strip_session.iter().map(|(_, at)| *at);
            for at in rules.iter().map(|rule| rule.at).chain(session) {
                let why = "no request comes to the main server: a virtual host takes all of them";
                let fate = Fate::Dropped {
                    why: why.into(),
                    advice: "Put it into the virtual host that is to have it.".into(),
                };
                part.context.report.add_otherwise(at, fate);
            }
            return part.text;
        }
        part.text.gap();
        if is_apart {
            part.text.comment(0, "The main server's own rules. httpd would hand them down to every virtual host, so they have");
            part.text.comment(0, "one of their own, for requests that come to no other.");
            part.text.line(0, "<VirtualHost _default_:*>");
            if let Some(at) = inherited.rewrites {
                part.text.comment(
                    0,
                    "mod_rewrite hands a server's rules down only to who asks for them.",
                );
                part.text.line(0, "RewriteOptions Inherit");
                let text = "the main server's rewriting also holds where its mounts stand from now on: \
                            a virtual host for requests that come to no other";
                part.context
                    .messages
                    .push(Message::warning(at, text).help(
                        "read it over: rules in <Directory> and <Location> are as they were",
                    ));
            }
        }
        part.workers(rules);
        part.before_rules(!rules.is_empty());
        let mut sorted: Vec<&Rule> = rules.iter().collect();
        sorted.sort_by_key(|rule| (rule.pattern.specificity(), Reverse(rule.origin)));
        part.rules(&sorted);
        part.differences(&sorted);
        if let Some((parameter, at)) = strip_session {
            part.text.gap();
            part.text.comment(0, &format!("{}: JkStripSession", sources.line(at)));
            strip_session::write(&mut part.text, parameter, &sorted);
            part.context.report.kept(at, "a RewriteRule");
        }
        if is_apart {
            part.text.line(0, "</VirtualHost>");
        }
    }
    part.text
}

struct Part<'p, 'c> {
    context: &'p mut Context<'c>,
    plan: &'p mut Plan,
    sources: &'p Sources,
    text: ConfText,
    options: Options,
    /// The worker that takes nothing is there.
    has_nowhere: bool,
}

/// What a rule's requests get.
enum Target {
    Url(String),
    StatusPage { is_read_only: bool },
    Nothing,
}

impl Part<'_, '_> {
    /// The workers outside of balancers that this server's rules name.
    fn workers(&mut self, rules: &[Rule]) {
        let mut written: Vec<(String, Vec<(&'static str, String)>)> = Vec::new();
        for rule in rules.iter().filter(|rule| is_mount(rule)) {
            let Some(Worker::Ajp(worker)) = self.plan.workers.get(&rule.worker) else { continue };
            let mut worker = worker.clone();
            Manner::of(&self.options).add_to(&mut worker);
            match written.iter().find(|(url, _)| *url == worker.url) {
                Some((_, parameters)) => {
                    if *parameters != worker.parameters {
                        let text = format!(
                            "another worker is at {} too, with other properties",
                            worker.url
                        );
                        let message = Message::warning(rule.worker_at, text)
                            .help("httpd has one worker for one address: the properties of the first one count");
                        self.context.messages.push(message);
                    }
                }
                None => {
                    files::plain(&mut self.text, &worker, self.sources);
                    written.push((worker.url, worker.parameters));
                }
            }
        }
    }

    /// What is said once for the server.
    fn words(&mut self, server: &Server, base: &Options) {
        self.text.gap();
        for variable in &server.env_vars {
            let line = self.sources.line(variable.at);
            self.text.comment(0, &format!("{line}: JkEnvVar"));
            let default =
                variable.default.as_deref().map(|default| format!(" {}", quoted(default)));
            let default = default.unwrap_or_default();
            self.text.line(0, &format!("ProxyAjpEnvVar {}{default}", word(&variable.name)));
        }
        let (is, was) = (self.options.has(Choice::CertChain), base.has(Choice::CertChain));
        if is != was {
            self.text.line(0, if is { "ProxyAjpCertChain On" } else { "ProxyAjpCertChain Off" });
        }
        if let Some((level, at)) = server.log_level {
            self.text.comment(0, &format!("{}: JkLogLevel", self.sources.line(at)));
            self.text.line(0, &format!("LogLevel proxy_ajp:{level}"));
        }
    }

    /// What comes before all rules.
    fn before_rules(&mut self, has_rules: bool) {
        if !has_rules {
            return;
        }
        self.text.gap();
        self.text.comment(0, "mod_jk's no-jk: include this file behind the lines that set it");
        self.text.line(0, "SetEnvIf no-jk \".\" no-proxy");
        self.text.gap();
        self.text.comment(
            0,
            "not for the container to resolve: a path that would lead out of what is mapped",
        );
        self.exclude(DOTS);
        if self.options.has(Choice::RejectUnsafe) {
            self.text.comment(0, "JkOptions +RejectUnsafeURI");
            self.exclude(&format!("^{UNSAFE}"));
        }
    }

    fn exclude(&mut self, regex: &str) {
        self.text.line(0, &format!("ProxyPassMatch {} \"!\"", quoted(regex)));
    }

    fn rules(&mut self, sorted: &[&Rule]) {
        let mounts: Vec<&Rule> = sorted.iter().copied().filter(|r| is_mount(r)).collect();
        let exclusions: Vec<&Rule> =
            sorted.iter().copied().filter(|r| r.is_exclusion && !r.is_disabled).collect();
        let first = mounts.first().map(|mount| &mount.worker);
        let only = first.filter(|first| mounts.iter().all(|mount| mount.worker == **first));
        let is_for_all = |exclusion: &Rule| {
            exclusion.worker == "*" || mounts.is_empty() || only == Some(&exclusion.worker)
        };
        for rule in sorted.iter().filter(|rule| rule.is_disabled) {
            self.rule_comment(rule, "disabled");
            self.context.report.kept(rule.at, "a comment: it is disabled");
        }
        for exclusion in exclusions.iter().filter(|exclusion| is_for_all(exclusion)) {
            self.rule_comment(exclusion, "");
            let regex = exclusion.pattern.regex();
            self.exclude(&regex);
            self.context
                .report
                .kept(exclusion.at, format!("ProxyPassMatch {} \"!\"", quoted(&regex)));
        }
        for mount in &mounts {
            let own = exclusions.iter().filter(|exclusion| {
                exclusion.worker == mount.worker
                    && !is_for_all(exclusion)
                    && !exclusion.pattern.excludes(&mount.pattern)
            });
            for exclusion in own {
                if self.text.is_full() {
                    return;
                }
                let line = self.sources.line(exclusion.at);
                let note = format!("{line}: {}, of the next rule", exclusion.text());
                self.text.comment(0, &note);
                let regex = mount.pattern.regex_with(&exclusion.pattern);
                self.exclude(&regex);
                self.context.report.kept(
                    exclusion.at,
                    format!(
                        "ProxyPassMatch {} \"!\" before the rules of {}",
                        quoted(&regex),
                        exclusion.worker
                    ),
                );
            }
            let earlier = mounts.iter().take_while(|earlier| !std::ptr::eq(**earlier, *mount));
            let earlier = earlier.filter(|earlier| earlier.worker != mount.worker);
            let of_worker = exclusions
                .iter()
                .filter(|exclusion| exclusion.worker == "*" || exclusion.worker == mount.worker);
            self.mount(mount, earlier.chain(of_worker).map(|rule| &rule.pattern));
        }
        for exclusion in exclusions {
            self.context.report.add_if_none(
                exclusion.at,
                crate::migrate::text::report::Fate::Kept {
                    as_: "nothing: no rule of its worker has such paths".into(),
                },
            );
        }
    }

    /// `others`: what is not this rule's, though it matches.
    fn mount<'o>(&mut self, rule: &Rule, others: impl Iterator<Item = &'o Pattern>) {
        let regex = quoted(&rule.pattern.regex());
        match self.target(rule) {
            Target::Url(url) => {
                self.rule_comment(rule, "");
                let nocanon = if self.options.has(Choice::Unparsed) { " nocanon" } else { "" };
                let line = format!("ProxyPassMatch {regex} {}{nocanon}", quoted(&url));
                self.text.line(0, &line);
                self.context.report.kept(rule.at, line);
            }
            Target::StatusPage { is_read_only } => {
                self.rule_comment(rule, "");
                self.text.line(0, &format!("ProxyPassMatch {regex} \"!\""));
                // A section also holds where a rule that stands before this one was the first.
                let mut guards = vec![format!("(?s:.*?){DOTS}")];
                if self.options.has(Choice::RejectUnsafe) {
                    guards.push(UNSAFE.into());
                }
                let regex = quoted(&rule.pattern.regex_without(others, &guards));
                self.text.line(0, &format!("<LocationMatch {regex}>"));
                self.text.line(4, "<If \"-z reqenv('no-jk')\">");
                self.text.line(8, "SetHandler ajp-status");
                self.text.line(4, "</If>");
                self.text.comment(4, "beside what is required already");
                self.text.line(4, "AuthMerging And");
                if is_read_only {
                    self.text.line(4, "<RequireAll>");
                    self.text.line(8, "Require local");
                    self.text.line(8, "Require method GET");
                    self.text.line(4, "</RequireAll>");
                } else {
                    self.text.line(4, "Require local");
                }
                self.text.line(0, "</LocationMatch>");
                self.context.report.changed(
                    rule.at,
                    "ajp-status",
                    "It is another page, and only this machine may see it (Require local).",
                );
            }
            Target::Nothing => {
                // Not "!": httpd would give away the files that lie there, a JSP's source among them.
                self.rule_comment(rule, "its worker is not there: 503");
                let is_first = !std::mem::replace(&mut self.has_nowhere, true);
                let stopped = if is_first { " activation=stopped" } else { "" };
                self.text
                    .line(0, &format!("ProxyPassMatch {regex} \"ajp://127.0.0.1:1\"{stopped}"));
            }
        }
    }

    fn target(&mut self, rule: &Rule) -> Target {
        match self.plan.workers.get(&rule.worker) {
            Some(Worker::Ajp(worker)) => {
                let url = worker.url.clone();
                if rule.extensions.change_the_balancer() {
                    self.context.messages.push(
                        Message::warning(rule.at, "what this rule says of members and sessions means nothing for a worker that is no balancer")
                            .help("mod_jk passes it over, too; only fail_on_status counts there, and not here"),
                    );
                }
                Target::Url(url)
            }
            Some(Worker::Balancer(balancer)) => {
                if balancer.members.is_empty() {
                    self.context.report.dropped(
                        rule.at,
                        "none of its balancer's members could be converted",
                        "",
                    );
                    return Target::Nothing;
                }
                let members = balancer.members.iter().map(|member| member.name.as_str());
                say_who_is_no_member(self.context, rule, members);
                let manner = Manner::of(&self.options);
                let name = self.plan.balancer_for(
                    self.context,
                    &rule.worker,
                    &rule.extensions,
                    manner,
                    rule.at,
                );
                if rule.extensions.change_the_balancer() {
                    self.context.report.changed(
                        rule.at,
                        format!("balancer://{}", name.as_deref().unwrap_or("")),
                        "A balancer of its own with the same members, which finds members in error and counts requests by itself.",
                    );
                }
                name.map_or(Target::Nothing, |name| Target::Url(format!("balancer://{name}")))
            }
            Some(Worker::Status { is_read_only }) => {
                Target::StatusPage { is_read_only: *is_read_only }
            }
            Some(Worker::Unsupported) => {
                self.context.report.dropped(
                    rule.at,
                    format!("worker `{}` is not converted", rule.worker),
                    "See its type. The rule's paths get 503.",
                );
                Target::Nothing
            }
            None => {
                let text = format!("no worker `{}` in worker.list", rule.worker);
                let help = "mod_jk answers such requests with 500; here they get 503";
                let like = self.meant(&rule.worker);
                let help = like.map_or_else(|| help.into(), |like| format!("{like} {help}"));
                self.context.messages.push(Message::warning(rule.worker_at, text).help(help));
                self.context.report.dropped(
                    rule.at,
                    "its worker is not in worker.list",
                    "Name it there, and run jk2ajp again.",
                );
                Target::Nothing
            }
        }
    }

    /// The listed worker that was meant by a name that is not listed, and has no lines either.
    fn meant(&mut self, name: &str) -> Option<String> {
        if self.context.definitions.has_worker(name) || !self.context.looks_for_names() {
            return None;
        }
        let listed: BTreeSet<&str> = self.plan.workers.keys().map(String::as_str).collect();
        self.context.did_you_mean(name, listed.into_iter())
    }

    fn rule_comment(&mut self, rule: &Rule, note: &str) {
        let line = self.sources.line(rule.at);
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        self.text.comment(0, &format!("{line}: {}{note}", rule.text()));
    }

    /// Timeouts, stickiness and error pages of single rules: from the least specific to the most,
    /// since of several sections that match the last one counts.
    fn differences(&mut self, sorted: &[&Rule]) {
        let mounts: Vec<&Rule> = sorted.iter().rev().copied().filter(|r| is_mount(r)).collect();
        let mut text = ConfText::within(self.context.room.saturating_sub(self.text.len()));
        for (number, rule) in mounts.iter().enumerate().take_while(|_| !self.text.is_full()) {
            // A less specific rule's words hold for these requests, too, unless they are taken back.
            let before = |has: &dyn Fn(&Extensions) -> bool| {
                let mut before = mounts[..number].iter();
                before.any(|other| has(&other.extensions) && !other.pattern.excludes(&rule.pattern))
            };
            let own = &rule.extensions;
            let mut said = Vec::new();
            let mut taken_back = Vec::new();
            match own.reply_timeout {
                Some(wait) => said.push(format!("SetEnv ajp-reply-timeout {wait}")),
                None if before(&|other| other.reply_timeout.is_some()) => {
                    taken_back.push("UnsetEnv ajp-reply-timeout");
                }
                None => {}
            }
            if own.sticky_ignore {
                said.push("SetEnv ajp-sticky-ignore 1".into());
            } else if before(&|other| other.sticky_ignore) {
                taken_back.push("UnsetEnv ajp-sticky-ignore");
            }
            match own.use_server_errors {
                Some(least) => said.push(error_override(least)),
                None if before(&|other| other.use_server_errors.is_some()) => {
                    taken_back.push("ProxyErrorOverride Off");
                }
                None => {}
            }
            if said.is_empty() && taken_back.is_empty() {
                continue;
            }
            text.comment(0, &format!("{}: {}", self.sources.line(rule.at), rule.text()));
            text.line(0, &format!("<LocationMatch {}>", quoted(&rule.pattern.regex())));
            for line in taken_back {
                text.line(4, line);
            }
            for line in said {
                text.line(4, &line);
                self.context.report.kept(rule.at, line);
            }
            text.line(0, "</LocationMatch>");
        }
        if !text.is_empty() {
            self.text.gap();
            self.text.comment(0, "what is different for some rules, the most specific one last");
            self.text.append(text);
        }
    }
}

/// `active=`, `disabled=` and `stopped=` of a rule name members.
fn say_who_is_no_member<'m>(
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

pub fn is_mount(rule: &Rule) -> bool {
    !rule.is_exclusion && !rule.is_disabled
}

/// httpd's page for every status from this one on.
fn error_override(least: u16) -> String {
    const KNOWN: [u16; 39] = [
        400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417,
        421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507,
        508, 510, 511,
    ];
    if least <= 400 {
        return "ProxyErrorOverride On".into();
    }
    let codes = KNOWN.iter().filter(|code| **code >= least);
    let codes: Vec<String> = codes.map(u16::to_string).collect();
    if codes.is_empty() {
        return "ProxyErrorOverride Off".into();
    }
    format!("ProxyErrorOverride On {}", codes.join(" "))
}
