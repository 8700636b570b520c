//! What counts against a worker, and what is kept of its last error.

use rustix::io::Errno;

use super::*;
use crate::stats::{ErrorDetail, ErrorReason};

#[test]
fn what_the_client_or_too_few_connections_cause_does_not_count_against_a_worker() {
    for failure in all() {
        let excused = [
            ErrorReason::Client,
            ErrorReason::Busy,
            ErrorReason::BusyLimit,
            ErrorReason::RequestTooLarge,
            ErrorReason::Internal,
        ];
        if excused.contains(&failure.reason()) {
            assert!(!failure.is_of_worker(), "{failure:?}");
        } else if failure.reason() != ErrorReason::NoInboundConnection {
            assert!(failure.is_of_worker(), "{failure:?}");
        }
    }
    assert!(no_inbound_connection(true).is_of_worker(), "no container is there");
    assert!(!no_inbound_connection(false).is_of_worker(), "its connections are in use");
}

#[test]
fn what_is_known_of_an_error_is_kept_beside_its_reason() {
    let errno = |errno: Errno| ErrorDetail(u16::try_from(errno.raw_os_error()).unwrap());
    assert_eq!(connect(ConnectError::Refused).detail(), errno(Errno::CONNREFUSED));
    assert_eq!(connect(ConnectError::NoFile).detail(), errno(Errno::NOENT));
    let no_route = ConnectError::Io(Errno::HOSTUNREACH);
    assert_eq!(connect(no_route).detail(), errno(Errno::HOSTUNREACH));
    assert_eq!(listed(503, StatusFailure::Hard).detail(), ErrorDetail(503));
    assert_eq!(no_inbound_connection(true).detail(), ErrorDetail(1));
    assert_eq!(no_cpong().detail(), ErrorDetail(0));
}
