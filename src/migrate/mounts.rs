//! Which rules hold in a server.

use super::directives::{MountCopy, Server};
use super::extensions::Extensions;
use super::message::Message;
use super::pattern::Pattern;
use super::rules::{Origin, Rule};
use super::source::Span;

/// All rules that hold in a server, those of the main one included where they are copied.
#[must_use]
pub fn rules_of(server: &Server, main: Option<&Server>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = server.mounts.clone();
    let mut map = server.map.clone();
    let copied = main.filter(|main| server.copy != MountCopy::Off || main.copy == MountCopy::All);
    if let Some(main) = copied {
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

/// A rule for each pattern of `worker.x.mount`.
pub fn mounts_of_worker(
    worker: &str,
    patterns: &str,
    at: Span,
    messages: &mut Vec<Message>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    for word in patterns.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        let parts = match word.split_once('|') {
            Some((first, second)) => vec![first.to_owned(), format!("{first}{second}")],
            None => vec![word.to_owned()],
        };
        for text in parts {
            match Pattern::parse(&text) {
                Ok(pattern) => rules.push(Rule {
                    pattern,
                    worker: worker.into(),
                    worker_at: at,
                    is_exclusion: false,
                    is_disabled: false,
                    origin: Origin::Worker,
                    extensions: Extensions::default(),
                    tail: String::new(),
                    at,
                }),
                Err(_) => messages.push(
                    Message::warning(at, format!("`{text}` matches no path"))
                        .help("it is left out"),
                ),
            }
        }
    }
    rules
}
