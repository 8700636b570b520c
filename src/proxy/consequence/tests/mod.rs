//! The table of docs/reference.md ("What follows from a failure"), row by row, and what else a
//! consequence depends on.

mod last_error;
mod log;
mod member;
mod reply;

use std::time::Duration;

use super::*;
use crate::backend::{AcquireFailure, NoListener, PingError, Usage, key_of};
use crate::exchange::ExchangeError;
use crate::net::{ConnectError, NetError, ResolveError};
use crate::pool::AcquireError;
use crate::protocol::EncodeError;
use crate::proxy::{BodyError, ClientError, Phase, ProxyError, RequestError};
use crate::shared::AtLimit;

const AFTER: Duration = Duration::from_secs(1);

// Failures.

fn failed(error: impl Into<ProxyError>, phase: Phase) -> Failure {
    Failure { phase, ..Failure::before_connection(error) }
}

/// No connection.
fn unconnected(failure: AcquireFailure) -> Failure {
    Failure::before_connection(failure)
}

fn connect(source: ConnectError) -> Failure {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into();
    unconnected(AcquireFailure::Connect { address, source })
}

fn no_address() -> Failure {
    unconnected(AcquireFailure::NoAddress { host: "node1".into() })
}

fn unresolved() -> Failure {
    unconnected(AcquireFailure::Resolve(ResolveError::Empty { host: "node1".into() }))
}

fn busy() -> Failure {
    unconnected(AcquireFailure::Busy(AcquireError::Busy { max: 1, waited: AFTER }))
}

fn no_inbound_connection(is_gone: bool) -> Failure {
    let listener = "127.0.0.1:9100".into();
    unconnected(AcquireFailure::NoInboundConnection { listener, waited: AFTER, is_gone })
}

fn at_limit() -> Failure {
    Failure::before_connection(AtLimit { limit: 1 })
}

fn no_cpong() -> Failure {
    unconnected(AcquireFailure::Ping(PingError::Closed))
}

fn died(phase: Phase) -> Failure {
    failed(ProxyError::ConnectionClosed(Some(NetError::Reset)), phase)
}

fn timed_out(phase: Phase) -> Failure {
    failed(ProxyError::TimedOut { after: AFTER }, phase)
}

fn listed(status: u16, failure: StatusFailure) -> Failure {
    let error = ProxyError::FailStatus { status, failure };
    elsewhere(failed(error, Phase::Headers))
}

fn not_ajp(error: ExchangeError) -> Failure {
    failed(error, Phase::Headers)
}

fn too_large(status: u16) -> Failure {
    let (packet, limit) = (9000, 8192);
    Failure::before_connection(ProxyError::RequestTooLarge { packet, limit, status })
}

/// Another member may be asked.
fn elsewhere(failure: Failure) -> Failure {
    Failure { may_go_elsewhere: true, ..failure }
}

// Facts.

/// A member of a balancer, with nothing set and nothing counted.
fn member() -> Facts<'static> {
    let member = MemberFacts { is_member: true, ..MemberFacts::default() };
    Facts { member, ..Facts::default() }
}

fn of_member(failure: &Failure) -> Consequence {
    Consequence::of(failure, &member())
}

/// A worker outside a balancer.
fn of_worker(failure: &Failure) -> Consequence {
    Consequence::of(failure, &Facts::default())
}

fn of_begun(failure: &Failure) -> Consequence {
    Consequence::of(failure, &Facts { has_begun: true, ..member() })
}

fn of_probe(failure: &Failure) -> Consequence {
    let facts = member();
    let probed = MemberFacts { is_probed: true, ..facts.member };
    Consequence::of(failure, &Facts { member: probed, ..facts })
}

// The table.

/// A row of the document, with the failures that it is about.
struct DocumentedRow {
    /// The first cell.
    what: &'static str,
    failures: Vec<Failure>,
    /// For a worker outside a balancer, before anything was sent to the client.
    reply: Reply,
    /// For a balancer member.
    mark: Mark,
}

fn row(what: &'static str, failures: Vec<Failure>, reply: Reply, mark: Mark) -> DocumentedRow {
    DocumentedRow { what, failures, reply, mark }
}

