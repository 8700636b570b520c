//! The only place where an error becomes a status, a member's state and a log level.
//!
//! httpd's core reads a status as an order: 503 marks a balancer member and fails over, 500 marks
//! it without failover, everything else leaves it alone. So 500 is never the answer to a backend's
//! fault, and 503 only means "this backend takes no requests".

pub(super) mod resend;

use super::{ClientError, Failure, ProxyError};
use crate::backend::{AcquireFailure, WarningKind};
use crate::config::StatusFailure;

/// What the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This status, with httpd's own error page.
    Status(u16),
    /// The answer of another member of the balancer; without one, this status.
    Elsewhere(u16),
    /// The response had begun: the client's connection is broken off, so that what has been sent
    /// cannot look complete.
    Cut,
    /// Nothing: the client is gone.
    Nothing,
    /// Nothing more: a filter has answered.
    Answered,
}

/// What becomes of the balancer member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// Its state is as before, whatever the status. With 503 another member is tried.
    Untouched,
    /// In error until its `retry` has passed; another member is tried.
    Error,
}

/// Who should read the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// An administrator must act.
    Error,
    /// An administrator may want to know.
    Warning,
    /// The client's own doing.
    Info,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For the client.
    pub reply: Reply,
    /// For the balancer.
    pub member: Member,
    /// It was a timeout: `failontimeout` of the balancer applies.
    pub timed_out: bool,
    /// For the log.
    pub level: Level,
    /// A client can have this happen as often as it likes: at this level once a minute for each backend,
    /// in between as the client's own doing.
    pub at_will: Option<WarningKind>,
}

impl Outcome {
    /// Decides about a failure. `begun`: something of the response has been handed to httpd's
    /// output filters.
    #[must_use]
    pub fn of(failure: &Failure, begun: bool) -> Self {
        use Level::{Error, Info, Warning};
        use Member::Untouched;
        let (reply, member, level) = match &failure.error {
            ProxyError::AtLimit(_) | ProxyError::Acquire(AcquireFailure::Busy(_)) => {
                (Reply::Status(503), Untouched, Warning)
            }
            ProxyError::Acquire(
                AcquireFailure::NoneDialled { is_gone: true, .. }
                | AcquireFailure::NoListener(_)
                | AcquireFailure::NoWaker(_),
            ) => (Reply::Status(503), Untouched, Error),
            ProxyError::Acquire(AcquireFailure::NoneDialled { .. }) => {
                (Reply::Status(503), Untouched, Warning)
            }
            ProxyError::Acquire(
                AcquireFailure::Connect { .. }
                | AcquireFailure::NoAddress { .. }
                | AcquireFailure::Resolve(_)
                | AcquireFailure::Ping(_),
            ) => (Reply::Status(503), Member::Error, Error),
            ProxyError::Died(_) | ProxyError::Protocol(_) | ProxyError::HalfAPacket { .. } => {
                (Reply::Status(502), Untouched, Error)
            }
            ProxyError::FailStatus { status, failure: StatusFailure::Hard } => {
                (Reply::Status(*status), Member::Error, Error)
            }
            ProxyError::FailStatus { status, failure: StatusFailure::Soft } => {
                (Reply::Status(*status), Untouched, Warning)
            }
            ProxyError::TimedOut { .. } | ProxyError::SendTimedOut { .. } => {
                (Reply::Status(504), Untouched, Error)
            }
            ProxyError::RequestTooLarge { status, .. } => {
                (Reply::Status(*status), Untouched, Warning)
            }
            ProxyError::Client(ClientError::Gone) => (Reply::Nothing, Untouched, Info),
            ProxyError::Client(ClientError::Answered) => (Reply::Answered, Untouched, Info),
            ProxyError::Client(ClientError::BodyTooShort { .. }) => {
                (Reply::Status(400), Untouched, Info)
            }
            ProxyError::Client(ClientError::BodyRefused { status }) => {
                (Reply::Status(*status), Untouched, Info)
            }
            ProxyError::Client(ClientError::BodyWithheld { .. }) => {
                (Reply::Status(408), Untouched, Warning)
            }
            ProxyError::Client(ClientError::FilterFailed { .. }) => {
                (Reply::Status(500), Untouched, Warning)
            }
        };
        let reply = match reply {
            Reply::Status(_) if begun => Reply::Cut,
            Reply::Status(status) if failure.may_go_elsewhere => Reply::Elsewhere(status),
            other => other,
        };
        let timed_out =
            matches!(failure.error, ProxyError::TimedOut { .. } | ProxyError::SendTimedOut { .. });
        let at_will = at_will(&failure.error).filter(|_| level != Info);
        Self { reply, member, timed_out, level, at_will }
    }
}

