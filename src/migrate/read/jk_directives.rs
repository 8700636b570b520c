//! The Jk* directives, gathered by the server they are for.

use std::collections::HashMap;

use super::directive::Directive;
use super::directive::JK_HANDLER;
use super::files::Files;
use super::files::resolve_path;
use super::httpd_conf::HttpdConf;
use super::jk_conf::{EnvVar, JkConf, MountCopy, Server, StripSession};
use super::pattern::Pattern;
use super::properties;
use super::rules::{self, Origin, RuleKey};
use super::unsupported_directives::OTHERS;
use crate::migrate::text::characters::CONTROL_CHARACTER;
use crate::migrate::text::count;
use crate::migrate::text::count::Count;
use crate::migrate::text::limits::MAX_RULES;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Report;
use crate::migrate::text::source::Sources;
use crate::migrate::text::span::Span;

/// Reads them. JkMountFile's files are read, too.
pub fn collect(
    conf: &HttpdConf,
    files: &dyn Files,
    sources: &mut Sources,
    report: &mut Report,
    messages: &mut Vec<Message>,
) -> JkConf {
    let servers = conf.servers.iter().map(|section| Server {
        addresses: section.addresses.clone(),
        name: section.name.clone(),
        at: section.at,
        ..Server::default()
    });
    let all = JkConf {
        servers: servers.collect(),
        rewrites: conf.rewrites,
        copied: conf.copied.clone(),
        ..JkConf::default()
    };
    let root = conf.server_root.clone();
    let (rules, mounted) = (Count::new("rules", MAX_RULES), HashMap::new());
    let mut collector = Collector { all, root, files, sources, report, messages, rules, mounted };
    for directive in &conf.directives {
        collector.directive(directive);
    }
    for line in &conf.copied {
        // Its arguments may be a password.
        let name = line.text.split(' ').next().unwrap_or("");
        collector.report.add_line(line.at, format!("{name} ..."));
        collector.report.record_kept(line.at, "copied as it is");
        if let Some(server) = collector.all.servers.get_mut(line.server) {
            server.is_concerned = true;
        }
    }
    collector.all
}

/// Directives that may stand in the main server alone.
const GLOBAL: [&str; 5] =
    ["jkworkersfile", "jkworkerproperty", "jkwatchdoginterval", "jkshmfile", "jkshmsize"];

const DOES_NOT_START: &str = "httpd does not start with this line in mod_jk either";

fn not_in_a_host(at: Span, what: &str) -> Message {
    Message::error(at, format!("{what} may not stand in <VirtualHost>")).help(DOES_NOT_START)
}

struct Collector<'g> {
    all: JkConf,
    root: Option<String>,
    files: &'g dyn Files,
    sources: &'g mut Sources,
    report: &'g mut Report,
    messages: &'g mut Vec<Message>,
    rules: Count,
    /// Where a server has the mount or exclusion of a pattern.
    mounted: HashMap<(usize, Pattern, bool), usize>,
}