fn documented() -> Vec<DocumentedRow> {
    use Mark::{Error, Nothing, Transient};
    use Reply::Status;
    let timeout = ConnectError::TimedOut { after: AFTER };
    let other = ConnectError::Io(rustix::io::Errno::HOSTUNREACH);
    vec![
        row(
            "connection refused or timed out, or the name has no address",
            vec![
                connect(ConnectError::Refused),
                connect(ConnectError::SelfConnection),
                connect(timeout),
                connect(other),
                no_address(),
                unresolved(),
            ],
            Status(503),
            Error,
        ),
        row(
            "no connection within `acquire`, or `busylimit` reached",
            vec![busy(), at_limit()],
            Status(503),
            Transient,
        ),
        row(
            "[reverse connections](reverse.md): the container opened none within `acquire`",
            vec![
                no_inbound_connection(false),
                no_inbound_connection(true),
                no_listener(),
                no_descriptor(),
            ],
            Status(503),
            Transient,
        ),
        row("a new connection does not answer CPING", vec![no_cpong()], Status(503), Error),
        row(
            "the connection died before the request was completely sent",
            vec![died(Phase::Request)],
            Status(502),
            Nothing,
        ),
        row(
            "the connection died before the first byte of the response",
            vec![died(Phase::FirstByte)],
            Status(502),
            Nothing,
        ),
        row(
            "the connection died later, but before the client was given anything of the response",
            vec![died(Phase::Headers), died(Phase::HeadersOnly)],
            Status(502),
            Nothing,
        ),
        row(
            "nothing from the backend for `timeout` or `replytimeout`, before the headers",
            vec![timed_out(Phase::FirstByte), timed_out(Phase::Headers)],
            Status(504),
            Nothing,
        ),
        row(
            "the backend accepted no more of the request for `timeout`",
            vec![failed(ProxyError::SendTimedOut { after: AFTER }, Phase::Request)],
            Status(504),
            Nothing,
        ),
        row(
            "the backend sent something that is not AJP, or in the wrong order, or the rest of a packet did not arrive within `timeout`",
            vec![
                not_ajp(ExchangeError::UnexpectedCPong),
                not_ajp(ExchangeError::HeadersTwice),
                failed(ProxyError::PartialPacket { after: AFTER }, Phase::Headers),
            ],
            Status(502),
            Nothing,
        ),
        row(
            "the body is longer or shorter than the backend's Content-Length",
            vec![not_ajp(ExchangeError::LengthMismatch { announced: 3, received: 2 })],
            Status(502),
            Nothing,
        ),
        row(
            "the request does not fit in a packet",
            vec![too_large(431), request(EncodeError::TooManyHeaders { count: 70_000 }.into())],
            Status(431),
            Nothing,
        ),
        row(
            "a Transfer-Encoding other than `chunked`, one together with a Content-Length, or a Content-Length that is not a number",
            vec![
                request(BodyError::TransferEncoding.into()),
                request(BodyError::Both.into()),
                request(BodyError::ContentLength.into()),
            ],
            Status(400),
            Nothing,
        ),
        row("the client is gone", vec![client(ClientError::Gone)], Reply::Nothing, Nothing),
        row(
            "an input filter of httpd delivers nothing of the request's body for `Timeout`",
            vec![client(ClientError::BodyWithheld { after: AFTER })],
            Status(408),
            Nothing,
        ),
        row(
            "an output filter of httpd fails on the response, while the client is still there",
            vec![failed(ClientError::FilterFailed { code: 20014 }, Phase::Body)],
            Status(500),
            Transient,
        ),
        row(
            "the client sends less than it announced, or too slowly",
            vec![client(ClientError::BodyTooShort { missing: 1 }), client(refused(400))],
            Status(400),
            Nothing,
        ),
        row(
            "an internal error of this module",
            vec![Failure::before_connection(ProxyError::Internal)],
            Status(500),
            Transient,
        ),
    ]
}

fn no_listener() -> Failure {
    unconnected(AcquireFailure::NoListener(NoListener::NoPort))
}

fn no_descriptor() -> Failure {
    unconnected(AcquireFailure::NoWaker(NetError::Io(rustix::io::Errno::MFILE)))
}

fn request(error: RequestError) -> Failure {
    Failure::before_connection(error)
}

fn client(error: ClientError) -> Failure {
    failed(error, Phase::FirstByte)
}

fn refused(status: u16) -> ClientError {
    ClientError::BodyRefused { status }
}

/// Every failure of the table, and those that have no row of their own there.
fn all() -> Vec<Failure> {
    let mut all: Vec<_> = documented().into_iter().flat_map(|row| row.failures).collect();
    all.extend([
        timed_out(Phase::HeadersOnly),
        timed_out(Phase::Body),
        died(Phase::Body),
        client(ClientError::Answered),
        client(refused(408)),
        listed(500, StatusFailure::Hard),
        listed(503, StatusFailure::Soft),
    ]);
    all
}

#[test]
fn each_row_of_the_document_agrees_with_the_code() {
    for DocumentedRow { what, failures, reply, mark } in documented() {
        for failure in failures {
            assert_eq!(of_worker(&failure).reply, reply, "{what}: {failure:?}");
            assert_eq!(of_member(&failure).reply, reply, "{what}: {failure:?}");
            assert_eq!(of_member(&failure).mark, mark, "{what}: {failure:?}");
        }
    }
}

#[test]
fn the_document_has_each_of_these_rows_with_the_same_content() {
    let document = include_str!("../../../../docs/reference.md");
    for DocumentedRow { what, reply, mark, .. } in documented() {
        let line = document.lines().find(|line| line.starts_with(&format!("| {what} |")));
        let line = line.unwrap_or_else(|| panic!("docs/reference.md has no row: {what}"));
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let says = match reply {
            Reply::Status(status) => status.to_string(),
            _ => "nothing".into(),
        };
        assert!(cells[1].contains(&says), "{what}: the client gets {says}");
        let says = if mark == Mark::Error { "in error for `retry`" } else { "unchanged" };
        assert!(cells[2].starts_with(says), "{what}: the member is {says}");
    }
}

#[test]
fn each_reason_of_the_counters_has_a_failure() {
    for reason in ErrorReason::ALL {
        assert!(all().iter().any(|failure| failure.reason() == reason), "{reason:?}");
    }
}

// The connection.

#[test]
fn the_side_that_ended_the_connection_decides_what_the_backend_learns() {
    for failure in all() {
        let expected = match failure.reason() {
            ErrorReason::ClosedBeforeResponse | ErrorReason::ClosedMidResponse => Party::Backend,
            _ if matches!(failure.error, ProxyError::Client(_) | ProxyError::Request(_)) => {
                Party::Client
            }
            _ => Party::Module,
        };
        assert_eq!(failure.ended_by(), expected, "{failure:?}");
    }
}
