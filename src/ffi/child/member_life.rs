//! The log lines of a member's life: in error, back, drained, stopped and active again.
//!
//! Each change has one line over all children, in the main server's log: whoever makes a change logs it, if
//! nobody has; an order to ajp-status has a line of its own. Changes that httpd makes without us, or another
//! module, are logged by the housekeeper that sees them first ([`MemberWatch`]).

use std::fmt;
use std::time::{Duration, Instant};

use crate::balance::{Activation, WorkerStatus};
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::clock;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server;
use crate::ffi::mod_proxy::balancer::member_name;
use crate::ffi::mod_proxy::worker::Worker;
use crate::messages::Message;
use crate::shared::{MemberKey, MemberState, Uptime};

/// Logs that a member is in error, and why, unless the log says so.
#[cold]
pub(crate) fn log_error(child: &Child, member: Worker<'_>, why: fmt::Arguments<'_>) {
    let ignores_errors = member.status().has(WorkerStatus::IGNORE_ERRORS);
    if !member.is_member() || !member.is_ajp() || ignores_errors {
        return;
    }
    let Some(state) = child.member_state(member.key()) else { return };
    error_line(state, member, clock::uptime(), why);
}

/// Logs that a member is back, if the log says that it is in error.
#[cold]
pub(crate) fn log_recovery(child: &Child, member: Worker<'_>) {
    let Some(state) = child.member_state(member.key()) else { return };
    recovery_line(state, member, clock::uptime(), Duration::ZERO);
}

/// Notes that an order has ended the error of a member; the order has a line of its own.
pub(crate) fn note_recovery(state: MemberState<'_>) {
    let _ = state.claim_recovery_line(clock::uptime(), Duration::ZERO);
}

fn error_line(state: MemberState<'_>, member: Worker<'_>, now: Uptime, why: fmt::Arguments<'_>) {
    if !state.claim_error_line(now) {
        return;
    }
    let name = member_name(member);
    match Duration::from_micros(member.counters().retry_us) {
        Duration::ZERO => say(
            Message::MemberInError,
            format_args!("{name}: in error ({why}); requests try it again at once (retry=0)"),
        ),
        retry => {
            let retry = Rounded(retry);
            say(Message::MemberInError, format_args!("{name}: in error for {retry} ({why})"));
        }
    }
}

fn recovery_line(state: MemberState<'_>, member: Worker<'_>, now: Uptime, at_least: Duration) {
    if let Some(lasted) = state.claim_recovery_line(now, at_least) {
        let (name, lasted) = (member_name(member), Rounded(lasted));
        say(Message::MemberBack, format_args!("{name}: back after {lasted}"));
    }
}

fn activation_line(state: MemberState<'_>, member: Worker<'_>, to: Activation) {
    let Some(before) = state.claim_activation_line(to) else { return };
    let (name, before) = (member_name(member), before.name());
    let now = match to {
        Activation::Active => "restored to active",
        other => other.name(),
    };
    say(
        Message::MemberActivation,
        format_args!("{name}: {now}, was {before} (by balancer-manager or another module)"),
    );
}

fn say(message: Message, text: fmt::Arguments<'_>) {
    // SAFETY: this is a child.
    if let Some(main) = unsafe { server::main() } {
        log::server(main, message, text);
    }
}

/// A time as a person would say it: `850 ms`, `60 s`, `4 min`, `3 h`.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 if self.0.subsec_millis() > 0 => write!(f, "{} ms", self.0.as_millis()),
            seconds @ 0..=119 => write!(f, "{seconds} s"),
            seconds @ 120..=7199 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h", seconds / 3600),
        }
    }
}

/// The members that a housekeeper looks at, once in each round.
#[derive(Default)]
pub(crate) struct MemberWatch(Vec<WatchedMember>);

/// A member of a balancer. Virtual hosts that each define it share it, as they share its state.
struct WatchedMember {
    key: MemberKey,
    workers: Vec<Worker<'static>>,
    /// What was seen of it last, and since when.
    seen: Option<(Seen, Instant)>,
}

/// The state of a member, as far as the log has it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// When it was put in error; `None`: it is not.
    error_us: Option<u64>,
    /// mod_proxy has taken it out of error, so that a request finds out whether it answers.
    is_tried_again: bool,
    activation: Activation,
}

impl MemberWatch {
    /// Watches those of the workers that are members of balancers.
    pub(crate) fn new(workers: impl Iterator<Item = Worker<'static>>) -> Self {
        let mut members = Vec::<WatchedMember>::new();
        let mut places = std::collections::HashMap::new();
        for worker in workers.filter(|worker| worker.is_member()) {
            let key = worker.key();
            let at = *places.entry(key).or_insert(members.len());
            match members.get_mut(at) {
                Some(known) => known.workers.push(worker),
                None => members.push(WatchedMember { key, workers: vec![worker], seen: None }),
            }
        }
        Self(members)
    }

    /// Notes how the members are to be used at start. To be called before the child serves.
    pub(crate) fn begin(&self, child: &Child) {
        for member in &self.0 {
            if let Some(state) = child.member_state(member.key) {
                state.note_first_activation(member.read().activation);
            }
        }
    }

    /// Logs the changes that the log does not have.
    pub(crate) fn look(&mut self, child: &Child, now: Instant) {
        for member in &mut self.0 {
            member.look(child, now);
        }
    }
}

impl WatchedMember {
    /// Only what has been so for a while is a change: a request may have a temporary mark on the member,
    /// and whoever has just changed it is about to log it.
    fn look(&mut self, child: &Child, now: Instant) {
        let found = self.read();
        match self.seen {
            Some((seen, since)) if seen == found => {
                if now.saturating_duration_since(since) >= FOR_SURE {
                    self.log(found, child);
                }
            }
            _ => self.seen = Some((found, now)),
        }
    }

    fn read(&self) -> Seen {
        let in_error = self.workers.iter().find(|worker| worker.status().is_in_error());
        let activation = self.workers.first().map(|worker| worker.status().activation());
        Seen {
            error_us: in_error.map(|worker| worker.counters().error_us),
            is_tried_again: self.workers.iter().any(|worker| worker.has_retried()),
            activation: activation.unwrap_or_default(),
        }
    }

    fn log(&self, found: Seen, child: &Child) {
        let (Some(worker), Some(state)) = (self.workers.first(), child.member_state(self.key))
        else {
            return;
        };
        let now = clock::uptime();
        activation_line(state, *worker, found.activation);
        if found.error_us.is_some() {
            error_line(state, *worker, now, format_args!("{NOT_BY_A_REQUEST}"));
        } else if !found.is_tried_again {
            recovery_line(state, *worker, now, FOR_SURE_BACK);
        }
    }
}

/// With BalancerPersist, a mark survives a restart.
const NOT_BY_A_REQUEST: &str = "marked before the last restart, by mod_proxy or by another module";

/// Longer than a temporary mark lasts, and than a change is ahead of its line.
const FOR_SURE: Duration = Duration::from_millis(500);

/// A mark follows its line: mod_proxy sets it.
const FOR_SURE_BACK: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_as_a_person_would_say_it() {
        for (milliseconds, text) in [
            (0, "0 s"),
            (850, "850 ms"),
            (60_999, "60 s"),
            (119_000, "119 s"),
            (4 * 60_000 + 59_000, "4 min"),
            (7_199_000, "119 min"),
            (3 * 3_600_000, "3 h"),
        ] {
            assert_eq!(Rounded(Duration::from_millis(milliseconds)).to_string(), text);
        }
    }
}
