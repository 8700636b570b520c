//! Writes settings that differ for the requests of single rules.

use super::conf_text::{ConfText, quoted};
use super::server_writer::ServerWriter;
use crate::migrate::read::rule_extensions::RuleExtensions;
use crate::migrate::read::rules::Rule;

/// Writes timeouts, stickiness and error pages of single rules, from the least to the most specific
/// rule, since of several matching sections the last one takes effect.
pub fn write_differences(writer: &mut ServerWriter<'_, '_>, sorted: &[&Rule]) {
    let mounts: Vec<&Rule> = sorted.iter().rev().copied().filter(|r| r.is_mount()).collect();
    let mut text = ConfText::within(writer.context.room.saturating_sub(writer.text.len()));
    for (number, rule) in mounts.iter().enumerate().take_while(|_| !writer.text.is_full()) {
        // The settings of a less specific rule also apply to these requests, unless they are reset.
        let before = |has: &dyn Fn(&RuleExtensions) -> bool| {
            let mut before = mounts[..number].iter();
            before.any(|other| has(&other.extensions) && !other.pattern.excludes(&rule.pattern))
        };
        let own = &rule.extensions;
        let mut settings = Vec::new();
        let mut resets = Vec::new();
        match own.reply_timeout {
            Some(wait) => settings.push(format!("SetEnv ajp-reply-timeout {wait}")),
            None if before(&|other| other.reply_timeout.is_some()) => {
                resets.push("UnsetEnv ajp-reply-timeout");
            }
            None => {}
        }
        if own.sticky_ignore {
            settings.push("SetEnv ajp-sticky-ignore 1".into());
        } else if before(&|other| other.sticky_ignore) {
            resets.push("UnsetEnv ajp-sticky-ignore");
        }
        match own.use_server_errors {
            Some(least) => settings.push(error_override(least)),
            None if before(&|other| other.use_server_errors.is_some()) => {
                resets.push("ProxyErrorOverride Off");
            }
            None => {}
        }
        if settings.is_empty() && resets.is_empty() {
            continue;
        }
        text.comment(0, &format!("{}: {}", writer.sources.line(rule.at), rule.text()));
        text.line(0, &format!("<LocationMatch {}>", quoted(&rule.pattern.regex())));
        for line in resets {
            text.line(4, line);
        }
        for line in settings {
            text.line(4, &line);
            writer.context.report.record_kept(rule.at, line);
        }
        text.line(0, "</LocationMatch>");
    }
    if !text.is_empty() {
        writer.text.gap();
        writer.text.comment(0, "settings of single rules, the most specific rule last");
        writer.text.append(text);
    }
}

/// Returns the directive that sends httpd's own page for every status from `least` on.
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
