//! The workers that rules can name, and the balancers that the rules need.

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
        /// Whether it accepts no orders.
        is_read_only: bool,
    },
    /// A type without a translation.
    Unsupported,
}

/// A balancer to be written.
#[derive(Clone, Debug)]
pub struct PlannedBalancer {
    /// The name in `balancer://name`.
    pub name: String,
    /// The balancer.
    pub balancer: Balancer,
    /// The rule that needs it, unless it is the worker's own.
    pub reason: Option<Span>,
    /// Whether a rule uses it.
    pub is_used: bool,
}

/// All workers and balancers.
#[derive(Debug, Default)]
pub struct Plan {
    /// The workers by their names in mod_jk.
    pub workers: HashMap<String, Worker>,
    /// The balancers in the order in which they are written.
    pub balancers: Vec<PlannedBalancer>,
    names: HashSet<String>,
    /// The last number appended to each name that is used more than once.
    numbers: HashMap<String, usize>,
    /// The balancer for each key so far.
    known: HashMap<BalancerKey, String>,
}

/// The key of the balancer for a rule: worker, extensions, the server's defaults, and the rule itself
/// if no other rule may share its balancer.
type BalancerKey = (String, RuleExtensions, ServerDefaults, Option<Span>);

/// The parameters that a server's JkOptions set for all its workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServerDefaults {
    flush: Option<&'static str>,
    force_close: bool,
}

impl ServerDefaults {
    /// Returns the parameters for these options.
    #[must_use]
    pub fn of(options: &JkOptions) -> Self {
        let flush = if options.has(JkOption::FlushPackets) {
            Some("on")
        } else {
            options.has(JkOption::FlushHeader).then_some("auto")
        };
        Self { flush, force_close: options.has(JkOption::DisableReuse) }
    }

    /// Adds them to a worker.
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
    /// Returns a new name for a balancer, in lower case as mod_proxy needs it.
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

    /// Returns the name of the balancer for a rule in a server with these defaults: the worker's own, or
    /// a separate one if the rule or the server requires different settings.
    pub fn balancer_for(
        &mut self,
        context: &mut Context<'_>,
        worker: &str,
        extensions: &RuleExtensions,
        defaults: ServerDefaults,
        rule: Span,
    ) -> Option<String> {
        // A rule without sessions counts its requests separately.
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
        // A rule without sessions needs a separate balancer, so that its requests are not counted.
        let is_counted = !extensions.stateless;
        let of_worker = self.balancers.iter_mut().filter(|written| written.balancer.name == worker);
        for written in of_worker {
            let is_own = written.reason.is_none();
            if is_own && !written.is_used && !extensions.affect_balancer() {
                // The worker's own balancer gets the defaults of the first server.
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
