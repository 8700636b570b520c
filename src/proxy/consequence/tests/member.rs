//! What becomes of the member, and of a probe.

use std::cell::{Cell, RefCell};

use super::*;

#[test]
fn a_worker_outside_a_balancer_is_never_taken_out_of_service() {
    for failure in all() {
        assert_eq!(of_worker(&failure).mark, Mark::Nothing, "{failure:?}");
    }
}

#[test]
fn a_client_s_fault_never_puts_a_member_in_error() {
    for failure in all() {
        if failure.reason().is_the_clients() {
            let consequence = of_member(&failure);
            assert_eq!(consequence.mark, Mark::Nothing, "{failure:?}");
            assert_eq!(consequence.level(), Level::Info, "{failure:?}");
        }
    }
    for status in [500, 503] {
        let consequence = of_member(&client(refused(status)));
        assert_eq!(consequence.mark, Mark::Transient, "mod_proxy would mark it for {status}");
    }
}

#[test]
fn a_status_that_failstatus_lists_puts_the_member_in_error_and_a_soft_one_does_not() {
    let hard = of_member(&listed(500, StatusFailure::Hard));
    assert_eq!((hard.reply, hard.mark), (Reply::Elsewhere(500), Mark::Error));
    let soft = of_member(&listed(404, StatusFailure::Soft));
    assert_eq!((soft.reply, soft.mark), (Reply::Elsewhere(404), Mark::Transient));
}

#[test]
fn an_answer_that_is_no_other_member_s_counts_against_its_member_all_the_same() {
    assert_eq!(Consequence::of_answer(Some(StatusFailure::Hard)), Mark::Error);
    assert_eq!(Consequence::of_answer(Some(StatusFailure::Soft)), Mark::Nothing);
    assert_eq!(Consequence::of_answer(None), Mark::Nothing);
}

#[test]
fn with_failontimeout_mod_proxy_balancer_is_told_of_a_timeout_or_the_member_is_marked() {
    let facts = member();
    let fails = MemberFacts { fails_on_timeout: true, ..facts.member };
    let of = |failure| Consequence::of(&failure, &Facts { member: fails, ..facts });
    for failure in [
        timed_out(Phase::FirstByte),
        timed_out(Phase::Body),
        failed(ProxyError::SendTimedOut { after: AFTER }, Phase::Request),
    ] {
        let consequence = of(failure);
        assert!(consequence.notes.timed_out, "{consequence:?}");
        assert_eq!(consequence.mark, Mark::Nothing, "that is mod_proxy_balancer's to set");
    }
    let consequence = of(elsewhere(timed_out(Phase::FirstByte)));
    assert!(!consequence.notes.timed_out, "it would mark the member that answers in the end");
    assert_eq!(consequence.mark, Mark::Error);
    assert!(!of(died(Phase::FirstByte)).notes.timed_out);
    assert!(!of(connect(ConnectError::TimedOut { after: AFTER })).notes.timed_out);
    assert!(
        !of(failed(ProxyError::PartialPacket { after: AFTER }, Phase::Headers)).notes.timed_out
    );
}

#[test]
fn without_failontimeout_a_member_that_was_silent_is_as_before() {
    assert_eq!(of_member(&timed_out(Phase::FirstByte)).mark, Mark::Nothing);
    assert_eq!(of_member(&elsewhere(timed_out(Phase::FirstByte))).mark, Mark::Transient);
}

/// Counts as the shared memory does, and notes what was asked.
#[derive(Debug, Default)]
struct History {
    is_error: bool,
    timeouts: Cell<u32>,
    asked: RefCell<Vec<Option<Duration>>>,
}

impl MemberHistory for History {
    fn count_unreachable(&self, escalation: Option<Duration>) -> bool {
        self.asked.borrow_mut().push(escalation);
        self.is_error
    }

    fn count_reply_timeout(&self) -> u32 {
        self.timeouts.set(self.timeouts.get() + 1);
        self.timeouts.get()
    }

    fn forget_reply_timeouts(&self) {
        self.timeouts.set(0);
    }
}

fn with_history(failure: &Failure, member: MemberFacts<'_>, history: &History) -> Consequence {
    let member = MemberFacts { history: Some(history), ..member };
    Consequence::of(failure, &Facts { member, ..Facts::default() })
}

fn reply_timeout_limit(limit: u32) -> MemberFacts<'static> {
    MemberFacts { reply_timeout_limit: Some(limit), ..member().member }
}

#[test]
fn escalation_decides_whether_an_unreachable_member_is_in_error() {
    let escalation = Some(Duration::from_secs(30));
    let facts = MemberFacts { escalation, ..member().member };
    for (is_error, mark) in [(true, Mark::Error), (false, Mark::Transient)] {
        for failure in [connect(ConnectError::Refused), unresolved(), no_address(), no_cpong()] {
            let history = History { is_error, ..History::default() };
            assert_eq!(with_history(&failure, facts, &history).mark, mark, "{failure:?}");
            assert_eq!(*history.asked.borrow(), [escalation], "counted once");
        }
    }
}

