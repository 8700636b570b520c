//! Writes JkStripSession, which removes the session parameter from paths that no worker gets.

use super::conf_text::{ConfText, quoted};
use crate::migrate::read::jk_conf::Server;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::span::Span;
use crate::migrate::translate::mounts::copies_rules;

/// Returns the parameter that a server removes, and the line that says so: its own, or the main server's
/// (`base`; `None` for the main server itself). Without a map, mod_jk removes nothing.
#[must_use]
pub fn in_force<'s>(server: &'s Server, base: Option<&'s Server>) -> Option<(&'s str, Span)> {
    let has_map = base.is_none_or(|main| server.has_map || copies_rules(server, main));
    let inherited = base.and_then(|main| main.strip_session.as_ref());
    let strip = server.strip_session.as_ref().or(inherited).filter(|_| has_map)?;
    Some((strip.parameter.as_deref()?, strip.at))
}

/// Writes the RewriteRule. Its conditions are true if, for each mount that matches, an exclusion matches
/// too.
pub fn write(text: &mut ConfText, parameter: &str, sorted: &[&Rule]) {
    text.line(0, "RewriteEngine On");
    let exclusions: Vec<&Rule> =
        sorted.iter().copied().filter(|rule| rule.is_exclusion && !rule.is_disabled).collect();
    let mut with_exclusions: Vec<&Rule> = Vec::new();
    for mount in sorted.iter().copied().filter(|rule| rule.is_mount()) {
        if text.is_full() {
            return;
        }
        let own = exclusions.iter().filter(|exclusion| {
            (exclusion.worker == "*" || exclusion.worker == mount.worker)
                && !exclusion.pattern.excludes(&mount.pattern)
        });
        let own: Vec<String> = own.map(|exclusion| exclusion.pattern.regex()).collect();
        // Only the first mount that matches counts, even if an exclusion applies to it.
        let more_specific = with_exclusions.iter().filter(|other| {
            other.worker != mount.worker && !other.pattern.excludes(&mount.pattern)
        });
        let more_specific = more_specific.map(|other| other.pattern.regex());
        let mut conditions = vec![format!("!{}", mount.pattern.regex())];
        conditions.extend(more_specific);
        conditions.extend(own.iter().cloned());
        let last = conditions.len() - 1;
        for (number, condition) in conditions.iter().enumerate() {
            let or = if number < last { " [OR]" } else { "" };
            let line = format!("RewriteCond \"%{{REQUEST_URI}}\" {}{or}", quoted(condition));
            text.line(0, &line);
        }
        if !own.is_empty() {
            with_exclusions.push(mount);
        }
    }
    let mut regex = String::from("^(.*?);");
    for c in parameter.chars() {
        match c {
            '"' | '\\' => regex.push('.'),
            c if c.is_ascii_punctuation() => regex.extend(['\\', c]),
            c => regex.push(c),
        }
    }
    regex.push_str("[^/;]*+(.*)$");
    text.line(0, &format!("RewriteRule {} \"$1$2\" [PT]", quoted(&regex)));
}
