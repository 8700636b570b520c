//! The log line of a failure.

use std::fmt;
use std::time::Instant;

use super::{Consequence, Mark, Reply};
use crate::backend::BackendKey;
use crate::proxy::{Failure, ProxyError};

/// The line: the backend, the failure, the connection, and the next step.
#[derive(Debug)]
pub struct FailureLine<'a> {
    /// The backend, as it is named in the log.
    pub backend: &'a BackendKey,
    /// The failure.
    pub failure: &'a Failure,
    /// Its consequences.
    pub consequence: &'a Consequence,
    /// When it happened.
    pub now: Instant,
}

impl fmt::Display for FailureLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, failure, consequence, now } = self;
        if let (ProxyError::Request(error), Reply::Status(status)) =
            (&failure.error, consequence.reply)
        {
            return write!(f, "request refused with {status}, nothing was sent: {error}");
        }
        write!(f, "{backend}: {} while {}", failure.error, failure.phase.words())?;
        if let Some(hint) = consequence.hint {
            write!(f, ": {hint}")?;
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
        match (consequence.reply, consequence.mark) {
            (Reply::Elsewhere(_), _) => f.write_str("; trying another member"),
            // For a mark on a member, temporary or not, mod_proxy tries another member.
            (Reply::Status(503), Mark::Error | Mark::Transient) => {
                f.write_str("; trying another member, else 503")
            }
            (Reply::Status(status), _) => write!(f, "; answering {status}"),
            (Reply::Cut, _) => f.write_str("; cutting the response off"),
            (Reply::Nothing | Reply::Answered, _) => f.write_str("; giving up the request"),
        }
    }
}
