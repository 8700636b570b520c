//! Runs a conversion.

use std::collections::{HashMap, HashSet};

use super::read::definitions::Definitions;
use super::read::files::Files;
use super::read::jk_conf::{JkConf, Server};
use super::read::jk_directives::collect;
use super::read::macros::Environment;
use super::read::{httpd_conf, properties, rules};
use super::text::count::Count;
use super::text::limits::{MAX_PROPERTY_LINES, MAX_RULES};
use super::text::message::{Message, Severity};
use super::text::property::Property;
use super::text::report::{Disposition, Report};
use super::text::source::{SourceFile, Sources};
use super::text::span::Span;
use super::translate::context::Context;
use super::translate::listed_workers;
use super::write::files::{self, OutputFile};
use crate::migrate::text::count;

/// The input of a conversion.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// httpd's configuration, with the files that its Jk directives name.
    pub httpd_conf: Option<String>,
    /// workers.properties, instead of the file that JkWorkersFile names.
    pub workers: Option<String>,
    /// uriworkermap.properties of the main server, instead of the file that JkMountFile names.
    pub map: Option<String>,
    /// ServerRoot, if httpd's configuration does not set it.
    pub server_root: Option<String>,
    /// Variables, as set by `-D`, for `${…}` and `<IfDefine>`.
    pub variables: HashMap<String, String>,
    /// Whether workers.properties is read as mod_jk 1.2.6 did.
    pub is_old: bool,
}

/// The result of a conversion.
#[derive(Debug)]
pub struct Conversion {
    /// All files that were read.
    pub sources: Sources,
    /// All messages, in the order in which they were found.
    pub messages: Vec<Message>,
    /// What becomes of each line.
    pub report: Report,
    /// The files to write; none if a message is an error.
    pub files: Vec<OutputFile>,
    /// The interval in seconds at which mod_jk would check uriworkermap.properties: the shortest
    /// JkMountFileReload above 0 (0 means never).
    pub map_reload: Option<u64>,
    /// The number of properties, including those copied from templates.
    pub properties: usize,
}

impl Conversion {
    /// Returns whether an error prevents any output.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.messages.iter().any(|message| message.severity == Severity::Error)
    }
}

/// Converts the input. Whatever the files contain, the result is files, or a message with a place.
///
/// # Errors
/// A file that `input` names cannot be read: which, and why.
pub fn convert(
    input: &Input,
    files: &dyn Files,
    environment: &Environment<'_>,
) -> Result<Conversion, String> {
    let (mut sources, mut messages) = (Sources::default(), Vec::new());
    let mut report = Report::default();
    let mut conf = JkConf { servers: vec![Server::default()], ..JkConf::default() };
    let mut server_root = input.server_root.clone();
    if let Some(path) = &input.httpd_conf {
        let read = httpd_conf::read(
            path,
            server_root.as_deref(),
            input.variables.clone(),
            environment,
            files,
            &mut sources,
            &mut messages,
        )?;
        server_root = read.server_root.clone();
        conf = collect(&read, files, &mut sources, &mut report, &mut messages);
    }
    let mut lines = std::mem::take(&mut conf.worker_properties);
    let named = conf.workers_file.clone();
    let workers = input.workers.clone().or(named.as_ref().map(|(path, _)| path.clone()));
    if let Some(path) = workers.filter(|_| !sources.exceed_limit()) {
        match (files.read(&path), named) {
            (Ok(bytes), _) => {
                let file = sources.add(&path, &bytes);
                if sources.exceed_limit() {
                    messages.push(count::too_much_read(file.span(first_line(&file))));
                } else {
                    lines.extend(properties::parse(&file, &mut messages));
                }
            }
            (Err(why), Some((_, at))) if input.workers.is_none() => {
                messages.push(Message::error(at, format!("{path}: {why}")));
            }
            (Err(why), _) => return Err(format!("{path}: {why}")),
        }
    }
    if let Some(path) = input.map.as_ref().filter(|_| !sources.exceed_limit()) {
        let bytes = files.read(path).map_err(|why| format!("{path}: {why}"))?;
        let file = sources.add(path, &bytes);
        let at = file.span(first_line(&file));
        let mut count = Count::new("rules", MAX_RULES);
        if sources.exceed_limit() {
            messages.push(count::too_much_read(at));
        } else if count.take(rules::rules_in(file.text()), at, &mut messages) {
            let found = rules::read_map(&file, &mut report, &mut messages);
            conf.servers[0].map = Some(found);
            conf.servers[0].has_jk_lines = true;
        }
    }
    let mut count = Count::new("lines of properties", MAX_PROPERTY_LINES);
    if let Some(line) = lines.get(MAX_PROPERTY_LINES) {
        let _ = count.take(lines.len(), line.at(), &mut messages);
        lines.truncate(MAX_PROPERTY_LINES);
    }
    sources.secrets.learn(&lines);
    for line in &lines {
        report.add_line(line.at(), format!("{}={}", line.name, line.value));
    }
    let macros: Vec<Property> =
        lines.iter().filter(|line| !line.name.starts_with("worker.")).cloned().collect();
    let environment = |name: &str| match (name, &server_root) {
        ("ServerRoot", Some(root)) => Some(root.clone()),
        _ => environment(name),
    };
    let definitions = Definitions::read(lines, &environment, &mut messages);
    let mut context = Context::new(&definitions, &mut report, &mut messages, input.is_old);
    let mut plan = listed_workers::workers(&mut context);
    let files = files::files(&mut context, &mut plan, &conf, &sources);
    let in_use = std::mem::take(&mut context.lines_in_use);
    finish(&mut report, &definitions, &macros, &in_use, input.is_old);
    // A template is evaluated for each worker that uses it.
    let mut said: HashSet<Message> = HashSet::new();
    messages.retain(|message| said.insert(message.clone()));
    let (map_reload, properties) = (conf.map_reload, definitions.properties.so_far());
    let mut conversion = Conversion { sources, messages, report, files, map_reload, properties };
    if conversion.has_failed() {
        conversion.files.clear();
    }
    Ok(conversion)
}

