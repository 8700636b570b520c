//! Which workers there are, and the balancers that their rules need.

use std::collections::{HashMap, HashSet};

use super::ajp_worker::{self, AjpWorker, Role};
use super::balancer::{self, Balancer};
use super::context::{Context, list};
use crate::migrate::read::jk_options::{Choice, Options};
use crate::migrate::read::rule_extensions::Extensions;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Fate;
use crate::migrate::text::source::Span;

/// A worker that rules may name.
#[derive(Clone, Debug)]
pub enum Worker {
    /// Type ajp13.
    Ajp(AjpWorker),
    /// Type lb.
    Balancer(Balancer),
    /// Type status.
    Status {
        /// It may change nothing.
        is_read_only: bool,
    },
    /// A type that nothing can be made of.
    Unsupported,
}

/// A balancer as it is written.
#[derive(Clone, Debug)]
pub struct Written {
    /// As in `balancer://name`.
    pub name: String,
    /// What it is.
    pub balancer: Balancer,
    /// What asked for it, if it is not the worker itself.
    pub reason: Option<Span>,
    /// A rule names it.
    pub is_used: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Plan {
    /// By their names in mod_jk.
    pub workers: HashMap<String, Worker>,
    /// In the order in which they are written.
    pub balancers: Vec<Written>,
    names: HashSet<String>,
    /// The last number behind each name that was wanted more than once.
    numbers: HashMap<String, usize>,
    /// What was asked for before, and the balancer for it.
    known: HashMap<Wanted, String>,
}

/// What decides which balancer the requests of a rule have: its worker, what it says itself, the
/// server's manner, and the rule itself where its balancer is for it alone.
type Wanted = (String, Extensions, Manner, Option<Span>);

/// What is set for all requests of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Manner {
    flush: Option<&'static str>,
    force_close: bool,
}

impl Manner {
    /// What its options say.
    #[must_use]
    pub fn of(options: &Options) -> Self {
        let flush = if options.has(Choice::FlushPackets) {
            Some("on")
        } else {
            options.has(Choice::FlushHeader).then_some("auto")
        };
        Self { flush, force_close: options.has(Choice::DisableReuse) }
    }

    /// Adds it to a worker's parameters.
    pub fn add_to(self, worker: &mut AjpWorker) {
        if let Some(flush) = self.flush {
            worker.set("flushpackets", flush);
        }
        if self.force_close {
            worker.set("forceclose", "On");
        }
    }
}

