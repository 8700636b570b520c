//! Mount rules: `[-][!]pattern=worker[;extensions]`, from uriworkermap.properties and JkMount.

use super::pattern::{Pattern, PatternError};
use super::properties;
use super::rule_extensions::RuleExtensions;
use crate::migrate::text::message::Message;
use crate::migrate::text::property::Property;
use crate::migrate::text::report::Report;
use crate::migrate::text::source::SourceFile;
use crate::migrate::text::span::Span;

/// The origin of a rule. Of two rules that are equally specific, the one with the greater origin comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `worker.x.mount`.
    Worker,
    /// JkMount, JkUnMount.
    Directive,
    /// uriworkermap.properties.
    Map,
}

/// One rule, without `|`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The pattern of its paths.
    pub pattern: Pattern,
    /// The name of the worker; in an exclusion, `*` means all workers.
    pub worker: String,
    /// The place of the worker's name.
    pub worker_at: Span,
    /// Whether it is an exclusion (`!`): the worker does not get the paths.
    pub is_exclusion: bool,
    /// Whether it is disabled (`-`).
    pub is_disabled: bool,
    /// Its origin.
    pub origin: Origin,
    /// The settings of its requests.
    pub extensions: RuleExtensions,
    /// The extensions as they are written, with the first `;`.
    pub tail: String,
    /// The line.
    pub at: Span,
}

impl Rule {
    /// Returns whether it is in force and gives requests to its worker.
    #[must_use]
    pub fn is_mount(&self) -> bool {
        !self.is_exclusion && !self.is_disabled
    }

    /// Returns the rule as mod_jk prints it.
    #[must_use]
    pub fn text(&self) -> String {
        let minus = if self.is_disabled { "-" } else { "" };
        let not = if self.is_exclusion { "!" } else { "" };
        format!("{minus}{not}{}={}{}", self.pattern.as_str(), self.worker, self.tail)
    }
}

/// The part of a rule before the worker, by which mod_jk stores rules.
#[derive(Clone, Copy, Debug)]
pub struct RuleKey<'t> {
    /// The pattern with its `-` and `!`.
    pub pattern: &'t str,
    /// Whether the rule is an exclusion without `!`: JkUnMount.
    pub excludes: bool,
    /// The place.
    pub at: Span,
}

