//! Collects the Jk directives of each server.

use std::collections::HashMap;

use super::directive::{Directive, JK_HANDLER};
use super::files::{Files, resolve_path};
use super::httpd_conf::HttpdConf;
use super::jk_conf::{EnvVar, JkConf, MountCopy, Server, StripSession};
use super::pattern::Pattern;
use super::properties;
use super::rules::{self, Origin, RuleKey};
use super::unsupported_directives::UNSUPPORTED;
use crate::migrate::text::characters::CONTROL_CHARACTER;
use crate::migrate::text::count;
use crate::migrate::text::count::Count;
use crate::migrate::text::limits::MAX_RULES;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Report;
use crate::migrate::text::source::Sources;
use crate::migrate::text::span::Span;

/// Collects the Jk directives of each server. Also reads the files of JkMountFile.
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
        // The arguments may contain a password.
        let name = line.text.split(' ').next().unwrap_or("");
        collector.report.add_line(line.at, format!("{name} ..."));
        collector.report.record_kept(line.at, "copied unchanged");
        if let Some(server) = collector.all.servers.get_mut(line.server) {
            server.has_jk_lines = true;
        }
    }
    collector.all
}

/// Directives that are allowed in the main server only.
const GLOBAL: [&str; 5] =
    ["jkworkersfile", "jkworkerproperty", "jkwatchdoginterval", "jkshmfile", "jkshmsize"];

const DOES_NOT_START: &str = "with mod_jk, httpd does not start with this line either";

fn not_in_a_host(at: Span, what: &str) -> Message {
    Message::error(at, format!("{what} is not allowed in <VirtualHost>")).help(DOES_NOT_START)
}

struct Collector<'g> {
    all: JkConf,
    root: Option<String>,
    files: &'g dyn Files,
    sources: &'g mut Sources,
    report: &'g mut Report,
    messages: &'g mut Vec<Message>,
    rules: Count,
    /// The index of each mount and exclusion in its server, by server and pattern.
    mounted: HashMap<(usize, Pattern, bool), usize>,
}