#[test]
fn only_a_failure_to_reach_the_member_counts_for_escalation() {
    use ErrorReason::{Connect, ConnectTimeout, Cping, Resolve};
    for failure in all() {
        let history = History::default();
        let consequence = with_history(&failure, member().member, &history);
        let counts = matches!(consequence.reason, Connect | ConnectTimeout | Cping | Resolve);
        assert_eq!(history.asked.borrow().len(), usize::from(counts), "{failure:?}");
    }
}

#[test]
fn a_member_with_more_reply_timeouts_than_maxreplytimeouts_is_in_error_and_starts_again() {
    let history = History::default();
    let marks =
        || with_history(&timed_out(Phase::FirstByte), reply_timeout_limit(2), &history).mark;
    assert_eq!([marks(), marks(), marks()], [Mark::Nothing, Mark::Nothing, Mark::Error]);
    assert_eq!(marks(), Mark::Nothing);
}

#[test]
fn with_replytimeout_alone_the_first_reply_timeout_puts_the_member_in_error() {
    for failure in [
        timed_out(Phase::FirstByte),
        timed_out(Phase::Body),
        elsewhere(timed_out(Phase::FirstByte)),
    ] {
        let mark = with_history(&failure, reply_timeout_limit(0), &History::default()).mark;
        assert_eq!(mark, Mark::Error, "{failure:?}");
    }
}

#[test]
fn without_replytimeout_and_maxreplytimeouts_no_reply_timeout_is_counted() {
    let history = History::default();
    let consequence = with_history(&timed_out(Phase::Body), member().member, &history);
    assert_eq!(consequence.mark, Mark::Nothing);
    assert_eq!(history.timeouts.get(), 0);
}

#[test]
fn nothing_but_a_silent_backend_counts_as_a_reply_timeout() {
    for failure in all() {
        if failure.reason() != ErrorReason::ReplyTimeout {
            let history = History { timeouts: Cell::new(7), ..History::default() };
            let _ = with_history(&failure, reply_timeout_limit(0), &history);
            assert_eq!(history.timeouts.get(), 7, "{failure:?}");
        }
    }
}

#[test]
fn a_worker_outside_a_balancer_is_counted_and_not_marked() {
    let worker = MemberFacts { is_member: false, ..reply_timeout_limit(0) };
    let history = History { is_error: true, ..History::default() };
    for failure in [timed_out(Phase::FirstByte), connect(ConnectError::Refused)] {
        assert_eq!(with_history(&failure, worker, &history).mark, Mark::Nothing);
    }
    assert_eq!(history.asked.borrow().len(), 1);
    assert_eq!(history.timeouts.get(), 0, "one was too many");
}

// The probe.

#[test]
fn any_part_of_a_response_shows_that_the_member_has_recovered() {
    for phase in [Phase::Headers, Phase::HeadersOnly, Phase::Body] {
        for failure in [died(phase), timed_out(phase), failed(ClientError::Gone, phase)] {
            assert_eq!(of_probe(&failure).probe, ProbeResult::Recovered, "{failure:?}");
        }
    }
}

#[test]
fn a_request_that_is_at_fault_itself_says_nothing_about_the_member() {
    for failure in [
        client(ClientError::Gone),
        client(refused(413)),
        request(BodyError::Both.into()),
        Failure::before_connection(ProxyError::Internal),
    ] {
        assert_eq!(of_probe(&failure).probe, ProbeResult::Inconclusive, "{failure:?}");
    }
}

#[test]
fn a_probe_that_no_byte_answers_finds_the_member_down_and_leaves_it_in_error() {
    for failure in [
        busy(),
        at_limit(),
        no_inbound_connection(false),
        connect(ConnectError::Refused),
        elsewhere(died(Phase::Request)),
        elsewhere(timed_out(Phase::FirstByte)),
    ] {
        let consequence = of_probe(&failure);
        assert_eq!(consequence.probe, ProbeResult::StillDown, "{failure:?}");
        assert_eq!(consequence.mark, Mark::Error, "as it was: {failure:?}");
    }
    let consequence = of_probe(&died(Phase::FirstByte));
    assert_eq!(consequence.probe, ProbeResult::StillDown);
    assert_eq!(consequence.mark, Mark::Nothing, "502: mod_proxy leaves the mark that is there");
}

#[test]
fn a_probe_that_something_answers_is_marked_by_its_failure_alone() {
    let consequence = of_probe(&elsewhere(died(Phase::Headers)));
    assert_eq!(consequence.mark, Mark::Transient);
    let listed = of_probe(&listed(503, StatusFailure::Hard));
    assert_eq!((listed.probe, listed.mark), (ProbeResult::Recovered, Mark::Error));
}
