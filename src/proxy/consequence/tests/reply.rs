//! What the client gets.

use super::*;

#[test]
fn a_response_that_has_begun_is_cut_and_never_looks_complete() {
    for failure in all() {
        let expected = match of_worker(&failure).reply {
            Reply::Status(_) => Reply::Cut,
            reply => reply,
        };
        let consequence = of_begun(&failure);
        assert_eq!(consequence.reply, expected, "{failure:?}");
        assert_ne!(consequence.mark, Mark::Transient, "mod_proxy marks for no cut: {failure:?}");
    }
}

#[test]
fn a_backend_s_fault_is_never_a_500() {
    for failure in all() {
        let reason = failure.reason();
        let is_ours = reason.is_the_clients() || reason == ErrorReason::Internal;
        if !is_ours && reason != ErrorReason::FailStatus {
            assert_ne!(of_worker(&failure).reply, Reply::Status(500), "{failure:?}");
        }
    }
}

#[test]
fn another_member_answers_if_it_may_and_else_the_failure_s_own_status_applies() {
    let consequence = of_member(&elsewhere(died(Phase::FirstByte)));
    assert_eq!(consequence.reply, Reply::Elsewhere(502));
    assert_eq!(consequence.reply.status(), Some(503), "mod_proxy's word for another member");
    assert_eq!(consequence.reply.instead_of_503(), Some(502));
    assert_eq!(consequence.mark, Mark::Transient);
    assert_eq!(of_worker(&elsewhere(died(Phase::FirstByte))).reply, Reply::Status(502));
    assert_eq!(of_begun(&elsewhere(died(Phase::FirstByte))).reply, Reply::Cut);
}

#[test]
fn a_reply_that_is_for_no_other_member_replaces_no_503() {
    for failure in [busy(), died(Phase::FirstByte), died(Phase::Body), client(ClientError::Gone)] {
        assert_eq!(of_member(&failure).reply.instead_of_503(), None, "{failure:?}");
    }
    assert_eq!(of_begun(&died(Phase::Body)).reply.status(), None);
}

#[test]
fn a_client_is_told_to_come_back_if_a_container_has_to_connect() {
    for failure in all() {
        let is_about_a_container = failure.reason() == ErrorReason::NoInboundConnection;
        // No descriptor left is no matter of the container's.
        let expected = is_about_a_container
            && !matches!(failure.error, ProxyError::Acquire(AcquireFailure::NoWaker(_)));
        assert_eq!(of_member(&failure).notes.retry_soon, expected, "{failure:?}");
    }
}

#[test]
fn httpd_s_error_page_says_that_a_name_cannot_be_resolved() {
    for failure in all() {
        let is_dns = matches!(failure.error, ProxyError::Acquire(AcquireFailure::Resolve(_)));
        let expected = is_dns.then_some("DNS lookup failure");
        assert_eq!(of_worker(&failure).notes.error, expected, "{failure:?}");
    }
}