fn first_line(file: &SourceFile) -> &str {
    file.text().split('\n').next().unwrap_or("")
}

/// Reports the lines without a disposition.
fn finish(
    report: &mut Report,
    definitions: &Definitions,
    macros: &[Property],
    in_use: &HashSet<Span>,
    is_old: bool,
) {
    for line in &definitions.replaced {
        report.record_dropped(*line, "a later line overrides it", "");
    }
    for line in macros {
        report.add_if_none(
            line.at(),
            Disposition::Kept { as_: "its value, wherever $(…) names it".into() },
        );
    }
    for name in ["worker.maintain"] {
        for line in definitions.named(name).iter().flat_map(|found| &found.lines) {
            report.record_changed(
                *line,
                "ProxyAjpMaintain",
                "The housekeeper runs every second, and the counts are halved every minute.",
            );
        }
    }
    report.finish();
    let unreported: Vec<_> = report.unreported().collect();
    for at in unreported {
        let why = if in_use.contains(&at) {
            "jk2ajp has no translation of it for a worker of this type"
        } else {
            "no worker that is listed, or a member of one, uses it"
        };
        report.record_dropped(at, why, "");
    }
    if is_old {
        report.defaults.push(
            "cachesize unset: mod_jk 1.2.6 kept no connections; here they are reused, as many as a child has threads (for the old behavior: forceclose=On on a worker).".into(),
        );
    }
    report.defaults.extend(DEFAULTS.iter().map(|text| (*text).to_owned()));
}

/// Defaults of mod_jk's that are different here.
const DEFAULTS: &[&str] = &[
    "recovery_options unset: mod_jk sends any request again, even a POST that the backend may have executed; here, a request is sent again only if that is safe (for the old behavior, up to the first byte of the response: recovery=0).",
    "retries unset: mod_jk tries a worker twice, 100 ms apart, even after a timeout; here, a backend that refuses connections is not retried (to retry it: retries=1 retryinterval=100), and nothing is retried after a timeout.",
    "lb_retries unset: mod_jk tries two members, pauses, and tries two more; here, each usable member is tried once, and a request that may have been executed is sent again once over all members (retries= of the members sets how often).",
    "socket_timeout unset: mod_jk waits for a response forever; here, for a day (timeout=86400). Prefer a reply_timeout.",
    "connection_pool_minsize unset: mod_jk keeps half of its pool when connection_pool_timeout closes idle connections; here, all idle connections are closed (to keep some: min=).",
    "A path with parameters after . or .. (/app/..;x/) is not mapped here.",
    "The page of the status worker is ajp-status, and only this machine has access.",
];

#[cfg(test)]
mod tests {
    use super::*;

    struct Conf(&'static str);

    impl Files for Conf {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            Ok(if path == "m" { self.0 } else { "" }.into())
        }
        fn find(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn the_shortest_jkmountfilereload_above_zero_takes_effect() {
        let input = Input { httpd_conf: Some("m".into()), ..Input::default() };
        for (conf, wanted) in [
            ("", None),
            ("JkMountFileReload 0\n<VirtualHost *:80>\nJkMountFileReload -3\n</VirtualHost>", None),
            (
                "JkMountFileReload 30\n<VirtualHost *:80>\nJkMountFileReload 5\n</VirtualHost>",
                Some(5),
            ),
            (
                "JkMountFileReload 30\n<VirtualHost *:80>\nJkMountFileReload 0\n</VirtualHost>",
                Some(30),
            ),
        ] {
            let done = convert(&input, &Conf(conf), &|_| None).unwrap();
            assert!(done.messages.is_empty());
            assert_eq!(done.map_reload, wanted, "{conf}");
        }
    }
}
