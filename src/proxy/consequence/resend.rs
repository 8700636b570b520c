//! Decides whether and where a failed request is resent.

use super::table::{ResendRule, Row};
use crate::backend::AcquireFailure;
use crate::proxy::{Failure, Phase};

/// The facts about the request when it failed.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Replay {
    /// Whether executing it twice does no harm.
    pub is_idempotent: bool,
    /// The rule of `recovery` for it; `None`: it is not set.
    pub after_send: Option<bool>,
    /// Whether every byte of the body that was read is still in memory.
    pub body_is_kept: bool,
    /// How often it may be resent to this backend. A resend after an incomplete write and one after a
    /// possible execution are counted separately.
    pub retries_left: u32,
    /// How often it may be resent, to this backend or another one, after a backend may have executed
    /// it.
    pub repeats_left: u32,
    /// Whether there are other backends, members of the same balancer.
    pub has_others: bool,
    /// Whether there have been none, either.
    pub is_alone: bool,
}

/// Whether the backend may have executed it. Not if the request was not completely written, and not if
/// the backend answered with a status that counts as a failure.
pub(in crate::proxy) fn may_have_acted(failure: &Failure) -> bool {
    match Row::of(&failure.error, failure.phase).resend {
        ResendRule::Listed => false,
        ResendRule::Never | ResendRule::Connecting | ResendRule::Broken | ResendRule::Silent => {
            match failure.phase {
                Phase::Connect | Phase::Request => false,
                Phase::FirstByte | Phase::Headers | Phase::HeadersOnly | Phase::Body => true,
            }
        }
    }
}

/// Whether connecting may be tried again. Not if all connections are in use: the request has waited in
/// its turn.
pub(in crate::proxy) fn may_connect_again(failure: &AcquireFailure) -> bool {
    match Row::of_acquire(failure).resend {
        ResendRule::Connecting => true,
        ResendRule::Never | ResendRule::Broken | ResendRule::Silent | ResendRule::Listed => false,
    }
}

/// Whether it may be resent to the same backend, on a new connection.
///
/// A stale connection must not be the client's problem, nor a backend that goes down:
/// * FORWARD_REQUEST was not completely written: the backend cannot have executed it, so any method;
///   once for a stale connection, whatever `retries` says.
/// * It was written, but the connection died before the first byte of a response: idempotent methods,
///   since the backend may have executed it. If a new connection died, the backend is more likely at
///   fault than if an old one did: then another backend gets the request, if there is one.
/// * If `recovery` allows it: only if there is no other member, so that none gets it twice.
/// * Any other failure: no. Above all not after a timeout: the backend is at work.
pub(in crate::proxy) fn same_backend(failure: &Failure, replay: Replay) -> bool {
    match Row::of(&failure.error, failure.phase).resend {
        ResendRule::Never | ResendRule::Connecting | ResendRule::Silent | ResendRule::Listed => {
            false
        }
        ResendRule::Broken => {
            replay.body_is_kept
                && match failure.phase {
                    Phase::Request => replay.retries_left > 0 || failure.reused,
                    Phase::FirstByte => replay.may_repeat_at_same_backend(failure.reused),
                    Phase::Connect | Phase::Headers | Phase::HeadersOnly | Phase::Body => false,
                }
        }
    }
}

/// Whether it may be sent to another member of the balancer. A request that was not completely written
/// may. If the connection died before the client was told of a response, the rule above applies, also
/// between the headers and the rest: Tomcat sends them separately, and may be stopped in between. After
/// a timeout, it may only before the headers, only if `recovery` allows it, and never to the same
/// member. A request that may have been executed is resent no more often than is left over all members.
/// Not consulted if no connection was obtained.
pub(in crate::proxy) fn other_backend(failure: &Failure, replay: Replay) -> bool {
    if !replay.has_others || !replay.body_is_kept {
        return false;
    }
    if may_have_acted(failure) && replay.repeats_left == 0 {
        return false;
    }
    match Row::of(&failure.error, failure.phase).resend {
        ResendRule::Never | ResendRule::Connecting => false,
        ResendRule::Listed => true,
        ResendRule::Broken => match failure.phase {
            Phase::Request => true,
            Phase::FirstByte | Phase::Headers | Phase::HeadersOnly => {
                replay.after_send.unwrap_or(replay.is_idempotent)
            }
            Phase::Connect | Phase::Body => false,
        },
        ResendRule::Silent => match failure.phase {
            Phase::FirstByte | Phase::Headers => replay.after_send == Some(true),
            Phase::Connect | Phase::Request | Phase::HeadersOnly | Phase::Body => false,
        },
    }
}