/// Translates the workers of `worker.list`, and the members of its balancers.
pub fn workers(context: &mut Context<'_>) -> Plan {
    let listed = context.definitions.named("worker.list");
    let names: Vec<String> = match listed {
        Some(listed) => {
            context.kept(listed, "the workers that rules may name");
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
            // mod_jk's own default needs no lines.
            if name != "ajp13" {
                context.say_if_undefined(&name, &list, listed.at, &|_| true);
            }
        }
        let worker = match kind(context, &name) {
            Kind::Ajp13 => Worker::Ajp(ajp_worker::translate(context, &name, &Role::Plain)),
            Kind::Lb => {
                let definitions = context.definitions;
                let is_ajp = |member: &str| {
                    let kind = definitions.named(&format!("worker.{member}.type"));
                    kind.is_none_or(|kind| kind.value.eq_ignore_ascii_case("ajp13"))
                };
                let made = balancer::translate(context, &name, &is_ajp);
                say_members_that_are_left_out(context, &name);
                Worker::Balancer(made)
            }
            Kind::Status => {
                let is_read_only = status(context, &name);
                Worker::Status { is_read_only }
            }
            Kind::Other => {
                unsupported(context, &name);
                Worker::Unsupported
            }
        };
        if let Worker::Balancer(balancer) = &worker {
            let name = plan.name_for(&name);
            plan.balancers.push(Written {
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

enum Kind {
    Ajp13,
    Lb,
    Status,
    Other,
}

fn kind(context: &Context<'_>, name: &str) -> Kind {
    let kind = context.find(name, &["type"]).map(|kind| kind.value.to_ascii_lowercase());
    match kind.as_deref() {
        None | Some("ajp13") => Kind::Ajp13,
        Some("lb") => Kind::Lb,
        Some("status") => Kind::Status,
        Some(_) => Kind::Other,
    }
}

fn say_members_that_are_left_out(context: &mut Context<'_>, name: &str) {
    let Some(members) = context.find(name, balancer::LIST) else {
        return;
    };
    for member in list(&members.value) {
        if matches!(kind(context, member), Kind::Other) {
            unsupported(context, member);
        }
    }
}

/// jni, ajp12, ajp14 and what mod_jk does not know itself.
fn unsupported(context: &mut Context<'_>, name: &str) {
    let Some(kind) = context.find(name, &["type"]) else { return };
    let host = context.find(name, &["host"]).map_or("localhost", |host| host.value.as_str());
    let (why, advice) = match kind.value.to_ascii_lowercase().as_str() {
        "jni" => (
            "type jni ran Tomcat inside httpd, which no Tomcat does any more".to_owned(),
            "Run Tomcat by itself. A unix socket is as fast as it gets: unixDomainSocketPath on its connector, and ProxyPass /app \"unix:/run/tomcat/ajp.sock|ajp://localhost/app\".".to_owned(),
        ),
        "ajp12" => (
            "type ajp12 speaks a protocol that no Tomcat has any more".to_owned(),
            format!("It was a connection for each request: ajp://{host}:8009 forceclose=On is the same with AJP/1.3."),
        ),
        "ajp14" => (
            "type ajp14 logs in with secretkey, which no Tomcat has".to_owned(),
            format!("Use ajp13 and Tomcat's own secret: ajp://{host}:8009 secret=..."),
        ),
        other => (
            format!("mod_jk knows no type `{other}`"),
            "One of ajp13, lb, status.".to_owned(),
        ),
    };
    let text = format!("worker `{name}` is not converted: {why}");
    context.messages.push(Message::warning(kind.at, text).help(&*advice));
    for line in context.lines_of(name) {
        context.report.dropped(line, &*why, &*advice);
    }
}

/// `true`: it may change nothing.
fn status(context: &mut Context<'_>, name: &str) -> bool {
    let read_only = context.switch(name, &["read_only"]);
    if let Some((on, property)) = read_only {
        let words = if on { "Require method GET" } else { "nothing: it is so anyway" };
        context.kept(property, words);
    }
    if let Some(kind) = context.find(name, &["type"]) {
        let meaning = "The page looks different, orders are POST requests with a nonce (docs/operations.md has mod_jk's words for scripts), and only this machine is let in (Require local).";
        context.changed(kind, "SetHandler ajp-status", meaning);
    }
    for line in context.lines_of(name) {
        let fate = Fate::Dropped {
            why: "ajp-status has no such setting".into(),
            advice: "Who may see it and give orders is said in its <Location>: Require user, Require ip.".into(),
        };
        context.report.add_otherwise(line, fate);
    }
    read_only.is_some_and(|(on, _)| on)
}

impl Plan {
    /// A name for a balancer: mod_proxy has them in lower case.
    fn name_for(&mut self, wanted: &str) -> String {
        let clean = |c: char| {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' }
        };
        let mut base: String = wanted.chars().map(clean).take(40).collect();
        if !base.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            base.insert_str(0, "lb");
        }
        let mut name = base.clone();
        let number = self.numbers.entry(base.clone()).or_insert(1);
        while self.names.contains(&name) {
            *number += 1;
            name = format!("{base}-{number}");
        }
        self.names.insert(name.clone());
        name
    }

    /// The balancer for the requests of a rule, in a server with this manner: the worker's own, or
    /// one of its own where something is different.
    pub fn balancer_for(
        &mut self,
        context: &mut Context<'_>,
        worker: &str,
        extensions: &Extensions,
        manner: Manner,
        rule: Span,
    ) -> Option<String> {
        // A rule that makes no sessions has an account of its own.
        let alone = extensions.stateless.then_some(rule);
        let wanted = (worker.to_owned(), extensions.of_the_balancer(), manner, alone);
        if let Some(known) = self.known.get(&wanted) {
            return Some(known.clone());
        }
        let Some(Worker::Balancer(own)) = self.workers.get(worker) else { return None };
        let more = if extensions.change_the_balancer() { own.members.len() } else { 0 };
        if !context.workers.take(more, rule, context.messages) {
            return None;
        }
        let name = self.new_balancer_for(worker, extensions, manner, rule)?;
        self.known.insert(wanted, name.clone());
        Some(name)
    }

    fn new_balancer_for(
        &mut self,
        worker: &str,
        extensions: &Extensions,
        manner: Manner,
        rule: Span,
    ) -> Option<String> {
        let Some(Worker::Balancer(own)) = self.workers.get(worker) else { return None };
        let mut wanted = own.with(extensions);
        for member in &mut wanted.members {
            manner.add_to(member);
        }
        // A rule that makes no sessions has an account of its own, so that it does not count.
        let is_counted = !extensions.stateless;
        let of_worker = self.balancers.iter_mut().filter(|written| written.balancer.name == worker);
        for written in of_worker {
            let is_own = written.reason.is_none();
            if is_own && !written.is_used && !extensions.change_the_balancer() {
                // The first server's manner is the worker's.
                written.balancer = wanted.clone();
            }
            if written.balancer == wanted && (is_counted || written.reason == Some(rule)) {
                written.is_used = true;
                return Some(written.name.clone());
            }
        }
        let name = self.name_for(worker);
        self.balancers.push(Written {
            name: name.clone(),
            balancer: wanted,
            reason: Some(rule),
            is_used: true,
        });
        Some(name)
    }
}
