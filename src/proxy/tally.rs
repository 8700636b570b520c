//! What a request is counted as.

use super::{ClientError, Failure, Finished, Phase, ProxyError, Traffic};
use crate::backend::AcquireFailure;
use crate::net::ConnectError;
use crate::stats::{ErrorReason, Request};

impl Failure {
    /// The failure as one word.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        match &self.error {
            ProxyError::AtLimit(_) => ErrorReason::BusyLimit,
            ProxyError::Acquire(failure) => match failure {
                AcquireFailure::Busy(_) => ErrorReason::Busy,
                AcquireFailure::NoneDialled { .. }
                | AcquireFailure::NoListener(_)
                | AcquireFailure::NoWaker(_) => ErrorReason::NoneDialled,
                AcquireFailure::Connect { source: ConnectError::TimedOut { .. }, .. } => {
                    ErrorReason::ConnectTimeout
                }
                AcquireFailure::Connect { .. } => ErrorReason::Connect,
                AcquireFailure::Ping(_) => ErrorReason::Cping,
                AcquireFailure::NoAddress { .. } | AcquireFailure::Resolve(_) => {
                    ErrorReason::Resolve
                }
            },
            ProxyError::Client(
                ClientError::FilterFailed { .. } | ClientError::BodyWithheld { .. },
            ) => ErrorReason::Internal,
            ProxyError::Client(_) => ErrorReason::Client,
            ProxyError::Died(_) => match self.phase {
                Phase::Connect | Phase::Request | Phase::FirstByte => ErrorReason::Died,
                Phase::Headers | Phase::HeadersOnly | Phase::Body => ErrorReason::BrokenOff,
            },
            ProxyError::TimedOut { .. } => ErrorReason::ReplyTimeout,
            ProxyError::SendTimedOut { .. } => ErrorReason::SendTimeout,
            ProxyError::FailStatus { .. } => ErrorReason::FailStatus,
            ProxyError::HalfAPacket { .. } => ErrorReason::HalfPacket,
            ProxyError::Protocol(_) => ErrorReason::Protocol,
            ProxyError::RequestTooLarge { .. } => ErrorReason::RequestTooLarge,
        }
    }
}

impl Traffic {
    /// The request as it is counted, now that it is over.
    #[must_use]
    pub fn counted(&self, result: &Result<Finished, Failure>) -> Request {
        Request {
            sent: self.attempts,
            uploaded: self.uploaded,
            downloaded: self.downloaded,
            waited: self.waited,
            took: self.took,
            first_byte: self.first_byte,
            result: match result {
                Ok(_) => Ok(self.status.unwrap_or(0)),
                Err(failure) => Err(failure.reason()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::PingError;
    use crate::pool::AcquireError;
    use std::time::Duration;

    const AFTER: Duration = Duration::from_secs(1);

    fn reason(error: impl Into<ProxyError>, phase: Phase) -> ErrorReason {
        Failure { phase, ..Failure::before_connection(error) }.reason()
    }

    #[test]
    fn each_failure_has_its_word() {
        let busy = AcquireError::Busy { max: 1, waited: AFTER };
        let address = || std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into();
        let refused = AcquireFailure::Connect { address: address(), source: ConnectError::Refused };
        let words = [
            reason(AcquireFailure::Busy(busy), Phase::Connect),
            reason(refused, Phase::Connect),
            reason(AcquireFailure::Ping(PingError::Closed), Phase::Connect),
            reason(AcquireFailure::NoAddress { host: "a".into() }, Phase::Connect),
            reason(ProxyError::Died(None), Phase::FirstByte),
            reason(ProxyError::Died(None), Phase::HeadersOnly),
            reason(ProxyError::TimedOut { after: AFTER }, Phase::FirstByte),
            reason(ClientError::Gone, Phase::Body),
        ];
        let expected = [
            ErrorReason::Busy,
            ErrorReason::Connect,
            ErrorReason::Cping,
            ErrorReason::Resolve,
            ErrorReason::Died,
            ErrorReason::BrokenOff,
            ErrorReason::ReplyTimeout,
            ErrorReason::Client,
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_request_that_was_sent_twice_is_one_with_one_retry() {
        let traffic = Traffic { attempts: 2, status: Some(404), took: AFTER, ..Traffic::default() };
        let failed = Failure::before_connection(ProxyError::Died(None));
        let counted = traffic.counted(&Err(failed));
        assert_eq!((counted.sent, counted.took), (2, AFTER));
        assert_eq!(counted.result, Err(ErrorReason::Died));
    }
}
