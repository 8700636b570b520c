//! The table: one row for each failure. A new reason is a variant of its error and a row here.

use super::member::{Blame, ProbeResult};
use super::reply::Reply;
use crate::backend::{AcquireFailure, NoListener, WarningKind};
use crate::config::StatusFailure;
use crate::messages::Message;
use crate::net::ConnectError;
use crate::proxy::{ClientError, Phase, ProxyError};
use crate::stats::ErrorReason;

/// The meaning of a failure, whatever the request and the member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// For the client, as long as it has had no part of a response.
    pub reply: Reply,
    /// For the balancer member.
    pub blame: Blame,
    /// For the log.
    pub message: Message,
    /// For the counters.
    pub reason: ErrorReason,
    /// If a client can cause it at will, it is logged at its level once a minute. Failures that need a
    /// fault of the container's administrator or the application's programmer are not among these: each
    /// is logged.
    pub at_will: Option<WarningKind>,
    /// The result of a probe of the member, as long as no part of a response has come.
    pub probe: ProbeResult,
    /// Whether the request may be resent.
    pub resend: ResendRule,
    /// The side that ended the connection.
    pub ended_by: Party,
    /// For httpd's error page (the note `error-notes`).
    pub error_note: Option<&'static str>,
    /// Whether a client that gets 503 is told to come back soon (`Retry-After`).
    pub retry_soon: bool,
}

/// The rule of a failure's row for resending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResendRule {
    /// It is not resent: another attempt would fail in the same way, or the backend is at work.
    Never,
    /// There was no connection: connecting is tried again (`retries`).
    Connecting,
    /// The backend closed the connection.
    Broken,
    /// The backend sends nothing.
    Silent,
    /// The backend has answered with a status that `failstatus` lists.
    Listed,
}

/// The side that ended a connection that failed under a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Party {
    /// The backend closed or reset it.
    Backend,
    /// We close it, because the client or a filter of httpd's failed.
    Client,
    /// We close it, for another reason; or there was no connection.
    Module,
}

impl Row {
    /// The row of an error in this phase.
    pub(super) fn of(error: &ProxyError, phase: Phase) -> Self {
        use Blame::{ListedAnswer, Nobody, Silence};
        use ErrorReason as Reason;
        use Reply::Status;
        match error {
            ProxyError::Acquire(failure) => Self::of_acquire(failure),
            ProxyError::Client(error) => Self::of_client(error),
            ProxyError::AtLimit(_) => {
                Self::new(Status(503), Nobody, Message::BusyLimit, Reason::BusyLimit)
                    .at_will(WarningKind::Busy)
            }
            ProxyError::ConnectionClosed(_) => {
                let (message, reason) = if phase.is_answered() {
                    (Message::ClosedMidResponse, Reason::ClosedMidResponse)
                } else {
                    (Message::ClosedBeforeResponse, Reason::ClosedBeforeResponse)
                };
                Self::new(Status(502), Nobody, message, reason)
                    .resend(ResendRule::Broken)
                    .ended_by(Party::Backend)
            }
            ProxyError::TimedOut { .. } => Self::new(
                Status(504),
                Silence { counts: true },
                Message::ReplyTimeout,
                Reason::ReplyTimeout,
            )
            .resend(ResendRule::Silent),
            ProxyError::SendTimedOut { .. } => Self::new(
                Status(504),
                Silence { counts: false },
                Message::SendTimeout,
                Reason::SendTimeout,
            ),
            ProxyError::PartialPacket { .. } => {
                Self::new(Status(502), Nobody, Message::PartialPacket, Reason::PartialPacket)
                    .resend(ResendRule::Silent)
            }
            ProxyError::Protocol(_) => {
                Self::new(Status(502), Nobody, Message::NotAjp, Reason::Protocol)
            }
            ProxyError::FailStatus { status, failure: StatusFailure::Hard } => {
                Self::new(Status(*status), ListedAnswer, Message::FailStatus, Reason::FailStatus)
                    .resend(ResendRule::Listed)
                    .at_will(WarningKind::FailStatus)
            }
            ProxyError::FailStatus { status, failure: StatusFailure::Soft } => {
                Self::new(Status(*status), Nobody, Message::SoftFailStatus, Reason::FailStatus)
                    .resend(ResendRule::Listed)
                    .at_will(WarningKind::FailStatus)
            }
            ProxyError::RequestTooLarge { status, .. } => Self::new(
                Status(*status),
                Nobody,
                Message::RequestTooLarge,
                Reason::RequestTooLarge,
            )
            .at_will(WarningKind::RequestTooLarge),
            ProxyError::Request(error) => {
                Self::client(Status(error.status()), Message::RequestInvalid, Reason::Client)
            }
            ProxyError::Internal => {
                Self::new(Status(500), Nobody, Message::InternalError, Reason::Internal)
                    .probe(ProbeResult::Inconclusive)
            }
        }
    }

