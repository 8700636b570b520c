//! Writes all files: balancers first, then what each server maps to them.

use std::collections::HashMap;

use super::conf_text::ConfText;
use super::copied_lines;
use super::server::{self, Inherited};
use super::workers::write_balancer;
use crate::migrate::read::copied_lines::CopiedLine;
use crate::migrate::read::jk_conf::{JkConf, Server};
use crate::migrate::read::rules::Rule;
use crate::migrate::text::count;
use crate::migrate::text::limits::MAX_BYTES_WRITTEN;
use crate::migrate::text::marks::WRITTEN;
use crate::migrate::text::report::Disposition;
use crate::migrate::text::source::Sources;
use crate::migrate::translate::context::{Context, list};
use crate::migrate::translate::mounts::{copies_rules, mounts_of_worker, rules_of, shares_map};
use crate::migrate::translate::plan::Plan;

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// The name, without a directory.
    pub name: String,
    /// The content.
    pub text: String,
    /// The `<VirtualHost>` that must include it, such as `conf/httpd.conf:12 (*:80 www.example.org)`.
    pub host: Option<String>,
}

/// The name of the main server's file.
pub const MAIN_FILE: &str = "jk2ajp.conf";

/// Writes all files, the main server's first.
pub fn files(
    context: &mut Context<'_>,
    plan: &mut Plan,
    conf: &JkConf,
    sources: &Sources,
) -> Vec<OutputFile> {
    let workers_mounts = workers_mounts(context, plan);
    let has_hosts = conf.servers.len() > 1;
    let main = conf.servers.first();
    // A virtual host on all addresses and ports gets every request that matches no other.
    let takes_all = |address: &str| matches!(address, "*" | "_default_" | "*:*" | "_default_:*");
    let mut hosts = conf.servers.iter().skip(1);
    let is_unreachable = hosts.any(|host| host.addresses.split_ascii_whitespace().any(takes_all));
    let mut parts = Vec::new();
    for (number, server) in conf.servers.iter().enumerate() {
        let is_main = number == 0;
        let base = main.filter(|_| !is_main);
        let has_main_rules = base.is_none_or(|main| copies_rules(server, main));
        if !is_main && !server.has_jk_lines && !has_main_rules {
            continue;
        }
        let copied = if has_main_rules { base } else { None };
        let of = |server: &Server| {
            server.mounts.len() + server.map.as_ref().map_or(0, Vec::len) + workers_mounts.len()
        };
        let some = server.at.or_else(|| server.some_rule());
        if let Some(at) = some {
            let many = of(server) + copied.map_or(0, of);
            if !context.rules.take(many, at, context.messages) {
                break;
            }
        }
        let mut rules = rules_of(server, base);
        // They belong to the main server's map, but not to copies of its rules.
        if base.is_none_or(|main| shares_map(server, main)) {
            rules.extend(workers_mounts.iter().cloned());
        }
        let inherited = Inherited { base, has_hosts, is_unreachable, rewrites: conf.rewrites };
        let part = server::write(context, plan, server, &rules, &inherited, sources);
        context.room = context.room.saturating_sub(part.len());
        if part.is_full() {
            if let Some(at) = some.or(rules.first().map(|rule| rule.at)) {
                context.messages.push(count::refusal(at, WRITTEN_BYTES, MAX_BYTES_WRITTEN));
            }
            return Vec::new();
        }
        parts.push((number, server, part.into_string()));
    }
    for strip in conf.servers.iter().filter_map(|server| server.strip_session.as_ref()) {
        let as_ = "nothing (mod_jk does it only in servers with mounts)".to_owned();
        context.report.add_fallback(strip.at, Disposition::Kept { as_ });
    }
    let mut copied: HashMap<usize, Vec<&CopiedLine>> = HashMap::new();
    for line in &conf.copied {
        copied.entry(line.server).or_default().push(line);
    }
    let mut files = Vec::new();
    for (number, server, part) in parts {
        let mut text = ConfText::default();
        let copied = copied.remove(&number).unwrap_or_default();
        if number == 0 {
            write_head(&mut text, conf, plan);
            copied_lines::write(&mut text, &copied, sources);
            for written in &plan.balancers {
                write_balancer(&mut text, written, sources);
            }
        } else {
            text.comment(0, &format!("{WRITTEN} for {}.", title(server, sources)));
            text.comment(0, "Include it in that virtual host in place of its Jk lines.");
            copied_lines::write(&mut text, &copied, sources);
        }
        text.gap();
        let name = if number == 0 { MAIN_FILE.to_owned() } else { file_name(number, server) };
        let text = text.into_string() + &part;
        let host = (number > 0).then(|| title(server, sources));
        files.push(OutputFile { name, text, host });
    }
    files
}

const WRITTEN_BYTES: &str = "bytes of output: each exclusion is written before each mount of its worker, \
     and copied rules in each virtual host";

/// Returns the rules of `worker.x.mount` of all listed workers.
fn workers_mounts(context: &mut Context<'_>, plan: &Plan) -> Vec<Rule> {
    let mut names: Vec<&String> = plan.workers.keys().collect();
    names.sort_unstable();
    let mut rules = Vec::new();
    for name in names {
        let Some(property) = context.find(name, &["mount"]) else { continue };
        context.record_kept(property, "ProxyPassMatch for each pattern");
        if !context.rules.take(list(&property.value).count(), property.at, context.messages) {
            break;
        }
        rules.extend(mounts_of_worker(name, &property.value, property.at, context.messages));
    }
    rules
}

fn write_head(text: &mut ConfText, conf: &JkConf, plan: &Plan) {
    text.comment(
        0,
        &format!(
            "{WRITTEN} from mod_jk's configuration. Include it at the very end, and remove the Jk"
        ),
    );
    text.comment(0, "lines and the LoadModule line of jk_module. `jk2ajp --report` shows what becomes of each line.");
    text.comment(0, "Rules are in mod_jk's order: more slashes first, then longer patterns. The first match takes effect.");
    let mut modules =
        vec!["proxy", "proxy_ajp (mod_proxy_ajp_rs.so)", "setenvif", "env", "headers"];
    if !plan.balancers.is_empty() {
        modules.extend(["slotmem_shm", "proxy_balancer", "lbmethod_byrequests"]);
    }
    let uses = |method: &str| {
        let mut settings = plan.balancers.iter().flat_map(|written| &written.balancer.settings);
        settings.any(|(name, value)| *name == "lbmethod" && value == method)
    };
    modules.extend(["bytraffic", "bybusyness"].into_iter().filter(|method| uses(method)).map(
        |method| if method == "bytraffic" { "lbmethod_bytraffic" } else { "lbmethod_bybusyness" },
    ));
    let strips = |server: &Server| {
        server.strip_session.as_ref().is_some_and(|strip| strip.parameter.is_some())
    };
    if conf.servers.iter().any(strips) {
        modules.push("rewrite");
    }
    text.comment(0, &format!("Required modules: {}.", modules.join(", ")));
}

fn title(server: &Server, sources: &Sources) -> String {
    let name = server.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    let place = server.at.map_or(String::new(), |at| sources.line(at));
    format!("{place} (<VirtualHost {}>{name})", server.addresses)
}

fn file_name(number: usize, server: &Server) -> String {
    let name = server.name.as_deref().unwrap_or("").split(':').next().unwrap_or("");
    let clean: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).take(60).collect();
    let name = clean.trim_matches('.');
    if name.is_empty() {
        format!("jk2ajp-host-{number}.conf")
    } else {
        format!("jk2ajp-host-{number}-{name}.conf")
    }
}
