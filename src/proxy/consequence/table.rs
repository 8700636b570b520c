//! The table: one row for each failure. A new reason is a variant of its error and a row here.

use super::member::{Blame, ProbeResult};
use super::reply::Reply;
use crate::backend::{AcquireFailure, WarningKind};
use crate::config::StatusFailure;
use crate::net::ConnectError;
use crate::proxy::{ClientError, Level, Phase, ProxyError};
use crate::stats::ErrorReason;

/// The meaning of a failure, whatever the request and the member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// For the client, as long as it has had no part of a response.
    pub reply: Reply,
    /// For the balancer member.
    pub blame: Blame,
    /// For the log.
    pub level: Level,
    /// For the counters.
    pub reason: ErrorReason,
    /// If a client can cause it at will, it is logged at `level` once a minute. Failures that need a
    /// fault of the container's administrator or the application's programmer are not among these: each
    /// is logged.
    pub at_will: Option<WarningKind>,
    /// The result of a probe of the member, as long as no part of a response has come.
    pub probe: ProbeResult,
    /// Whether the request may be resent.
    pub resend: ResendRule,
    /// The side that ended the connection.
    pub ended_by: Party,
    /// For the log: a hint that an administrator may not think of.
    pub hint: Option<&'static str>,
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

/// Tomcat 10.1 sends nothing more, with the connection open, if the headers of a response do not fit
/// into its packetSize.
const MAY_BE_PACKET_SIZE: &str =
    "a slow page, or response headers larger than packetSize there (iobuffersize here)";

impl Row {
    /// The row of an error in this phase.
    pub(super) fn of(error: &ProxyError, phase: Phase) -> Self {
        use Blame::{ListedAnswer, Nobody, Silence};
        use ErrorReason as Reason;
        use Level::{Error, Info, Warning};
        use Reply::Status;
        match error {
            ProxyError::Acquire(failure) => Self::of_acquire(failure),
            ProxyError::Client(error) => Self::of_client(error),
            ProxyError::AtLimit(_) => Self::new(Status(503), Nobody, Warning, Reason::BusyLimit)
                .at_will(WarningKind::Busy),
            ProxyError::ConnectionClosed(_) => {
                let reason = if phase.is_answered() {
                    Reason::ClosedMidResponse
                } else {
                    Reason::ClosedBeforeResponse
                };
                Self::new(Status(502), Nobody, Error, reason)
                    .resend(ResendRule::Broken)
                    .ended_by(Party::Backend)
            }
            ProxyError::TimedOut { .. } => {
                Self::new(Status(504), Silence { counts: true }, Error, Reason::ReplyTimeout)
                    .resend(ResendRule::Silent)
                    .hint(phase.awaits_headers().then_some(MAY_BE_PACKET_SIZE))
            }
            ProxyError::SendTimedOut { .. } => {
                Self::new(Status(504), Silence { counts: false }, Error, Reason::SendTimeout)
            }
            ProxyError::PartialPacket { .. } => {
                Self::new(Status(502), Nobody, Error, Reason::PartialPacket)
                    .resend(ResendRule::Silent)
            }
            ProxyError::Protocol(_) => Self::new(Status(502), Nobody, Error, Reason::Protocol),
            ProxyError::FailStatus { status, failure: StatusFailure::Hard } => {
                Self::new(Status(*status), ListedAnswer, Error, Reason::FailStatus)
                    .resend(ResendRule::Listed)
                    .at_will(WarningKind::FailStatus)
            }
            ProxyError::FailStatus { status, failure: StatusFailure::Soft } => {
                Self::new(Status(*status), Nobody, Warning, Reason::FailStatus)
                    .resend(ResendRule::Listed)
                    .at_will(WarningKind::FailStatus)
            }
            ProxyError::RequestTooLarge { status, .. } => {
                Self::new(Status(*status), Nobody, Warning, Reason::RequestTooLarge)
                    .at_will(WarningKind::RequestTooLarge)
            }
            ProxyError::Request(error) => {
                Self::client(Status(error.status()), Info, Reason::Client)
            }
            ProxyError::Internal => Self::new(Status(500), Nobody, Error, Reason::Internal)
                .probe(ProbeResult::Inconclusive),
        }
    }

