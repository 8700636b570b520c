//! The rules that apply in a server.

use super::context::list;
use crate::migrate::read::jk_conf::{MountCopy, Server};
use crate::migrate::read::pattern::{Pattern, PatternError};
use crate::migrate::read::rule_extensions::RuleExtensions;
use crate::migrate::read::rules::{Origin, Rule};
use crate::migrate::text::message::Message;
use crate::migrate::text::span::Span;

/// Returns whether a virtual host also has the main server's rules.
#[must_use]
pub fn copies_rules(host: &Server, main: &Server) -> bool {
    match host.copy {
        Some(copy) => copy != MountCopy::Off,
        None => main.copy == Some(MountCopy::All),
    }
}

/// Returns whether a virtual host uses the main server's map itself, since it has none of its own.
#[must_use]
pub fn shares_map(host: &Server, main: &Server) -> bool {
    copies_rules(host, main) && !host.has_map
}

/// Returns all rules that apply in a server, including those copied from the main server.
#[must_use]
pub fn rules_of(server: &Server, main: Option<&Server>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = server.mounts.clone();
    let mut map = server.map.clone();
    if let Some(main) = main.filter(|main| copies_rules(server, main)) {
        for rule in &main.mounts {
            let same =
                |own: &Rule| own.pattern == rule.pattern && own.is_exclusion == rule.is_exclusion;
            if !server.mounts.iter().any(same) {
                rules.push(rule.clone());
            }
        }
        map = map.or_else(|| main.map.clone());
    }
    rules.extend(map.unwrap_or_default());
    rules
}

/// Returns a rule for each pattern of `worker.x.mount`.
pub fn mounts_of_worker(
    worker: &str,
    patterns: &str,
    at: Span,
    messages: &mut Vec<Message>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    // Here, mod_jk treats `|` as a plain character.
    for text in list(patterns) {
        let (is_disabled, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (is_exclusion, rest) =
            rest.strip_prefix('!').map_or((false, rest), |rest| (true, rest));
        match Pattern::parse(rest) {
            Ok(pattern) => rules.push(Rule {
                pattern,
                worker: worker.into(),
                worker_at: at,
                is_exclusion,
                is_disabled,
                origin: Origin::Worker,
                extensions: RuleExtensions::default(),
                tail: String::new(),
                at,
            }),
            Err(PatternError::NoSlash) => messages.push(
                Message::error(at, format!("a mount must begin with `/`: `{text}`"))
                    .help("mod_jk does not start with this line either"),
            ),
            Err(PatternError::NeverMatches) => messages.push(
                Message::warning(at, format!("no path matches `{text}`"))
                    .help("it is not converted"),
            ),
        }
    }
    rules
}