    /// The row of a request for which there was no connection.
    pub(super) fn of_acquire(failure: &AcquireFailure) -> Self {
        use Blame::{Nobody, Unreachable};
        use ErrorReason as Reason;
        match failure {
            // The request has waited in its turn: a retry would wait again.
            AcquireFailure::Busy(_) => {
                Self::unconnected(Nobody, Message::NoFreeConnection, Reason::Busy)
                    .resend(ResendRule::Never)
                    .at_will(WarningKind::Busy)
            }
            AcquireFailure::Connect { source: ConnectError::TimedOut { .. }, .. } => {
                Self::unconnected(Unreachable, Message::ConnectTimeout, Reason::ConnectTimeout)
            }
            AcquireFailure::Connect {
                source: ConnectError::Refused | ConnectError::SelfConnection | ConnectError::Io(_),
                ..
            } => Self::unconnected(Unreachable, Message::ConnectFailed, Reason::Connect),
            AcquireFailure::Connect { source: ConnectError::NoFile, .. } => {
                Self::unconnected(Unreachable, Message::NoSocketFile, Reason::Connect)
            }
            AcquireFailure::NoAddress { .. } => {
                Self::unconnected(Unreachable, Message::NoAddress, Reason::Resolve)
            }
            AcquireFailure::Resolve(_) => {
                Self::unconnected(Unreachable, Message::NoAddress, Reason::Resolve)
                    .error_note("DNS lookup failure")
            }
            AcquireFailure::Ping(_) => {
                Self::unconnected(Unreachable, Message::PingUnanswered, Reason::Cping)
            }
            // Enough requests at once for a slow page.
            AcquireFailure::NoInboundConnection { is_gone: false, .. } => {
                Self::no_reverse_connection(Message::NoReverseConnectionFree)
                    .at_will(WarningKind::Busy)
                    .retry_soon()
            }
            AcquireFailure::NoInboundConnection { is_gone: true, .. } => {
                Self::no_reverse_connection(Message::NoContainerConnected).retry_soon()
            }
            AcquireFailure::NoListener(NoListener::NoPort) => {
                Self::no_reverse_connection(Message::ReverseNoPortFree).retry_soon()
            }
            AcquireFailure::NoListener(NoListener::Accept(_)) => {
                Self::no_reverse_connection(Message::ReverseNotAccepting).retry_soon()
            }
            AcquireFailure::NoWaker(_) => Self::no_reverse_connection(Message::NoDescriptor),
        }
    }

    /// The row of a failure of the client, or of a filter of httpd's.
    fn of_client(error: &ClientError) -> Self {
        use ErrorReason as Reason;
        use Reply::{Answered, Nothing, Status};
        match error {
            ClientError::Gone => Self::client(Nothing, Message::ClientGone, Reason::Client),
            ClientError::Answered => {
                Self::client(Answered, Message::ClientAnswered, Reason::Client)
            }
            ClientError::BodyTooShort { .. } => {
                Self::client(Status(400), Message::BodyTooShort, Reason::Client)
            }
            ClientError::BodyRefused { status } => {
                Self::client(Status(*status), Message::BodyRefused, Reason::Client)
            }
            ClientError::BodyWithheld { .. } => {
                Self::client(Status(408), Message::BodyWithheld, Reason::Internal)
                    .at_will(WarningKind::Filter)
            }
            ClientError::FilterFailed { .. } => {
                Self::client(Status(500), Message::FilterFailed, Reason::Internal)
                    .at_will(WarningKind::Filter)
            }
        }
    }

    /// The result of a probe: a member that has sent any part of a response has recovered.
    pub(super) fn probe_result(&self, phase: Phase) -> ProbeResult {
        if phase.is_answered() { ProbeResult::Recovered } else { self.probe }
    }

    /// A row whose other columns have the safe values: each failure is logged, the request is not
    /// resent, and a probe finds the member still in error.
    fn new(reply: Reply, blame: Blame, message: Message, reason: ErrorReason) -> Self {
        Self {
            reply,
            blame,
            message,
            reason,
            at_will: None,
            probe: ProbeResult::StillDown,
            resend: ResendRule::Never,
            ended_by: Party::Module,
            error_note: None,
            retry_soon: false,
        }
    }

    /// A row for a connection that could not be obtained: connecting may be tried again.
    fn unconnected(blame: Blame, message: Message, reason: ErrorReason) -> Self {
        Self::new(Reply::Status(503), blame, message, reason).resend(ResendRule::Connecting)
    }

    /// A row for a reverse connection that could not be obtained.
    fn no_reverse_connection(message: Message) -> Self {
        Self::unconnected(Blame::Nobody, message, ErrorReason::NoInboundConnection)
    }

    /// A row for a failure of the client: it says nothing about the member.
    fn client(reply: Reply, message: Message, reason: ErrorReason) -> Self {
        Self::new(reply, Blame::Nobody, message, reason)
            .probe(ProbeResult::Inconclusive)
            .ended_by(Party::Client)
    }

    fn at_will(self, kind: WarningKind) -> Self {
        Self { at_will: Some(kind), ..self }
    }

    fn probe(self, probe: ProbeResult) -> Self {
        Self { probe, ..self }
    }

    fn resend(self, resend: ResendRule) -> Self {
        Self { resend, ..self }
    }

    fn ended_by(self, ended_by: Party) -> Self {
        Self { ended_by, ..self }
    }

    fn error_note(self, note: &'static str) -> Self {
        Self { error_note: Some(note), ..self }
    }

    fn retry_soon(self) -> Self {
        Self { retry_soon: true, ..self }
    }
}
