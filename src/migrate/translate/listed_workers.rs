//! Translates the workers of `worker.list`.

use std::collections::HashSet;

use super::context::{Context, DEFAULT, list};
use super::lb_worker;
use super::members::LIST;
use super::plan::{Plan, PlannedBalancer, Worker};
use super::worker::{self, Role};
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Disposition;

/// Translates the workers of `worker.list`, and the members of its balancers.
pub fn workers(context: &mut Context<'_>) -> Plan {
    let listed = context.definitions.named("worker.list");
    let names: Vec<String> = match listed {
        Some(listed) => {
            context.record_kept(listed, "the workers that rules can name");
            list(&listed.value).map(str::to_owned).collect()
        }
        None => vec!["ajp13".into()],
    };
    let mut plan = Plan::default();
    let list: HashSet<&str> = names.iter().map(String::as_str).collect();
    for name in names.iter().cloned() {
        if plan.workers.contains_key(&name) {
            continue;
        }
        if let Some(listed) = listed {
            if !context.workers.take(1, listed.at, context.messages) {
                break;
            }
            // mod_jk's default worker needs no properties.
            if name != "ajp13" {
                context.report_undefined(&name, &list, listed.at, &|_| true);
            }
        }
        let worker = match kind(context, &name) {
            WorkerType::Ajp13 => Worker::Ajp(worker::translate(context, &name, &Role::Plain)),
            WorkerType::Lb => {
                let definitions = context.definitions;
                let is_ajp = |member: &str| {
                    let kind = definitions.named(&format!("worker.{member}.type"));
                    kind.is_none_or(|kind| kind.value.eq_ignore_ascii_case("ajp13"))
                };
                let made = lb_worker::translate(context, &name, &is_ajp);
                report_omitted_members(context, &name);
                Worker::Balancer(made)
            }
            WorkerType::Status => {
                let is_read_only = status(context, &name);
                Worker::Status { is_read_only }
            }
            WorkerType::Other => {
                unsupported(context, &name);
                Worker::Unsupported
            }
        };
        if let Worker::Balancer(balancer) = &worker {
            let name = plan.name_for(&name);
            plan.balancers.push(PlannedBalancer {
                name,
                balancer: balancer.clone(),
                reason: None,
                is_used: false,
            });
        }
        plan.workers.insert(name, worker);
    }
    plan
}

enum WorkerType {
    Ajp13,
    Lb,
    Status,
    Other,
}

fn kind(context: &Context<'_>, name: &str) -> WorkerType {
    let kind = context.find(name, &["type"]).map(|kind| kind.value.to_ascii_lowercase());
    match kind.as_deref() {
        None | Some("ajp13") => WorkerType::Ajp13,
        Some("lb") => WorkerType::Lb,
        Some("status") => WorkerType::Status,
        Some(_) => WorkerType::Other,
    }
}

fn report_omitted_members(context: &mut Context<'_>, name: &str) {
    let Some(members) = context.find(name, LIST) else {
        return;
    };
    for member in list(&members.value) {
        if matches!(kind(context, member), WorkerType::Other) {
            unsupported(context, member);
        }
    }
}

/// Reports a worker of type jni, ajp12, ajp14, or of an unknown type.
fn unsupported(context: &mut Context<'_>, name: &str) {
    let Some(kind) = context.find(name, &["type"]) else { return };
    let host = context.find(name, &["host"]).map_or("localhost", |host| host.value.as_str());
    let (why, advice) = match kind.value.to_ascii_lowercase().as_str() {
        "jni" => (
            "type jni runs Tomcat inside httpd, which no Tomcat supports any more".to_owned(),
            "Run Tomcat as a process of its own. A Unix socket is the fastest connection: set unixDomainSocketPath on its connector, and use ProxyPass /app \"unix:/run/tomcat/ajp.sock|ajp://localhost/app\".".to_owned(),
        ),
        "ajp12" => (
            "no Tomcat supports the protocol of type ajp12 any more".to_owned(),
            format!("It used a connection for each request: for the same with AJP/1.3, use ajp://{host}:8009 forceclose=On."),
        ),
        "ajp14" => (
            "type ajp14 logs in with secretkey, which no Tomcat supports".to_owned(),
            format!("Use ajp13 and Tomcat's secret: ajp://{host}:8009 secret=..."),
        ),
        other => (
            format!("mod_jk has no type `{other}`"),
            "Use ajp13, lb or status.".to_owned(),
        ),
    };
    let text = format!("worker `{name}` is not converted: {why}");
    context.messages.push(Message::warning(kind.at, text).help(&*advice));
    for line in context.lines_of(name) {
        context.report.record_dropped(line, &*why, &*advice);
    }
}

/// Reports the properties of a status worker. Returns whether it is read-only.
fn status(context: &mut Context<'_>, name: &str) -> bool {
    let read_only = context.switch(name, &["read_only"]);
    if let Some((on, property)) = read_only {
        let words = if on { "Require method GET" } else { DEFAULT };
        context.record_kept(property, words);
    }
    if let Some(kind) = context.find(name, &["type"]) {
        let meaning = "It is a different page; orders are POST requests with a nonce (for scripts, see docs/operations.md), and only this machine has access (Require local).";
        context.record_changed(kind, "SetHandler ajp-status", meaning);
    }
    for line in context.use_lines(name) {
        let disposition = Disposition::Dropped {
            why: "ajp-status has no such setting".into(),
            advice: "Control access and orders in its <Location>: Require user, Require ip.".into(),
        };
        context.report.add_fallback(line, disposition);
    }
    read_only.is_some_and(|(on, _)| on)
}
