//! A server's rules in mod_jk's order.

use super::conf_text::quoted;
use super::rule_target::Target;
use super::server_writer::ServerWriter;
use crate::migrate::read::jk_options::{JkOption, UNSAFE};
use crate::migrate::read::pattern::Pattern;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::report::Disposition;

/// What must not be left for the container to resolve, wherever it stands in a path.
const DOTS: &str = r"/\.\.?;";

/// What comes before all rules.
pub fn write_preamble(writer: &mut ServerWriter<'_, '_>, has_rules: bool) {
    if !has_rules {
        return;
    }
    writer.text.gap();
    writer.text.comment(0, "mod_jk's no-jk: include this file behind the lines that set it");
    writer.text.line(0, "SetEnvIf no-jk \".\" no-proxy");
    writer.text.gap();
    writer.text.comment(
        0,
        "not for the container to resolve: a path that would lead out of what is mapped",
    );
    writer.exclude(DOTS);
    if writer.options.has(JkOption::RejectUnsafe) {
        writer.text.comment(0, "JkOptions +RejectUnsafeURI");
        writer.exclude(&format!("^{UNSAFE}"));
    }
}

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
        writer.context.report.record_kept(rule.at, "a comment: it is disabled");
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
            let note = format!("{line}: {}, of the next rule", exclusion.text());
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
            Disposition::Kept { as_: "nothing: no rule of its worker has such paths".into() },
        );
    }
}

/// `others`: what is not this rule's, though it matches.
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
            // A section also holds where a rule that stands before this one was the first.
            let mut guards = vec![format!("(?s:.*?){DOTS}")];
            if writer.options.has(JkOption::RejectUnsafe) {
                guards.push(UNSAFE.into());
            }
            let regex = quoted(&rule.pattern.regex_without(others, &guards));
            writer.text.line(0, &format!("<LocationMatch {regex}>"));
            writer.text.line(4, "<If \"-z reqenv('no-jk')\">");
            writer.text.line(8, "SetHandler ajp-status");
            writer.text.line(4, "</If>");
            writer.text.comment(4, "beside what is required already");
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
                "It is another page, and only this machine may see it (Require local).",
            );
        }
        Target::Unavailable => {
            // Not "!": httpd would give away the files that lie there, a JSP's source among them.
            writer.rule_comment(rule, "its worker is not there: 503");
            let is_first = !std::mem::replace(&mut writer.has_stopped_worker, true);
            let stopped = if is_first { " activation=stopped" } else { "" };
            writer.text.line(0, &format!("ProxyPassMatch {regex} \"ajp://127.0.0.1:1\"{stopped}"));
        }
    }
}
