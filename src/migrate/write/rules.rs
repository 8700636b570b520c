//! Writes the rules of a server in mod_jk's order.

use super::conf_text::quoted;
use super::rule_target::Target;
use super::server_writer::ServerWriter;
use crate::migrate::read::jk_options::{JkOption, UNSAFE};
use crate::migrate::read::pattern::Pattern;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::report::Disposition;

/// Paths that the container would resolve: `..` or `.` with parameters, anywhere in the path.
const DOTS: &str = r"/\.\.?;";

/// Writes what precedes all rules.
pub fn write_preamble(writer: &mut ServerWriter<'_, '_>, has_rules: bool) {
    if !has_rules {
        return;
    }
    writer.text.gap();
    writer.text.comment(0, "mod_jk's no-jk: include this file after the lines that set it");
    writer.text.line(0, "SetEnvIf no-jk \".\" no-proxy");
    writer.text.gap();
    writer.text.comment(
        0,
        "paths that the container would resolve to something outside of the mapped paths",
    );
    writer.exclude(DOTS);
    if writer.options.has(JkOption::RejectUnsafe) {
        writer.text.comment(0, "JkOptions +RejectUnsafeURI");
        writer.exclude(&format!("^{UNSAFE}"));
    }
}

/// Writes the rules, which are in mod_jk's order.
pub fn write_rules(writer: &mut ServerWriter<'_, '_>, sorted: &[&Rule]) {
    let mounts: Vec<&Rule> = sorted.iter().copied().filter(|r| r.is_mount()).collect();
    let exclusions: Vec<&Rule> =
        sorted.iter().copied().filter(|r| r.is_exclusion && !r.is_disabled).collect();
    let first = mounts.first().map(|mount| &mount.worker);
    let only = first.filter(|first| mounts.iter().all(|mount| mount.worker == **first));
    let is_for_all = |exclusion: &Rule| {
        exclusion.worker == "*" || mounts.is_empty() || only == Some(&exclusion.worker)
    };
    for rule in sorted.iter().filter(|rule| rule.is_disabled) {
        writer.rule_comment(rule, "disabled");
        writer.context.report.record_kept(rule.at, "a comment (the rule is disabled)");
    }
    for exclusion in exclusions.iter().filter(|exclusion| is_for_all(exclusion)) {
        writer.rule_comment(exclusion, "");
        let regex = exclusion.pattern.regex();
        writer.exclude(&regex);
        writer
            .context
            .report
            .record_kept(exclusion.at, format!("ProxyPassMatch {} \"!\"", quoted(&regex)));
    }
    for mount in &mounts {
        let own = exclusions.iter().filter(|exclusion| {
            exclusion.worker == mount.worker
                && !is_for_all(exclusion)
                && !exclusion.pattern.excludes(&mount.pattern)
        });
        for exclusion in own {
            if writer.text.is_full() {
                return;
            }
            let line = writer.sources.line(exclusion.at);
            let note = format!("{line}: {}, for the next rule", exclusion.text());
            writer.text.comment(0, &note);
            let regex = mount.pattern.regex_with(&exclusion.pattern);
            writer.exclude(&regex);
            writer.context.report.record_kept(
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
        write_mount(writer, mount, earlier.chain(of_worker).map(|rule| &rule.pattern));
    }
    for exclusion in exclusions {
        writer.context.report.add_if_none(
            exclusion.at,
            Disposition::Kept { as_: "nothing (no rule of its worker matches such paths)".into() },
        );
    }
}

/// Writes a mount. `others` are patterns whose paths it does not get even if they match.
fn write_mount<'o>(
    writer: &mut ServerWriter<'_, '_>,
    rule: &Rule,
    others: impl Iterator<Item = &'o Pattern>,
) {
    let regex = quoted(&rule.pattern.regex());
    match Target::of(writer, rule) {
        Target::Url(url) => {
            writer.rule_comment(rule, "");
            let nocanon = if writer.options.has(JkOption::Unparsed) { " nocanon" } else { "" };
            let line = format!("ProxyPassMatch {regex} {}{nocanon}", quoted(&url));
            writer.text.line(0, &line);
            writer.context.report.record_kept(rule.at, line);
        }
        Target::StatusPage { is_read_only } => {
            writer.rule_comment(rule, "");
            writer.text.line(0, &format!("ProxyPassMatch {regex} \"!\""));
            // The section must not apply to paths that an earlier rule matches.
            let mut guards = vec![format!("(?s:.*?){DOTS}")];
            if writer.options.has(JkOption::RejectUnsafe) {
                guards.push(UNSAFE.into());
            }
            let regex = quoted(&rule.pattern.regex_without(others, &guards));
            writer.text.line(0, &format!("<LocationMatch {regex}>"));
            writer.text.line(4, "<If \"-z reqenv('no-jk')\">");
            writer.text.line(8, "SetHandler ajp-status");
            writer.text.line(4, "</If>");
            writer.text.comment(4, "in addition to existing requirements");
            writer.text.line(4, "AuthMerging And");
            if is_read_only {
                writer.text.line(4, "<RequireAll>");
                writer.text.line(8, "Require local");
                writer.text.line(8, "Require method GET");
                writer.text.line(4, "</RequireAll>");
            } else {
                writer.text.line(4, "Require local");
            }
            writer.text.line(0, "</LocationMatch>");
            writer.context.report.record_changed(
                rule.at,
                "ajp-status",
                "It is a different page, and only this machine has access (Require local).",
            );
        }
        Target::Unavailable => {
            // Not "!": httpd would serve the files in its own directory, such as the source of a JSP.
            writer.rule_comment(rule, "its worker does not exist: 503");
            let is_first = !std::mem::replace(&mut writer.has_stopped_worker, true);
            let stopped = if is_first { " activation=stopped" } else { "" };
            writer.text.line(0, &format!("ProxyPassMatch {regex} \"ajp://127.0.0.1:1\"{stopped}"));
        }
    }
}
