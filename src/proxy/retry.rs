//! May a failed request be sent once more, on a fresh connection?

use super::{Failure, Phase, ProxyError};

/// What is still known of the request when it failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay {
    /// Executing it twice does no harm.
    pub is_idempotent: bool,
    /// Every byte of the body that was read is still in memory.
    pub body_is_kept: bool,
    /// How often it has been sent before.
    pub retries: u32,
}

/// The rule of DESIGN 4: a stale connection is our problem, not the client's.
///
/// * FORWARD_REQUEST not completely written: the backend cannot have acted, so any method.
/// * Written, on a reused connection that died before the first byte of a response: idempotent
///   methods, since the backend may have acted.
/// * Anything else: no. A timeout above all: the backend is at work.
pub(super) fn allowed(failure: &Failure, replay: Replay) -> bool {
    if replay.retries >= MOST || !replay.body_is_kept {
        return false;
    }
    match (&failure.error, failure.phase) {
        (ProxyError::Died(_), Phase::Request) => true,
        (ProxyError::Died(_), Phase::FirstByte) => failure.reused && replay.is_idempotent,
        _ => false,
    }
}

/// One fresh connection shows whether the old one was the trouble.
const MOST: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KEPT: Replay = Replay { is_idempotent: true, body_is_kept: true, retries: 0 };

    fn died(phase: Phase, reused: bool) -> Failure {
        Failure { error: ProxyError::Died(None), phase, usage: None, reused }
    }

    #[test]
    fn a_request_that_was_not_completely_written_is_sent_again_whatever_its_method() {
        let post = Replay { is_idempotent: false, ..KEPT };
        assert!(allowed(&died(Phase::Request, true), post));
    }

    #[test]
    fn a_written_request_is_sent_again_only_if_idempotent_and_on_a_reused_connection() {
        assert!(allowed(&died(Phase::FirstByte, true), KEPT));
        assert!(!allowed(&died(Phase::FirstByte, false), KEPT));
        assert!(!allowed(&died(Phase::FirstByte, true), Replay { is_idempotent: false, ..KEPT }));
    }

    #[test]
    fn nothing_is_sent_again_after_a_byte_of_the_response_a_lost_body_or_a_retry() {
        assert!(!allowed(&died(Phase::Headers, true), KEPT));
        assert!(!allowed(&died(Phase::Body, true), KEPT));
        assert!(!allowed(&died(Phase::FirstByte, true), Replay { body_is_kept: false, ..KEPT }));
        assert!(!allowed(&died(Phase::FirstByte, true), Replay { retries: 1, ..KEPT }));
    }

    #[test]
    fn a_request_that_timed_out_is_never_sent_again() {
        let timed_out = Failure {
            error: ProxyError::TimedOut { after: Duration::from_secs(1) },
            ..died(Phase::FirstByte, true)
        };
        assert!(!allowed(&timed_out, KEPT));
    }
}
