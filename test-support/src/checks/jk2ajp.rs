//! mod_jk's configuration, and what `jk2ajp` makes of it.

use std::collections::HashMap;

use mod_proxy_ajp_rs::config::Words;
use mod_proxy_ajp_rs::migrate::{Files, Input, Severity, convert};

/// The three files of a mod_jk configuration, in memory.
#[derive(Debug)]
pub struct Memory {
    /// `httpd.conf`.
    pub httpd: String,
    /// `workers.properties`.
    pub workers: String,
    /// `uriworkermap.properties`.
    pub map: String,
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path.trim_start_matches("/r/") {
            "httpd.conf" => Ok(self.httpd.clone().into_bytes()),
            "workers.properties" => Ok(self.workers.clone().into_bytes()),
            "map" => Ok(self.map.clone().into_bytes()),
            _ => Err("no such file".into()),
        }
    }
    fn find(&self, pattern: &str) -> Vec<String> {
        self.read(pattern).map(|_| vec![pattern.to_owned()]).unwrap_or_default()
    }
}

/// Reads `text` as the three files, with a NUL between them. Text that is no UTF-8 is nothing to check.
pub fn check_files(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut parts = text.splitn(3, '\0').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let memory = Memory { httpd: part(), workers: part(), map: part() };
    for is_old in [false, true] {
        check_conversion(&memory, is_old);
    }
}

/// Converts the files, as mod_jk reads them or (`is_old`) as mod_jk 1.2.6 did, and checks that every message names a
/// place, that there are files unless there is an error, and that each line of them is one that `jk2ajp` writes, with
/// its quotes closed, or copied.
pub fn check_conversion(memory: &Memory, is_old: bool) {
    let input = Input {
        httpd_conf: Some("httpd.conf".into()),
        workers: Some("workers.properties".into()),
        map: Some("map".into()),
        server_root: Some("/r".into()),
        variables: HashMap::from([("V".into(), "\\\"v".into())]),
        is_old,
    };
    let environment = |name: &str| (name == "HOME").then(|| "/home".to_owned());
    let done = convert(&input, memory, &environment).expect("the named files can be read");
    for message in &done.messages {
        let place = done.sources.place(message.at);
        assert!(place.line > 0 && place.column > 0);
        let shown = message.render(&done.sources);
        let located = format!("{}:{}", place.file, place.line);
        assert!(shown.contains(&located), "{}", shown);
    }
    assert!(done.report.render(&done.sources).contains(" dropped"));
    let errors = done.messages.iter().filter(|m| m.severity == Severity::Error).count();
    assert_eq!(errors > 0, done.files.is_empty());
    let joined = |text: &str| text.replace("\\\r\n", "").replace("\\\n", "").replace('\t', " ");
    let copied_from = format!("{}\n{}", joined(&memory.httpd), joined(&memory.map));
    for file in &done.files {
        for line in file.text.lines() {
            check_line(line, &copied_from);
        }
    }
}

/// A comment that does not continue, or a directive that `jk2ajp` writes, with its quotes closed; or a
/// copied line of httpd's configuration.
fn check_line(line: &str, copied_from: &str) {
    let text = line.trim_start();
    assert!(!text.contains(char::is_control), "{line:?}");
    assert!(!text.ends_with('\\'), "{line:?}");
    if text.is_empty() || text.starts_with('#') {
        return;
    }
    let (name, arguments) = text.split_once(' ').unwrap_or((text, ""));
    let is_copied = copied_from.lines().any(|known| known.trim() == text);
    // The end of a section that was copied, even if the input breaks off before it.
    let section = text.strip_prefix("</").and_then(|text| text.strip_suffix('>'));
    let is_end = section.is_some_and(|name| copied_from.contains(&format!("<{name}")));
    assert!(KNOWN.contains(&name) || is_copied || is_end, "{line:?}");
    if is_copied {
        return;
    }
    for word in Words::of(arguments.trim_end_matches('>')) {
        if word.raw.starts_with('"') {
            assert!(word.raw.len() > 1 && word.raw.ends_with('"'), "{line:?}: {word:?}");
        }
    }
}

const KNOWN: &[&str] = &[
    "<Proxy",
    "</Proxy>",
    "<LocationMatch",
    "</LocationMatch>",
    "<If",
    "</If>",
    "<VirtualHost",
    "</VirtualHost>",
    "BalancerMember",
    "ProxySet",
    "Header",
    "ProxyPassMatch",
    "ProxyAjpEnvVar",
    "ProxyAjpCertChain",
    "ProxyErrorOverride",
    "LogLevel",
    "SetEnvIf",
    "SetEnv",
    "UnsetEnv",
    "SetHandler",
    "Require",
    "AuthMerging",
    "<RequireAll>",
    "</RequireAll>",
    "RewriteOptions",
    "RewriteEngine",
    "RewriteCond",
    "RewriteRule",
];