impl Replay {
    fn may_repeat_at_same_backend(self, reused: bool) -> bool {
        let is_its_turn = match self.after_send {
            Some(allowed) => allowed && self.is_alone,
            None => self.is_idempotent && (reused || !self.has_others),
        };
        is_its_turn && self.retries_left.min(self.repeats_left) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StatusFailure;
    use crate::exchange::ExchangeError;
    use crate::pool::AcquireError;
    use crate::proxy::{ClientError, ProxyError};
    use std::time::Duration;

    const KEPT: Replay = Replay {
        is_idempotent: true,
        after_send: None,
        body_is_kept: true,
        retries_left: 1,
        repeats_left: 1,
        has_others: true,
        is_alone: false,
    };
    const POST: Replay = Replay { is_idempotent: false, ..KEPT };

    fn failed(error: ProxyError, phase: Phase, reused: bool) -> Failure {
        Failure { error, phase, usage: None, reused, may_go_elsewhere: false }
    }

    fn died(phase: Phase, reused: bool) -> Failure {
        failed(ProxyError::ConnectionClosed(None), phase, reused)
    }

    fn timed_out() -> Failure {
        failed(ProxyError::TimedOut { after: Duration::from_secs(1) }, Phase::FirstByte, true)
    }

    #[test]
    fn a_request_that_was_not_completely_written_is_resent_whatever_its_method() {
        assert!(same_backend(&died(Phase::Request, true), POST));
    }

    #[test]
    fn a_written_request_is_resent_only_if_idempotent() {
        assert!(same_backend(&died(Phase::FirstByte, true), KEPT));
        assert!(!same_backend(&died(Phase::FirstByte, true), POST));
        assert!(!other_backend(&died(Phase::FirstByte, true), POST));
    }

    #[test]
    fn after_a_new_connection_died_another_backend_gets_the_request_if_there_is_one() {
        assert!(!same_backend(&died(Phase::FirstByte, false), KEPT));
        assert!(other_backend(&died(Phase::FirstByte, false), KEPT));
        let alone = Replay { has_others: false, ..KEPT };
        assert!(same_backend(&died(Phase::FirstByte, false), alone));
        assert!(!other_backend(&died(Phase::FirstByte, false), alone));
    }

    #[test]
    fn nothing_is_resent_after_a_byte_of_the_response_a_lost_body_or_the_last_retry() {
        let open = Replay { after_send: Some(true), ..KEPT };
        assert!(!same_backend(&died(Phase::Headers, true), open));
        assert!(!same_backend(&died(Phase::Body, true), open));
        assert!(!same_backend(
            &died(Phase::FirstByte, true),
            Replay { body_is_kept: false, ..open }
        ));
        assert!(!same_backend(&died(Phase::FirstByte, true), Replay { retries_left: 0, ..open }));
    }

    #[test]
    fn headers_that_no_body_followed_leave_an_idempotent_request_to_another_backend() {
        assert!(other_backend(&died(Phase::HeadersOnly, true), KEPT));
        assert!(!other_backend(&died(Phase::HeadersOnly, true), POST));
        assert!(!same_backend(&died(Phase::HeadersOnly, true), KEPT));
        let silent = failed(timed_out().error, Phase::HeadersOnly, true);
        assert!(!other_backend(&silent, Replay { after_send: Some(true), ..KEPT }));
    }

    #[test]
    fn recovery_alone_decides_about_a_request_that_was_sent() {
        let open = Replay { after_send: Some(true), ..POST };
        let alone = Replay { has_others: false, is_alone: true, ..open };
        assert!(same_backend(&died(Phase::FirstByte, false), alone));
        let shut = Replay { after_send: Some(false), ..KEPT };
        assert!(!same_backend(&died(Phase::FirstByte, true), shut));
        assert!(same_backend(&died(Phase::Request, true), shut), "it was not sent");
    }

    #[test]
    fn with_recovery_no_member_gets_a_request_twice_not_even_the_last() {
        let open = Replay { after_send: Some(true), ..KEPT };
        for reused in [true, false] {
            assert!(!same_backend(&died(Phase::FirstByte, reused), open));
            assert!(other_backend(&died(Phase::FirstByte, reused), open));
            let last = Replay { has_others: false, ..open };
            assert!(!same_backend(&died(Phase::FirstByte, reused), last));
        }
    }

    #[test]
    fn resends_after_a_possible_execution_are_limited_over_all_members_and_others_are_not() {
        let spent = Replay { after_send: Some(true), repeats_left: 0, ..KEPT };
        for phase in [Phase::FirstByte, Phase::Headers, Phase::HeadersOnly] {
            assert!(!same_backend(&died(phase, true), spent), "{phase:?}");
            assert!(!other_backend(&died(phase, true), spent), "{phase:?}");
        }
        assert!(!other_backend(&timed_out(), spent));
        assert!(!same_backend(&died(Phase::FirstByte, true), Replay { after_send: None, ..spent }));
        assert!(other_backend(&died(Phase::Request, false), spent));
        let listed = ProxyError::FailStatus { status: 503, failure: StatusFailure::Hard };
        assert!(other_backend(&failed(listed, Phase::Headers, true), spent));
    }

    #[test]
    fn without_retries_a_written_request_goes_elsewhere_and_a_stale_connection_is_replaced() {
        let none = Replay { retries_left: 0, ..KEPT };
        assert!(!same_backend(&died(Phase::FirstByte, true), none));
        assert!(other_backend(&died(Phase::FirstByte, true), none));
        let post = Replay { retries_left: 0, ..POST };
        assert!(same_backend(&died(Phase::Request, true), post));
        assert!(!same_backend(&died(Phase::Request, false), post));
    }

    #[test]
    fn connecting_is_tried_again_unless_all_connections_are_in_use() {
        let refused = AcquireFailure::NoAddress { host: "node1".into() };
        assert!(may_connect_again(&refused));
        let waited = Duration::from_secs(1);
        let busy = AcquireFailure::Busy(AcquireError::Busy { max: 1, waited });
        assert!(!may_connect_again(&busy));
    }

    #[test]
    fn a_failure_of_the_client_or_of_the_protocol_causes_no_resend() {
        let open = Replay { after_send: Some(true), ..KEPT };
        for error in [ClientError::Gone.into(), ExchangeError::HeadersTwice.into()] {
            let failure = failed(error, Phase::Headers, true);
            assert!(!same_backend(&failure, open), "{failure:?}");
            assert!(!other_backend(&failure, open), "{failure:?}");
        }
    }

    #[test]
    fn a_request_that_timed_out_is_never_resent_to_the_same_backend() {
        let open = Replay { after_send: Some(true), ..KEPT };
        assert!(!same_backend(&timed_out(), open));
        assert!(other_backend(&timed_out(), open));
        assert!(!other_backend(&timed_out(), KEPT), "nor to another without recovery");
    }

    #[test]
    fn no_backend_is_tried_once_the_client_has_headers_or_the_body_is_gone() {
        let open = Replay { after_send: Some(true), ..KEPT };
        assert!(!other_backend(&died(Phase::Body, true), open));
        assert!(!other_backend(
            &died(Phase::FirstByte, true),
            Replay { body_is_kept: false, ..open }
        ));
        assert!(other_backend(&died(Phase::FirstByte, false), open));
    }
}
