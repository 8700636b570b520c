//! The consequences of a failure: for the client, the balancer member, the log, the counters. Decided once,
//! here; httpd's side carries it out.
//!
//! httpd's core takes a status as an order: 503 marks a balancer member and fails over, 500 marks it
//! without failover, all others leave it unchanged. So 500 is never the answer to a backend's fault,
//! and 503 only means "this backend accepts no requests".
//!
//! The table is in `table`: one row for each failure. `member` has its meaning for the member, `reply`
//! the client's reply, `resend` the resends, `line` the log line.

mod last_error;
mod line;
mod member;
mod reply;
pub(super) mod resend;
mod table;

pub use line::{FailureLine, NextMember};
pub use member::{Mark, MemberFacts, MemberHistory, ProbeResult};
pub use reply::Reply;
pub(super) use table::Party;

use self::table::Row;
use super::Failure;
use crate::backend::WarningKind;
use crate::config::StatusFailure;
use crate::messages::{Level, Message};
use crate::stats::ErrorReason;

/// The consequences of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// For the client.
    pub reply: Reply,
    /// For the balancer member.
    pub mark: Mark,
    /// For the member if this request is its probe.
    pub probe: ProbeResult,
    /// For the counters.
    pub reason: ErrorReason,
    /// For the log.
    pub message: Message,
    /// If a client can cause this at will: it is logged at its level once a minute for each backend,
    /// and in between as caused by a client.
    pub at_will: Option<WarningKind>,
    /// For other modules of httpd.
    pub notes: Notes,
}

/// The notes of a failure for other modules of httpd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// `proxy_timedout`: mod_proxy_balancer marks the member for `failontimeout`. Not if another member
    /// answers in the end, which it would mark instead.
    pub timed_out: bool,
    /// `error-notes`: for httpd's error page.
    pub error: Option<&'static str>,
    /// `Retry-After`, if the client gets 503 in the end.
    pub retry_soon: bool,
}

/// The facts on which a consequence depends, beside the failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'m> {
    /// Whether a part of the response has been passed to httpd's output filters.
    pub has_begun: bool,
    /// Whether the client's URL names the backend: then the client can make it fail at will.
    pub is_chosen_by_client: bool,
    /// The member that had the request, or the worker outside a balancer.
    pub member: MemberFacts<'m>,
}

impl Consequence {
    /// Decides the consequences of a failure.
    #[must_use]
    pub fn of(failure: &Failure, facts: &Facts<'_>) -> Self {
        let (row, member) = (failure.row(), &facts.member);
        let may_go_elsewhere = failure.may_go_elsewhere && member.is_member;
        let reply = row.reply.given(facts.has_begun, may_go_elsewhere);
        let probe = row.probe_result(failure.phase);
        let chosen = facts.is_chosen_by_client.then_some(WarningKind::ChosenBackend);
        Self {
            reply,
            mark: row.blame.mark(probe, reply, member),
            probe,
            reason: row.reason,
            message: row.message,
            at_will: match row.message.level() {
                Level::Error | Level::Warning => row.at_will.or(chosen),
                Level::Notice | Level::Info => None,
            },
            notes: Notes {
                timed_out: row.blame.is_silence() && reply.instead_of_503().is_none(),
                error: row.error_note,
                retry_soon: row.retry_soon,
            },
        }
    }

    /// The level of the log line, if a client cannot cause it at will.
    #[must_use]
    pub fn level(&self) -> Level {
        self.message.level()
    }

    /// Decides the mark for an answer that the client got although `failstatus` may list it, because no
    /// other member could give one.
    #[must_use]
    pub fn of_answer(listed: Option<StatusFailure>) -> Mark {
        match listed {
            Some(StatusFailure::Hard) => Mark::Error,
            Some(StatusFailure::Soft) | None => Mark::Nothing,
        }
    }
}

impl Failure {
    /// The failure as one word, for the counters.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        self.row().reason
    }

    /// The side that ended the connection.
    pub(super) fn ended_by(&self) -> Party {
        self.row().ended_by
    }

    fn row(&self) -> Row {
        Row::of(&self.error, self.phase)
    }
}

#[cfg(test)]
mod tests;