/// Parses a rule, which becomes two if it contains `|`. `worker` is a slice of the file's text.
pub fn parse(
    file: &SourceFile,
    left: RuleKey<'_>,
    worker: &str,
    origin: Origin,
    messages: &mut Vec<Message>,
) -> Vec<Rule> {
    let (name, extensions) = worker.split_once(';').unwrap_or((worker, ""));
    let name = name.trim();
    let tail = if extensions.is_empty() { String::new() } else { format!(";{extensions}") };
    let extensions = RuleExtensions::parse(file, extensions, messages);
    let rest = left.pattern;
    let (is_disabled, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    let (not, rest) = rest.strip_prefix('!').map_or((false, rest), |rest| (true, rest));
    let patterns = match rest.split_once('|') {
        Some((first, second)) => vec![first.to_owned(), format!("{first}{second}")],
        None => vec![rest.to_owned()],
    };
    let mut rules = Vec::new();
    for text in patterns {
        let pattern = match Pattern::parse(&text) {
            Ok(pattern) => pattern,
            Err(error) => {
                messages.push(refusal(error, &text, origin, left.at));
                continue;
            }
        };
        rules.push(Rule {
            pattern,
            worker: name.into(),
            worker_at: file.span(name),
            is_exclusion: not || left.excludes,
            is_disabled,
            origin,
            extensions: extensions.clone(),
            tail: tail.clone(),
            at: left.at.to(file.span(worker)),
        });
    }
    rules
}

fn refusal(error: PatternError, pattern: &str, origin: Origin, at: Span) -> Message {
    match (error, origin) {
        (PatternError::NoSlash, Origin::Directive) => {
            Message::error(at, format!("a mount must begin with `/`: `{pattern}`"))
                .help("with mod_jk, httpd does not start with this line either")
        }
        (PatternError::NoSlash, _) => {
            Message::warning(at, format!("a pattern must begin with `/`: `{pattern}`"))
                .help("mod_jk logs an error and ignores the rule, so it is not converted")
        }
        (PatternError::NeverMatches, _) => Message::warning(
            at,
            format!("no path matches `{pattern}`: mod_jk removes `;…` and `//` from paths before it compares them"),
        )
        .help("the rule is not converted"),
    }
}

/// Parses a uriworkermap.properties. Of two rules with the same pattern, the later one takes effect.
pub fn read_map(file: &SourceFile, report: &mut Report, messages: &mut Vec<Message>) -> Vec<Rule> {
    let mut lines: Vec<Property> = Vec::new();
    for line in properties::parse(file, messages) {
        report.add_line(line.at(), file.slice(line.at()));
        match lines.iter_mut().find(|known| known.name == line.name) {
            Some(known) => {
                let text = format!("`{}` is mapped twice; this line takes effect", line.name);
                messages.push(Message::warning(line.name_at, text));
                report.record_dropped(known.at(), "a later line has the same pattern", "");
                *known = line;
            }
            None => lines.push(line),
        }
    }
    let mut rules = Vec::new();
    for line in &lines {
        // A slice of the file, so that messages about the extensions have a place.
        let value = file.slice(line.value_at);
        let left = RuleKey { pattern: &line.name, excludes: false, at: line.name_at };
        let found = parse(file, left, value, Origin::Map, messages);
        if found.is_empty() {
            report.record_dropped(line.at(), "no path matches it", "mod_jk ignores it, too.");
        }
        rules.extend(found);
    }
    rules
}

/// Returns an upper bound for the number of rules in a uriworkermap.properties.
#[must_use]
pub fn rules_in(map: &str) -> usize {
    map.split('\n').filter(|line| line.split('#').next().unwrap_or("").contains('=')).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::text::source::Sources;

    fn read(text: &str) -> (Vec<Rule>, Vec<Message>) {
        let mut messages = Vec::new();
        let file = Sources::default().add("map", text.as_bytes());
        let rules = read_map(&file, &mut Report::default(), &mut messages);
        (rules, messages)
    }

    fn texts(rules: &[Rule]) -> Vec<String> {
        rules.iter().map(Rule::text).collect()
    }

    // row 89
    #[test]
    fn a_bar_makes_two_rules_and_further_bars_are_literal() {
        let (rules, _) = read("/app|/*=w\n-!/a|/b|/c=v\n");
        assert_eq!(texts(&rules), ["/app=w", "/app/*=w", "-!/a=v", "-!/a/b|/c=v"]);
        assert!(rules[2].is_disabled && rules[2].is_exclusion);
    }

    #[test]
    fn extensions_follow_the_worker() {
        let (rules, messages) = read("/app/* = lb ;reply_timeout=500;nonsense=1");
        assert_eq!(rules[0].worker, "lb");
        assert_eq!(rules[0].extensions.reply_timeout, Some(500));
        assert_eq!(messages.len(), 1);
    }

    // row 93
    #[test]
    fn an_invalid_line_is_reported_and_the_others_take_effect() {
        let (rules, messages) = read("/good=w\n*.jsp=w\nnonsense\n/a//b=w\n/also=w\n");
        assert_eq!(texts(&rules), ["/good=w", "/also=w"]);
        assert_eq!(messages.len(), 3);
    }

    #[test]
    fn of_two_lines_with_one_pattern_the_later_takes_effect() {
        let (rules, messages) = read("/a=v\n/b=v\n/a=w\n!/a=w");
        assert_eq!(texts(&rules), ["/a=w", "/b=v", "!/a=w"]);
        assert_eq!(messages.len(), 1);
    }
}