/// Which failures take no more than a client that wants them. Not among them is what somebody must have
/// done wrong first, the container's administrator or the application's programmer: each counts.
fn at_will(error: &ProxyError) -> Option<WarningKind> {
    match error {
        // Enough requests at once for a slow page.
        ProxyError::AtLimit(_)
        | ProxyError::Acquire(
            AcquireFailure::Busy(_) | AcquireFailure::NoneDialled { is_gone: false, .. },
        ) => Some(WarningKind::Busy),
        ProxyError::RequestTooLarge { .. } => Some(WarningKind::RequestTooLarge),
        // A status such as 404, or that of a page which rejects its parameters.
        ProxyError::FailStatus { .. } => Some(WarningKind::FailStatus),
        ProxyError::Client(_) => Some(WarningKind::Filter),
        ProxyError::Acquire(_)
        | ProxyError::Died(_)
        | ProxyError::Protocol(_)
        | ProxyError::HalfAPacket { .. }
        | ProxyError::TimedOut { .. }
        | ProxyError::SendTimedOut { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::PingError;
    use crate::exchange::ExchangeError;
    use crate::pool::AcquireError;
    use crate::proxy::Phase;
    use crate::shared::AtLimit;
    use std::time::Duration;

    fn outcome(error: impl Into<ProxyError>, begun: bool) -> Outcome {
        let failure = Failure {
            may_go_elsewhere: false,
            error: error.into(),
            phase: Phase::Body,
            usage: None,
            reused: false,
        };
        Outcome::of(&failure, begun)
    }

    #[test]
    fn only_a_backend_that_takes_no_requests_is_in_error() {
        let busy = AcquireError::Busy { max: 1, waited: Duration::from_secs(1) };
        assert_eq!(outcome(AcquireFailure::Busy(busy), false).member, Member::Untouched);
        for error in [
            AcquireFailure::NoAddress { host: "node1".into() },
            AcquireFailure::Ping(PingError::Closed),
        ] {
            let outcome = outcome(error, false);
            assert_eq!(outcome.member, Member::Error);
            assert_eq!(outcome.reply, Reply::Status(503));
        }
    }

    #[test]
    fn a_backend_s_fault_is_never_a_500() {
        let after = Duration::from_secs(1);
        for (error, status) in [
            (ProxyError::Died(None), 502),
            (ProxyError::Protocol(ExchangeError::HeadersTwice), 502),
            (ProxyError::TimedOut { after }, 504),
            (ProxyError::SendTimedOut { after }, 504),
        ] {
            let outcome = outcome(error, false);
            assert_eq!(outcome.reply, Reply::Status(status));
            assert_eq!(outcome.member, Member::Untouched);
        }
    }

    #[test]
    fn a_response_that_has_begun_is_cut_and_never_looks_complete() {
        assert_eq!(outcome(ProxyError::Died(None), true).reply, Reply::Cut);
        assert_eq!(outcome(ClientError::BodyTooShort { missing: 1 }, true).reply, Reply::Cut);
    }

    #[test]
    fn a_client_s_fault_never_touches_the_member() {
        for error in [
            ClientError::Gone,
            ClientError::Answered,
            ClientError::BodyTooShort { missing: 3 },
            ClientError::BodyRefused { status: 413 },
        ] {
            let outcome = outcome(error, false);
            assert_eq!(outcome.member, Member::Untouched);
            assert_eq!(outcome.level, Level::Info);
        }
    }

    #[test]
    fn what_another_member_may_answer_is_its_to_answer_before_anything_was_sent() {
        let failure = Failure {
            error: ProxyError::FailStatus { status: 503, failure: StatusFailure::Soft },
            phase: Phase::Headers,
            usage: None,
            reused: true,
            may_go_elsewhere: true,
        };
        assert_eq!(Outcome::of(&failure, false).reply, Reply::Elsewhere(503));
        assert_eq!(Outcome::of(&failure, false).member, Member::Untouched);
        assert_eq!(Outcome::of(&failure, true).reply, Reply::Cut);
    }

    #[test]
    fn what_a_client_can_have_at_will_is_told_from_what_takes_a_fault_elsewhere() {
        let busy = AcquireError::Busy { max: 1, waited: Duration::from_secs(1) };
        let soft = ProxyError::FailStatus { status: 404, failure: StatusFailure::Soft };
        for (error, kind) in [
            (AcquireFailure::Busy(busy).into(), Some(WarningKind::Busy)),
            (ProxyError::AtLimit(AtLimit { limit: 1 }), Some(WarningKind::Busy)),
            (soft, Some(WarningKind::FailStatus)),
            (ClientError::FilterFailed { code: 1 }.into(), Some(WarningKind::Filter)),
            (ClientError::BodyTooShort { missing: 1 }.into(), None),
            (ProxyError::Died(None), None),
            (AcquireFailure::Ping(PingError::Closed).into(), None),
        ] {
            let text = error.to_string();
            assert_eq!(outcome(error, false).at_will, kind, "{text}");
        }
    }

    #[test]
    fn a_timeout_is_told_to_failontimeout() {
        assert!(outcome(ProxyError::TimedOut { after: Duration::ZERO }, true).timed_out);
        assert!(!outcome(ProxyError::Died(None), true).timed_out);
    }
}
