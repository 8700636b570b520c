//! What is logged and counted.

use std::time::Instant;

use super::*;

#[test]
fn each_failure_has_its_word_and_its_level() {
    use ErrorReason as Reason;
    use Level::{Error, Info, Warning};
    let rows = [
        (unresolved(), Reason::Resolve, Error),
        (no_address(), Reason::Resolve, Error),
        (connect(ConnectError::Refused), Reason::Connect, Error),
        (connect(ConnectError::NoFile), Reason::Connect, Error),
        (connect(ConnectError::TimedOut { after: AFTER }), Reason::ConnectTimeout, Error),
        (no_cpong(), Reason::Cping, Error),
        (busy(), Reason::Busy, Warning),
        (no_inbound_connection(false), Reason::NoInboundConnection, Warning),
        (no_inbound_connection(true), Reason::NoInboundConnection, Error),
        (no_listener(), Reason::NoInboundConnection, Error),
        (no_descriptor(), Reason::NoInboundConnection, Error),
        (at_limit(), Reason::BusyLimit, Warning),
        (died(Phase::Request), Reason::ClosedBeforeResponse, Error),
        (died(Phase::FirstByte), Reason::ClosedBeforeResponse, Error),
        (died(Phase::Headers), Reason::ClosedMidResponse, Error),
        (died(Phase::HeadersOnly), Reason::ClosedMidResponse, Error),
        (died(Phase::Body), Reason::ClosedMidResponse, Error),
        (timed_out(Phase::FirstByte), Reason::ReplyTimeout, Error),
        (
            failed(ProxyError::SendTimedOut { after: AFTER }, Phase::Request),
            Reason::SendTimeout,
            Error,
        ),
        (
            failed(ProxyError::PartialPacket { after: AFTER }, Phase::Headers),
            Reason::PartialPacket,
            Error,
        ),
        (not_ajp(ExchangeError::HeadersTwice), Reason::Protocol, Error),
        (too_large(431), Reason::RequestTooLarge, Warning),
        (listed(500, StatusFailure::Hard), Reason::FailStatus, Error),
        (listed(500, StatusFailure::Soft), Reason::FailStatus, Warning),
        (client(ClientError::Gone), Reason::Client, Info),
        (client(ClientError::Answered), Reason::Client, Info),
        (client(refused(408)), Reason::Client, Info),
        (client(ClientError::BodyTooShort { missing: 1 }), Reason::Client, Info),
        (request(BodyError::Both.into()), Reason::Client, Info),
        (client(ClientError::BodyWithheld { after: AFTER }), Reason::Internal, Warning),
        (failed(ClientError::FilterFailed { code: 1 }, Phase::Body), Reason::Internal, Warning),
        (Failure::before_connection(ProxyError::Internal), Reason::Internal, Error),
    ];
    for (failure, reason, level) in rows {
        let consequence = of_worker(&failure);
        assert_eq!((consequence.reason, consequence.level()), (reason, level), "{failure:?}");
    }
}

#[test]
fn failures_that_a_client_can_cause_at_will_differ_from_those_that_need_another_fault() {
    for (failure, kind) in [
        (busy(), Some(WarningKind::Busy)),
        (at_limit(), Some(WarningKind::Busy)),
        (no_inbound_connection(false), Some(WarningKind::Busy)),
        (no_inbound_connection(true), None),
        (too_large(414), Some(WarningKind::RequestTooLarge)),
        (listed(404, StatusFailure::Soft), Some(WarningKind::FailStatus)),
        (listed(404, StatusFailure::Hard), Some(WarningKind::FailStatus)),
        (client(ClientError::FilterFailed { code: 1 }), Some(WarningKind::Filter)),
        (client(ClientError::BodyWithheld { after: AFTER }), Some(WarningKind::Filter)),
        (client(ClientError::BodyTooShort { missing: 1 }), None),
        (died(Phase::FirstByte), None),
        (timed_out(Phase::FirstByte), None),
        (no_cpong(), None),
    ] {
        assert_eq!(of_worker(&failure).at_will, kind, "{failure:?}");
    }
}

#[test]
fn a_backend_that_the_client_s_url_names_fails_as_the_client_likes() {
    let chosen = Facts { is_chosen_by_client: true, ..member() };
    let at_will = |failure| Consequence::of(&failure, &chosen).at_will;
    assert_eq!(at_will(died(Phase::FirstByte)), Some(WarningKind::ChosenBackend));
    assert_eq!(at_will(busy()), Some(WarningKind::Busy));
    assert_eq!(at_will(client(ClientError::Gone)), None, "nobody reads that line anyway");
}

fn line(failure: &Failure, consequence: &Consequence) -> String {
    line_before(NextMember::Tried, failure, consequence)
}

