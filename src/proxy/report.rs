//! The result of a request, and its cost.

use std::time::Duration;

use super::Failure;
use crate::backend::Usage;
use crate::config::StatusFailure;
use crate::shared::Uptime;
use crate::stats::Request;

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// How often the request was sent to this backend.
    pub attempts: u32,
    /// The last connection.
    pub usage: Usage,
    /// Whether it came from the pool.
    pub reused: bool,
    /// The answer is one of `failstatus`, but no other member could give one.
    pub failed_status: Option<StatusFailure>,
}

/// The cost of a request, whether it was answered or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Request body bytes sent, without framing, over all attempts.
    pub uploaded: u64,
    /// Response body bytes received, without framing.
    pub downloaded: u64,
    /// How often the request was sent, even in part.
    pub attempts: u32,
    /// How often it was resent, or is to be resent to another backend, although a backend may have
    /// executed it.
    pub repeats: u32,
    /// The time that it waited for connections; none for an idle one that was there and was not asked first.
    pub waited: Duration,
    /// Whether the last connection came from the pool; `None`: there was none.
    pub reused: Option<bool>,
    /// The time from the beginning, waiting included, to the end of the response or the failure.
    pub took: Duration,
    /// The time from the beginning to the response's status and headers; `None`: they did not arrive.
    pub first_byte: Option<Duration>,
    /// The status of the response; `None`: it has not arrived.
    pub status: Option<u16>,
}

impl Traffic {
    /// The counts of the request, after its end; `is_of_session`: it belongs to a session of this member.
    #[must_use]
    pub fn counted(
        &self,
        result: &Result<Finished, Failure>,
        ended: Uptime,
        is_of_session: bool,
    ) -> Request {
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
            ended,
            is_of_session,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::ProxyError;
    use crate::stats::ErrorReason;

    #[test]
    fn a_request_that_was_sent_twice_is_one_with_one_retry() {
        const TOOK: Duration = Duration::from_secs(1);
        let traffic = Traffic { attempts: 2, status: Some(404), took: TOOK, ..Traffic::default() };
        let failed = Failure::before_connection(ProxyError::ConnectionClosed(None));
        let counted = traffic.counted(&Err(failed), Uptime::from_millis(5), true);
        assert_eq!((counted.sent, counted.took), (2, TOOK));
        assert_eq!((counted.ended, counted.is_of_session), (Uptime::from_millis(5), true));
        assert_eq!(counted.result, Err(ErrorReason::ClosedBeforeResponse));
    }
}
