//! The log line of a failure.

use std::fmt;
use std::time::Instant;

use super::{Consequence, Mark, Reply};
use crate::proxy::{Failure, Phase, ProxyError};

/// The line: the member, the failure, the connection, the request, and the next step.
#[derive(Debug)]
pub struct FailureLine<'a> {
    /// The member, with its balancer, or the backend, as it is named in the log.
    pub name: &'a str,
    /// The failure.
    pub failure: &'a Failure,
    /// Its consequences.
    pub consequence: &'a Consequence,
    /// The request: method and path.
    pub request: &'a str,
    /// Whether another member is there for it.
    pub next_member: NextMember,
    /// When it happened.
    pub now: Instant,
}

/// Whether there is another member for a request that a member of a balancer did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextMember {
    /// One is tried next.
    Tried,
    /// None is left.
    NoneLeft,
    /// None is tried, whether or not there is one.
    NotTried,
}

impl fmt::Display for FailureLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, failure, consequence, request, now, .. } = self;
        if let (ProxyError::Request(error), Reply::Status(status)) =
            (&failure.error, consequence.reply)
        {
            return write!(
                f,
                "request refused with {status}, nothing was sent: {error}; {request}"
            );
        }
        write!(f, "{name}: {}", failure.error)?;
        if failure.has_telling_phase() {
            write!(f, " while {}", failure.phase.words())?;
        }
        if let Some(usage) = failure.usage {
            write!(
                f,
                " ({} connection, {} ms old, request {} on it, {} bytes sent, {} received)",
                if failure.reused { "reused" } else { "new" },
                now.saturating_duration_since(usage.opened).as_millis(),
                usage.requests,
                usage.sent,
                usage.received,
            )?;
        }
        write!(f, "; {request}; ")?;
        let none_left = |status, f: &mut fmt::Formatter<'_>| match self.next_member {
            NextMember::Tried => f.write_str("trying another member"),
            NextMember::NoneLeft => write!(f, "no other member is left, answering {status}"),
            NextMember::NotTried => write!(f, "answering {status}"),
        };
        match (consequence.reply, consequence.mark) {
            (Reply::Elsewhere(status), _) => none_left(status, f),
            // For a mark on a member, temporary or not, mod_proxy tries another member.
            (Reply::Status(503), Mark::Error | Mark::Transient) => none_left(503, f),
            (Reply::Status(status), _) => write!(f, "answering {status}"),
            (Reply::Cut, _) => f.write_str("cutting the response off"),
            (Reply::Nothing | Reply::Answered, _) => f.write_str("giving up the request"),
        }
    }
}

impl Failure {
    /// Whether the phase says more than the error: not where there was no connection, and not for an
    /// answer.
    fn has_telling_phase(&self) -> bool {
        self.phase != Phase::Connect && !matches!(self.error, ProxyError::FailStatus { .. })
    }
}
