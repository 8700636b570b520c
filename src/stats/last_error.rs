//! The last error of a worker, in words.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use super::reason::ErrorReason;

/// The last error of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The time since then.
    pub ago: Duration,
    /// Its reason, as it is counted.
    pub reason: ErrorReason,
    /// What is known beyond that.
    pub detail: ErrorDetail,
}

/// What is known of an error beyond its reason, as a number: for `connect` the system's error number, for
/// `failstatus` the status, for `none_dialled` 1 if there has been no connection for a while; else 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorDetail(pub u16);

impl LastError {
    /// Its time in ms since 1970, where it is `now_ms`.
    #[must_use]
    pub fn at_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(u64::try_from(self.ago.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorDetail(detail) = self.detail;
        let text = match self.reason {
            ErrorReason::Connect if detail != 0 => return connect_error(f, detail),
            ErrorReason::FailStatus if detail != 0 => {
                return write!(f, "answered with status {detail}, which failstatus lists");
            }
            ErrorReason::Resolve => "the host name has no address",
            ErrorReason::Connect => "the connection could not be opened",
            ErrorReason::ConnectTimeout => "no answer to the attempt to connect",
            ErrorReason::Cping => "a new connection did not answer CPING",
            ErrorReason::Busy => "no connection became free",
            ErrorReason::NoInboundConnection if detail != 0 => "no container has connected",
            ErrorReason::NoInboundConnection => "no connection of the container was free",
            ErrorReason::BusyLimit => "as many requests in flight as busylimit allows",
            ErrorReason::ClosedBeforeResponse => "the connection was closed before the response",
            ErrorReason::ClosedMidResponse => "the connection was closed during a response",
            ErrorReason::ReplyTimeout => "no answer in time",
            ErrorReason::SendTimeout => "no more of the request was accepted in time",
            ErrorReason::PartialPacket => "the rest of a packet did not arrive",
            ErrorReason::Protocol => "the answer is not AJP",
            ErrorReason::RequestTooLarge => "the request is larger than packetSize",
            ErrorReason::FailStatus => "answered with a status that failstatus lists",
            ErrorReason::Client => "the client failed",
            ErrorReason::Internal => "an error in this module or in a filter of httpd",
        };
        f.write_str(text)
    }
}

fn connect_error(f: &mut fmt::Formatter<'_>, number: u16) -> fmt::Result {
    let error = io::Error::from_raw_os_error(number.into());
    match error.kind() {
        ErrorKind::ConnectionRefused => f.write_str("connection refused"),
        ErrorKind::NotFound => f.write_str("no such file"),
        _ => {
            // std adds the number, which says nothing to a reader.
            let text = error.to_string();
            f.write_str(text.split_once(" (os error").map_or(&*text, |(text, _)| text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reason: ErrorReason, detail: u16) -> String {
        LastError { ago: Duration::ZERO, reason, detail: ErrorDetail(detail) }.to_string()
    }

    #[test]
    fn an_error_is_named_as_exactly_as_it_is_known() {
        // Linux's numbers.
        assert_eq!(text(ErrorReason::Connect, 111), "connection refused");
        assert_eq!(text(ErrorReason::Connect, 2), "no such file");
        let no_route = text(ErrorReason::Connect, 113);
        assert_eq!(no_route, "No route to host");
        let listed = text(ErrorReason::FailStatus, 503);
        assert_eq!(listed, "answered with status 503, which failstatus lists");
        assert_eq!(text(ErrorReason::NoInboundConnection, 1), "no container has connected");
    }

    #[test]
    fn every_reason_has_words_of_its_own() {
        let mut all = ErrorReason::ALL.map(|reason| text(reason, 0));
        all.sort_unstable();
        let count = all.len();
        assert_eq!(std::collections::BTreeSet::from(all).len(), count);
    }
}
