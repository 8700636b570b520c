//! Which workers there are, and the balancers that their rules need.

use std::collections::{HashMap, HashSet};

use super::ajp_worker::AjpWorker;
use super::balancer::Balancer;
use super::context::Context;
use crate::migrate::read::jk_options::{JkOption, JkOptions};
use crate::migrate::read::rule_extensions::RuleExtensions;
use crate::migrate::text::span::Span;

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
pub struct PlannedBalancer {
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
    pub balancers: Vec<PlannedBalancer>,
    names: HashSet<String>,
    /// The last number behind each name that was wanted more than once.
    numbers: HashMap<String, usize>,
    /// What was asked for before, and the balancer for it.
    known: HashMap<BalancerKey, String>,
}

/// What decides which balancer the requests of a rule have: its worker, what it says itself, the
/// server's defaults, and the rule itself where its balancer is for it alone.
type BalancerKey = (String, RuleExtensions, ServerDefaults, Option<Span>);

/// What is set for all requests of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServerDefaults {
    flush: Option<&'static str>,
    force_close: bool,
}

impl ServerDefaults {
    /// What its options say.
    #[must_use]
    pub fn of(options: &JkOptions) -> Self {
        let flush = if options.has(JkOption::FlushPackets) {
            Some("on")
        } else {
            options.has(JkOption::FlushHeader).then_some("auto")
        };
        Self { flush, force_close: options.has(JkOption::DisableReuse) }
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

impl Plan {
    /// A name for a balancer: mod_proxy has them in lower case.
    pub fn name_for(&mut self, wanted: &str) -> String {
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

    /// The balancer for the requests of a rule, in a server with this defaults: the worker's own, or
    /// one of its own where something is different.
    pub fn balancer_for(
        &mut self,
        context: &mut Context<'_>,
        worker: &str,
        extensions: &RuleExtensions,
        defaults: ServerDefaults,
        rule: Span,
    ) -> Option<String> {
        // A rule that makes no sessions has an account of its own.
        let alone = extensions.stateless.then_some(rule);
        let wanted = (worker.to_owned(), extensions.balancer_part(), defaults, alone);
        if let Some(known) = self.known.get(&wanted) {
            return Some(known.clone());
        }
        let Some(Worker::Balancer(own)) = self.workers.get(worker) else { return None };
        let more = if extensions.affect_balancer() { own.members.len() } else { 0 };
        if !context.workers.take(more, rule, context.messages) {
            return None;
        }
        let name = self.new_balancer_for(worker, extensions, defaults, rule)?;
        self.known.insert(wanted, name.clone());
        Some(name)
    }

    fn new_balancer_for(
        &mut self,
        worker: &str,
        extensions: &RuleExtensions,
        defaults: ServerDefaults,
        rule: Span,
    ) -> Option<String> {
        let Some(Worker::Balancer(own)) = self.workers.get(worker) else { return None };
        let mut wanted = own.with(extensions);
        for member in &mut wanted.members {
            defaults.add_to(member);
        }
        // A rule that makes no sessions has an account of its own, so that it does not count.
        let is_counted = !extensions.stateless;
        let of_worker = self.balancers.iter_mut().filter(|written| written.balancer.name == worker);
        for written in of_worker {
            let is_own = written.reason.is_none();
            if is_own && !written.is_used && !extensions.affect_balancer() {
                // The first server's defaults is the worker's.
                written.balancer = wanted.clone();
            }
            if written.balancer == wanted && (is_counted || written.reason == Some(rule)) {
                written.is_used = true;
                return Some(written.name.clone());
            }
        }
        let name = self.name_for(worker);
        self.balancers.push(PlannedBalancer {
            name: name.clone(),
            balancer: wanted,
            reason: Some(rule),
            is_used: true,
        });
        Some(name)
    }
}