    /// The row of a request for which there was no connection.
    pub(super) fn of_acquire(failure: &AcquireFailure) -> Self {
        use Blame::{Nobody, Unreachable};
        use ErrorReason as Reason;
        use Level::{Error, Warning};
        match failure {
            // The request has waited in its turn: a retry would wait again.
            AcquireFailure::Busy(_) => Self::unconnected(Nobody, Warning, Reason::Busy)
                .resend(ResendRule::Never)
                .at_will(WarningKind::Busy),
            AcquireFailure::Connect { source: ConnectError::TimedOut { .. }, .. } => {
                Self::unconnected(Unreachable, Error, Reason::ConnectTimeout)
            }
            AcquireFailure::Connect {
                source: ConnectError::Refused | ConnectError::SelfConnection | ConnectError::Io(_),
                ..
            } => Self::unconnected(Unreachable, Error, Reason::Connect),
            AcquireFailure::NoAddress { .. } => {
                Self::unconnected(Unreachable, Error, Reason::Resolve)
            }
            AcquireFailure::Resolve(_) => Self::unconnected(Unreachable, Error, Reason::Resolve)
                .error_note("DNS lookup failure"),
            AcquireFailure::Ping(_) => Self::unconnected(Unreachable, Error, Reason::Cping),
            // Enough requests at once for a slow page.
            AcquireFailure::NoInboundConnection { is_gone: false, .. } => {
                Self::unconnected(Nobody, Warning, Reason::NoInboundConnection)
                    .at_will(WarningKind::Busy)
                    .retry_soon()
            }
            AcquireFailure::NoInboundConnection { is_gone: true, .. }
            | AcquireFailure::NoListener(_) => {
                Self::unconnected(Nobody, Error, Reason::NoInboundConnection).retry_soon()
            }
            AcquireFailure::NoWaker(_) => {
                Self::unconnected(Nobody, Error, Reason::NoInboundConnection)
            }
        }
    }

    /// The row of a failure of the client, or of a filter of httpd's.
    fn of_client(error: &ClientError) -> Self {
        use ErrorReason as Reason;
        use Level::{Info, Warning};
        use Reply::{Answered, Nothing, Status};
        match error {
            ClientError::Gone => Self::client(Nothing, Info, Reason::Client),
            ClientError::Answered => Self::client(Answered, Info, Reason::Client),
            ClientError::BodyTooShort { .. } => Self::client(Status(400), Info, Reason::Client),
            ClientError::BodyRefused { status } => {
                Self::client(Status(*status), Info, Reason::Client)
            }
            ClientError::BodyWithheld { .. } => {
                Self::client(Status(408), Warning, Reason::Internal).at_will(WarningKind::Filter)
            }
            ClientError::FilterFailed { .. } => {
                Self::client(Status(500), Warning, Reason::Internal).at_will(WarningKind::Filter)
            }
        }
    }

    /// The result of a probe: a member that has sent any part of a response has recovered.
    pub(super) fn probe_result(&self, phase: Phase) -> ProbeResult {
        if phase.is_answered() { ProbeResult::Recovered } else { self.probe }
    }

    /// A row whose other columns have the safe values: each failure is logged, the request is not
    /// resent, and a probe finds the member still in error.
    fn new(reply: Reply, blame: Blame, level: Level, reason: ErrorReason) -> Self {
        Self {
            reply,
            blame,
            level,
            reason,
            at_will: None,
            probe: ProbeResult::StillDown,
            resend: ResendRule::Never,
            ended_by: Party::Module,
            hint: None,
            error_note: None,
            retry_soon: false,
        }
    }

    /// A row for a connection that could not be obtained: connecting may be tried again.
    fn unconnected(blame: Blame, level: Level, reason: ErrorReason) -> Self {
        Self::new(Reply::Status(503), blame, level, reason).resend(ResendRule::Connecting)
    }

    /// A row for a failure of the client: it says nothing about the member.
    fn client(reply: Reply, level: Level, reason: ErrorReason) -> Self {
        Self::new(reply, Blame::Nobody, level, reason)
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

    fn hint(self, hint: Option<&'static str>) -> Self {
        Self { hint, ..self }
    }

    fn error_note(self, note: &'static str) -> Self {
        Self { error_note: Some(note), ..self }
    }

    fn retry_soon(self) -> Self {
        Self { retry_soon: true, ..self }
    }
}