impl Collector<'_> {
    fn directive(&mut self, line: &Directive) {
        if line.is("SetHandler") {
            if line.words.first().is_some_and(|handler| handler == JK_HANDLER) {
                self.read(line);
                self.report.record_dropped(
                    line.at,
                    "the worker is named in the environment (JK_WORKER_NAME), request by request",
                    "write SetHandler \"proxy:balancer://NAME\" where it is always the same worker",
                );
            }
            return;
        }
        if line.is("LogFormat") || line.is("CustomLog") {
            self.read(line);
            self.report.record_dropped(
                line.at,
                "nothing is noted under mod_jk's names",
                "%{ajp-worker}n, %{ajp-route}n, %{ajp-attempts}n, %{ajp-connection}n, %{ajp-wait-us}n and %D say it.",
            );
            return;
        }
        let Some(server) = self.all.servers.get_mut(line.server) else { return };
        server.is_concerned = true;
        self.read(line);
        let name = line.name.to_ascii_lowercase();
        let Some(first) = line.words.first() else {
            self.messages.push(Message::error(line.at, format!("{} without a value", line.name)));
            return;
        };
        if line.server > 0 && GLOBAL.contains(&&*name) {
            self.messages.push(not_in_a_host(line.at, &line.name));
            return;
        }
        if line.location.is_some() && !matches!(&*name, "jkmount" | "jkunmount") {
            let text = format!("{} may not stand in <Location>", line.name);
            self.messages.push(Message::error(line.at, text).help(DOES_NOT_START));
            return;
        }
        match name.as_str() {
            "jkworkersfile" => {
                if self.all.workers_file.is_some() {
                    self.messages.push(Message::error(line.at, "JkWorkersFile may stand once"));
                    return;
                }
                self.all.workers_file = Some((resolve_path(self.root.as_deref(), first), line.at));
                self.report.record_kept(line.at, "its workers are in this configuration");
            }
            "jkworkerproperty" => {
                let text = line.file.slice(line.at).split_once(char::is_whitespace);
                let text = text.map_or("", |(_, text)| text.trim());
                let property = properties::parse_line(&line.file, text, self.messages);
                self.all.worker_properties.extend(property);
                self.report.record_kept(line.at, "as a line of workers.properties");
            }
            "jkmount" | "jkunmount" => self.mount(line, name == "jkunmount"),
            "jkmountfile" => self.mount_file(line, first),
            "jkmountfilereload" => self.mount_file_reload(line, first),
            "jkmountcopy" => {
                let copy = match first.to_ascii_lowercase().as_str() {
                    "on" => MountCopy::On,
                    "all" => MountCopy::All,
                    "off" => MountCopy::Off,
                    _ => {
                        self.messages
                            .push(Message::error(line.at, "JkMountCopy is On, Off or All"));
                        return;
                    }
                };
                if copy == MountCopy::All && line.server > 0 {
                    self.messages.push(not_in_a_host(line.at, "JkMountCopy All"));
                    return;
                }
                // In mod_jk, All is a switch of its own, which no other word takes back.
                let known = &mut self.server(line).copy;
                *known = known.filter(|known| *known == MountCopy::All).or(Some(copy));
                self.report
                    .record_kept(line.at, "each virtual host's file has all rules that hold in it");
            }
            "jkoptions" => {
                let server = &mut self.all.servers[line.server];
                server.options.add(line, self.report, self.messages);
            }
            "jkenvvar" => {
                let default = line.words.get(1).cloned();
                let words = match &default {
                    Some(default) => format!("ProxyAjpEnvVar {first} {default}"),
                    None => format!("ProxyAjpEnvVar {first}"),
                };
                let variable = EnvVar { name: first.clone(), default, at: line.at };
                let variables = &mut self.server(line).env_vars;
                // httpd's names of variables are the same in capitals and not; mod_jk sends the
                // first one's letters with the last one's default.
                let same = |known: &&mut EnvVar| known.name.eq_ignore_ascii_case(&variable.name);
                match variables.iter_mut().find(same) {
                    Some(known) => *known = EnvVar { name: known.name.clone(), ..variable },
                    None => variables.push(variable),
                }
                self.report.record_kept(line.at, words);
            }
            "jkstripsession" => self.strip_session(line, first),
            "jkloglevel" => self.log_level(line, first),
            "jkwatchdoginterval" => {
                if first.trim() != "0" {
                    self.all.watchdog = Some(line.at);
                }
                self.report.record_changed(
                    line.at,
                    "the housekeeper (ProxyAjpMaintain)",
                    "It goes round every second in each child, whether or not this is set.",
                );
            }
            _ => self.other(line, &name),
        }
    }

    fn server(&mut self, line: &Directive) -> &mut Server {
        &mut self.all.servers[line.server]
    }

    fn read(&mut self, line: &Directive) {
        self.report.add_line(line.at, format!("{} {}", line.name, line.arguments));
    }

    fn mount(&mut self, line: &Directive, excludes: bool) {
        let (pattern, worker) = match (&line.words[..], &line.location) {
            ([worker], Some(location)) => (location.path.clone(), worker),
            ([pattern, worker], None) => (pattern.clone(), worker),
            ([_], None) => {
                let text = format!("{} needs a path where no <Location> has one", line.name);
                self.messages.push(Message::error(line.at, text));
                return;
            }
            ([_, _], Some(_)) => {
                let text = format!("{} takes no path where <Location> has one", line.name);
                self.messages.push(Message::error(line.at, text));
                return;
            }
            _ => {
                let text = format!("{} takes a path and a worker", line.name);
                self.messages.push(Message::error(line.at, text));
                return;
            }
        };
        if pattern.contains(char::is_control) {
            self.messages.push(Message::error(line.at, CONTROL_CHARACTER));
            return;
        }
        if line.location.as_ref().is_some_and(|location| location.is_expression) {
            self.messages.push(
                Message::warning(line.at, "mod_jk takes the expression of this section for a path")
                    .help(
                        "so it is converted; write JkMount with a pattern, outside of the section",
                    ),
            );
        }
        // As a slice of the file, so that what is said of its extensions has its place.
        let whole = line.file.slice(line.at);
        let worker = whole.rfind(&**worker).map_or(&**worker, |at| &whole[at..at + worker.len()]);
        let left = RuleKey { pattern: &pattern, excludes, at: line.at };
        let found = rules::parse(&line.file, left, worker, Origin::Directive, self.messages);
        self.server(line).has_map = true;
        if !self.rules.take(found.len(), line.at, self.messages) {
            return;
        }
        let mounts = &mut self.all.servers[line.server].mounts;
        for rule in found {
            // mod_jk keeps them by their pattern.
            let key = (line.server, rule.pattern.clone(), rule.is_exclusion);
            let known = self.mounted.get(&key).and_then(|at| mounts.get_mut(*at));
            if let Some(known) = known {
                let text =
                    format!("`{}` was mounted before; this line counts", rule.pattern.as_str());
                self.messages.push(Message::warning(line.at, text));
                self.report.record_dropped(known.at, "a later line has the same pattern", "");
                *known = rule;
            } else {
                self.mounted.insert(key, mounts.len());
                mounts.push(rule);
            }
        }
    }

    fn mount_file(&mut self, line: &Directive, path: &str) {
        if self.sources.exceed_limit() {
            return;
        }
        let path = resolve_path(self.root.as_deref(), path);
        match self.files.read(&path) {
            Ok(bytes) => {
                let file = self.sources.add(&path, &bytes);
                if self.sources.exceed_limit() {
                    self.messages.push(count::too_much_read(line.at));
                    return;
                }
                if !self.rules.take(rules::rules_in(file.text()), line.at, self.messages) {
                    return;
                }
                let rules = rules::read_map(&file, self.report, self.messages);
                let server = self.server(line);
                (server.map, server.has_map) = (Some(rules), true);
                self.report.record_changed(
                    line.at,
                    "its rules are in this configuration",
                    "httpd does not read it again when it changes; jk2ajp --watch does.",
                );
            }
            Err(why) => {
                self.messages
                    .push(Message::error(line.at, format!("{path}: {why}")).help(DOES_NOT_START));
            }
        }
    }

    fn mount_file_reload(&mut self, line: &Directive, seconds: &str) {
        // mod_jk never looks again where it is 0, or less, or no number.
        let Some(seconds) = seconds.trim().parse().ok().filter(|seconds| *seconds > 0) else {
            self.report.record_kept(line.at, "nothing: without --watch it is so anyway");
            return;
        };
        let shortest = self.all.map_reload.map_or(seconds, |known| known.min(seconds));
        self.all.map_reload = Some(shortest);
        self.report.record_changed(
            line.at,
            "jk2ajp --watch",
            "httpd itself does not look: let jk2ajp run beside it, with --output DIRECTORY --watch.",
        );
    }

    fn strip_session(&mut self, line: &Directive, flag: &str) {
        let parameter = match flag.to_ascii_lowercase().as_str() {
            "on" => {
                let parameter = line.words.get(1).map_or(";jsessionid", |word| word);
                Some(parameter.trim_start_matches(';').to_owned())
            }
            "off" => {
                self.report.record_kept(line.at, "no RewriteRule");
                None
            }
            _ => {
                let text = "JkStripSession is On or Off";
                self.messages.push(Message::error(line.at, text));
                return;
            }
        };
        self.server(line).strip_session = Some(StripSession { parameter, at: line.at });
    }

    fn log_level(&mut self, line: &Directive, level: &str) {
        let level = match level.to_ascii_lowercase().as_str() {
            "trace" => "trace1",
            "debug" => "debug",
            "info" => "info",
            "warn" => "warn",
            "error" => "error",
            "emerg" => "emerg",
            _ => {
                self.messages.push(Message::warning(line.at, "mod_jk knows no such level"));
                return;
            }
        };
        self.server(line).log_level = Some((level, line.at));
        self.report.record_changed(
            line.at,
            format!("LogLevel proxy_ajp:{level}"),
            "It is about httpd's ErrorLog; there is no log file of its own.",
        );
    }

    /// What is read for the report alone.
    fn other(&mut self, line: &Directive, name: &str) {
        let found = OTHERS.iter().find(|(known, ..)| *known == name);
        let Some((_, usual, why, advice)) = found else {
            self.messages.push(
                Message::error(line.at, format!("mod_jk knows no directive {}", line.name))
                    .help("httpd does not start with this line"),
            );
            return;
        };
        let is_usual = line.words.first().is_some_and(|word| word.eq_ignore_ascii_case(usual));
        if is_usual && !usual.is_empty() {
            self.report.record_kept(line.at, "nothing: it is so anyway");
        } else {
            self.report.record_dropped(line.at, *why, *advice);
        }
    }
}