impl Collector<'_> {
    fn directive(&mut self, line: &Directive) {
        if line.is("SetHandler") {
            if line.words.first().is_some_and(|handler| handler == JK_HANDLER) {
                self.read(line);
                self.report.record_dropped(
                    line.at,
                    "the worker is chosen for each request by the variable JK_WORKER_NAME",
                    "If it is always the same worker, use SetHandler \"proxy:balancer://NAME\".",
                );
            }
            return;
        }
        if line.is("LogFormat") || line.is("CustomLog") {
            self.read(line);
            self.report.record_dropped(
                line.at,
                "mod_jk's notes do not exist",
                "Use %{ajp-worker}n, %{ajp-route}n, %{ajp-attempts}n, %{ajp-connection}n, %{ajp-wait-us}n and %D.",
            );
            return;
        }
        let Some(server) = self.all.servers.get_mut(line.server) else { return };
        server.has_jk_lines = true;
        self.read(line);
        let name = line.name.to_ascii_lowercase();
        let Some(first) = line.words.first() else {
            self.messages.push(Message::error(line.at, format!("{} has no value", line.name)));
            return;
        };
        if line.server > 0 && GLOBAL.contains(&&*name) {
            self.messages.push(not_in_a_host(line.at, &line.name));
            return;
        }
        if line.location.is_some() && !matches!(&*name, "jkmount" | "jkunmount") {
            let text = format!("{} is not allowed in <Location>", line.name);
            self.messages.push(Message::error(line.at, text).help(DOES_NOT_START));
            return;
        }
        match name.as_str() {
            "jkworkersfile" => {
                if self.all.workers_file.is_some() {
                    self.messages
                        .push(Message::error(line.at, "JkWorkersFile is allowed only once"));
                    return;
                }
                self.all.workers_file = Some((resolve_path(self.root.as_deref(), first), line.at));
                self.report.record_kept(line.at, "the workers of the file");
            }
            "jkworkerproperty" => {
                let text = line.file.slice(line.at).split_once(char::is_whitespace);
                let text = text.map_or("", |(_, text)| text.trim());
                let property = properties::parse_line(&line.file, text, self.messages);
                self.all.worker_properties.extend(property);
                self.report.record_kept(line.at, "like a line of workers.properties");
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
                            .push(Message::error(line.at, "JkMountCopy must be On, Off or All"));
                        return;
                    }
                };
                if copy == MountCopy::All && line.server > 0 {
                    self.messages.push(not_in_a_host(line.at, "JkMountCopy All"));
                    return;
                }
                // In mod_jk, All is a separate switch that no later line resets.
                let known = &mut self.server(line).copy;
                *known = known.filter(|known| *known == MountCopy::All).or(Some(copy));
                self.report.record_kept(line.at, "all rules of a virtual host, in its file");
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
                // httpd ignores case in names of variables. mod_jk sends the first spelling with the
                // last default.
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
                    "In each child, it runs every second, whether or not this is set.",
                );
            }
            _ => self.unsupported(line, &name),
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
                let text = format!("{} needs a path outside of <Location>", line.name);
                self.messages.push(Message::error(line.at, text));
                return;
            }
            ([_, _], Some(_)) => {
                let text = format!("{} takes no path inside <Location>", line.name);
                self.messages.push(Message::error(line.at, text));
                return;
            }
            _ => {
                let text = format!("{} needs a path and a worker", line.name);
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
                Message::warning(line.at, "mod_jk treats the regular expression of this section as a plain path")
                    .help(
                        "it is converted that way; use JkMount with a pattern outside of the section instead",
                    ),
            );
        }
        // A slice of the file, so that messages about its extensions have a place.
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
            // mod_jk stores rules by their pattern.
            let key = (line.server, rule.pattern.clone(), rule.is_exclusion);
            let known = self.mounted.get(&key).and_then(|at| mounts.get_mut(*at));
            if let Some(known) = known {
                let text =
                    format!("`{}` is mounted twice; this line takes effect", rule.pattern.as_str());
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
                    "the rules of the file",
                    "httpd does not notice changes to the file; jk2ajp --watch does.",
                );
            }
            Err(why) => {
                self.messages
                    .push(Message::error(line.at, format!("{path}: {why}")).help(DOES_NOT_START));
            }
        }
    }

    fn mount_file_reload(&mut self, line: &Directive, seconds: &str) {
        // With 0, a negative number or no number, mod_jk never checks the file again.
        let Some(seconds) = seconds.trim().parse().ok().filter(|seconds| *seconds > 0) else {
            self.report.record_kept(line.at, "nothing (this is the default without --watch)");
            return;
        };
        let shortest = self.all.map_reload.map_or(seconds, |known| known.min(seconds));
        self.all.map_reload = Some(shortest);
        self.report.record_changed(
            line.at,
            "jk2ajp --watch",
            "httpd itself does not check the file: run jk2ajp with --output DIRECTORY --watch beside it.",
        );
    }

    fn strip_session(&mut self, line: &Directive, flag: &str) {
        let parameter = match flag.to_ascii_lowercase().as_str() {
            "on" => {
                let parameter = line.words.get(1).map_or(";jsessionid", |word| word);
                Some(parameter.trim_start_matches(';').to_owned())
            }
            "off" => {
                self.report.record_kept(line.at, "nothing (no RewriteRule)");
                None
            }
            _ => {
                let text = "JkStripSession must be On or Off";
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
                self.messages.push(Message::warning(line.at, "mod_jk has no such log level"));
                return;
            }
        };
        self.server(line).log_level = Some((level, line.at));
        self.report.record_changed(
            line.at,
            format!("LogLevel proxy_ajp:{level}"),
            "It applies to httpd's ErrorLog; there is no separate log file.",
        );
    }

    /// Reports a directive that has no translation.
    fn unsupported(&mut self, line: &Directive, name: &str) {
        let found = UNSUPPORTED.iter().find(|(known, ..)| *known == name);
        let Some((_, default, why, advice)) = found else {
            self.messages.push(
                Message::error(line.at, format!("mod_jk has no directive {}", line.name))
                    .help("httpd does not start with this line"),
            );
            return;
        };
        let is_default = line.words.first().is_some_and(|word| word.eq_ignore_ascii_case(default));
        if is_default && !default.is_empty() {
            self.report.record_kept(line.at, "nothing (this is the default)");
        } else {
            self.report.record_dropped(line.at, *why, *advice);
        }
    }
}