fn line_before(next_member: NextMember, failure: &Failure, consequence: &Consequence) -> String {
    let (name, now) = (&key_of("10.0.0.7", 8009).to_string(), Instant::now());
    FailureLine { name, failure, consequence, request: "GET /app/x", next_member, now }.to_string()
}

#[test]
fn the_line_names_the_backend_the_failure_the_connection_the_request_and_the_next_step() {
    let opened = Instant::now();
    let usage = Some(Usage { opened, requests: 12, sent: 412, received: 0 });
    let failure = Failure { usage, reused: true, ..died(Phase::FirstByte) };
    let consequence = &of_worker(&failure);
    let line = FailureLine {
        name: "ajp://10.0.0.7:8009",
        failure: &failure,
        consequence,
        request: "GET /app/x",
        next_member: NextMember::NotTried,
        now: opened + Duration::from_millis(40_210),
    };
    assert_eq!(
        line.to_string(),
        "ajp://10.0.0.7:8009: the backend closed the connection: the peer has reset the connection \
         while waiting for the response (reused connection, 40210 ms old, request 12 on it, 412 \
         bytes sent, 0 received); GET /app/x; answering 502"
    );
    let new = Failure { reused: false, ..failure };
    assert!(self::line(&new, consequence).contains(" (new connection, "));
}

#[test]
fn the_line_of_a_request_that_is_at_fault_itself_names_no_backend() {
    let failure = request(BodyError::TransferEncoding.into());
    assert_eq!(
        line(&failure, &of_member(&failure)),
        "request refused with 400, nothing was sent: the request has a Transfer-Encoding other than \
         \"chunked\"; GET /app/x"
    );
}

#[test]
fn the_line_names_the_next_step() {
    let next = |failure: &Failure, consequence: Consequence| {
        let line = line(failure, &consequence);
        line.split_once("; GET /app/x; ").expect("what is next").1.to_owned()
    };
    let dead = connect(ConnectError::Refused);
    assert_eq!(next(&dead, of_member(&dead)), "trying another member");
    assert_eq!(next(&busy(), of_member(&busy())), "trying another member");
    assert_eq!(next(&dead, of_worker(&dead)), "answering 503");
    let silent = elsewhere(timed_out(Phase::HeadersOnly));
    assert_eq!(next(&silent, of_member(&silent)), "trying another member");
    let cut = died(Phase::Body);
    assert_eq!(next(&cut, of_begun(&cut)), "cutting the response off");
    let gone = client(ClientError::Gone);
    assert_eq!(next(&gone, of_member(&gone)), "giving up the request");
    let answered = client(ClientError::Answered);
    assert_eq!(next(&answered, of_member(&answered)), "giving up the request");
}

#[test]
fn the_line_of_the_last_member_says_that_none_is_left() {
    let dead = connect(ConnectError::Refused);
    let silent = elsewhere(timed_out(Phase::FirstByte));
    for (failure, status) in [(&dead, 503), (&silent, 504)] {
        let last = line_before(NextMember::NoneLeft, failure, &of_member(failure));
        let text = format!("; GET /app/x; no other member is left, answering {status}");
        assert!(last.ends_with(&text), "{last}");
        let not_tried = line_before(NextMember::NotTried, failure, &of_member(failure));
        assert!(not_tried.ends_with(&format!("; GET /app/x; answering {status}")), "{not_tried}");
    }
    let cut = died(Phase::Body);
    let line = line_before(NextMember::NoneLeft, &cut, &of_begun(&cut));
    assert!(line.ends_with("; cutting the response off"), "{line}");
}

#[test]
fn no_connection_is_not_said_twice() {
    let dead = connect(ConnectError::Refused);
    assert_eq!(
        line(&dead, &of_worker(&dead)),
        "ajp://10.0.0.7:8009: connecting to 127.0.0.1:1 failed: connection refused; GET /app/x; \
         answering 503"
    );
    for failure in
        [busy(), at_limit(), no_cpong(), too_large(431), listed(500, StatusFailure::Hard)]
    {
        let line = line(&failure, &of_member(&failure));
        assert!(!line.contains(" while "), "{line}");
    }
}

#[test]
fn the_line_of_a_timeout_says_what_was_waited_for_and_how_long_and_guesses_nothing() {
    for (phase, what) in [
        (Phase::FirstByte, "waiting for the response"),
        (Phase::Headers, "reading the response headers"),
        (Phase::HeadersOnly, "waiting for the response body"),
        (Phase::Body, "reading the response body"),
    ] {
        let failure = timed_out(phase);
        assert_eq!(
            line(&failure, &of_worker(&failure)),
            format!(
                "ajp://10.0.0.7:8009: no packet from the backend within 1s while {what}; GET /app/x; \
                 answering 504"
            )
        );
    }
}
