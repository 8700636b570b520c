//! The counters of a member.

use std::time::Duration;

use super::figure::{Count, NOWHERE, Value, json, shown};
use super::histogram::{Histogram, micros};
use super::reason::ErrorReason;
use super::recent::Recent;
use crate::shared::Uptime;

/// Responses by the first digit of their status, 1 to 5; any other status counts as 5.
pub type Answers = [u64; 5];

/// The words of [`Answers`].
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

counters! {
    /// One stripe of the counters of a member.
    struct MemberCounters;

    /// The sums of a member over all children, also those that have ended.
    struct MemberFigures {}

    /// The figures of a member.
    const MEMBER_FIGURES;

    /// Requests given to the member.
    requests: Count, shown("requests").auto("Requests");
    /// Requests that failed, except by the client's fault.
    // mod_proxy says `Err` on mod_status's page for a member in error, and people look for that.
    failed = |figures| Value::Count(figures.failures()), NOWHERE.auto("Failed").prop("errors");
    /// Requests of sessions that belong to the member.
    session_requests: Count, shown("session_requests");
    /// Attempts: times a request was sent to the member.
    sent: Count, shown("sent");
    /// Attempts after the first of a request, on a new connection.
    retries: Count, shown("retries").auto("Retries").page("Retried", "on this member");
    /// Requests given to another member after this one.
    failovers: Count, shown("failovers").auto("Failovers").page("Retried", "on another");
    /// Requests that failed by the client's fault.
    client_errors = |figures| figures.value_of(ErrorReason::Client), NOWHERE.prop("client_errors");
    /// Requests that failed because the backend sent nothing in time.
    reply_timeouts = |figures| figures.value_of(ErrorReason::ReplyTimeout),
        json("reply_timeouts").prop("reply_timeouts");
    /// Complete responses, by class of the status.
    answers: [Count; CLASSES.len()] = |figures| figures.answers(), json("answers").metric("responses");
    /// Requests that failed, by reason.
    errors: [Count; ErrorReason::ALL.len()] = |figures| figures.by_reason(), shown("errors");
    /// Request bodies sent to the member.
    uploaded: Count,
        json("bytes_sent").metric("request_body").prop("transferred").page("Bytes", "sent").in_bytes();
    /// Response bodies received from the member.
    downloaded: Count,
        json("bytes_received").metric("response_body").prop("read").page("Bytes", "received").in_bytes();
    /// Time that requests waited for a connection to the member.
    waited_us: Count, json("waited").metric("connection_wait").in_microseconds();
    /// Time from the request to the end of its response, for requests that were sent.
    duration: Histogram, json("duration").metric("request_duration").auto("DurationUs");
    /// Time from the request to the headers of its response.
    first_byte: Histogram, shown("first_byte");
    /// The last minutes, which are not a figure that grows: see [`RecentFigures`](super::RecentFigures).
    recent: Recent = |_| Value::Count(0), NOWHERE;
}

/// One request to a member, after its end.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The number of attempts.
    pub sent: u32,
    /// Body bytes sent to the backend.
    pub uploaded: u64,
    /// Body bytes received from the backend.
    pub downloaded: u64,
    /// The time that it waited for connections.
    pub waited: Duration,
    /// The time from its beginning, waiting included, to the end of the response or the failure.
    pub took: Duration,
    /// The time to the response's status and headers, if they came.
    pub first_byte: Option<Duration>,
    /// The status of the response, or the reason why there was none.
    pub result: Result<u16, ErrorReason>,
    /// The time of its end.
    pub ended: Uptime,
    /// Whether it belongs to a session of the member.
    pub is_of_session: bool,
}

impl MemberCounters {
    /// Counts a request, by some relaxed additions: it is on the fast path.
    pub fn count(&self, request: &Request) {
        self.requests.add(1);
        self.session_requests.add(request.is_of_session.into());
        self.recent.count(request.ended, request.is_of_session);
        self.sent.add(request.sent.into());
        self.retries.add(request.sent.saturating_sub(1).into());
        self.uploaded.add(request.uploaded);
        self.downloaded.add(request.downloaded);
        self.waited_us.add(micros(request.waited));
        match request.result {
            Ok(status) => {
                let class = usize::from(status / 100).wrapping_sub(1).min(self.answers.len() - 1);
                self.answers[class].add(1);
            }
            Err(reason) => self.errors[reason as usize].add(1),
        }
        // What was refused at once says nothing of how fast the member is.
        if request.sent > 0 {
            self.duration.observe(request.took);
        }
        if let Some(first_byte) = request.first_byte {
            self.first_byte.observe(first_byte);
        }
    }

    /// Counts a request that was over before a connection was asked for.
    pub fn count_refused(&self, reason: ErrorReason, now: Uptime) {
        self.requests.add(1);
        self.recent.count(now, false);
        self.errors[reason as usize].add(1);
    }
}

impl MemberFigures {
    /// The failures with this reason.
    pub fn errors_of(&self, reason: ErrorReason) -> u64 {
        self.errors[reason as usize]
    }

    /// Each reason with its count.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorReason, u64)> + '_ {
        ErrorReason::ALL.into_iter().map(|reason| (reason, self.errors_of(reason)))
    }

    /// The failures that are not the clients' fault.
    pub fn failures(&self) -> u64 {
        self.errors().filter(|(reason, _)| !reason.is_the_clients()).map(|(_, count)| count).sum()
    }

    fn value_of(&self, reason: ErrorReason) -> Value<'static> {
        Value::Count(self.errors_of(reason))
    }

    fn by_reason(&self) -> Value<'static> {
        Value::ByWord("reason", self.errors().map(|(reason, n)| (reason.name(), n)).collect())
    }

    fn answers(&self) -> Value<'static> {
        Value::ByWord("class", CLASSES.into_iter().zip(self.answers).collect())
    }
}
