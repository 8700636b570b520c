// Over 500 lines: the tables of docs/balancing.md, row by row.
use proptest::prelude::*;

use super::*;
use crate::balance::Load;

/// A member, as a test describes it.
#[derive(Clone, Debug)]
struct Member {
    route: Option<&'static str>,
    redirect: Option<&'static str>,
    domain: Option<&'static str>,
    status: WorkerStatus,
    is_due: bool,
    is_probed: bool,
    /// Whether no other request is probing it.
    is_free: bool,
    lbset: i32,
    busy: u64,
    was_tried: bool,
}

const OK: WorkerStatus = WorkerStatus::INITIALIZED;
const ERROR: WorkerStatus = OK.with(WorkerStatus::IN_ERROR);
const DRAIN: WorkerStatus = OK.with(WorkerStatus::DRAIN);
const STOPPED: WorkerStatus = OK.with(WorkerStatus::STOPPED);
const DISABLED: WorkerStatus = OK.with(WorkerStatus::DISABLED);

fn member(route: &'static str, status: WorkerStatus) -> Member {
    Member {
        route: Some(route),
        redirect: None,
        domain: None,
        status,
        is_due: false,
        is_probed: true,
        is_free: true,
        lbset: 0,
        busy: 0,
        was_tried: false,
    }
}

impl Member {
    fn due(self) -> Self {
        Self { is_due: true, ..self }
    }

    fn probed_by_another(self) -> Self {
        Self { is_free: false, ..self }
    }

    fn redirect(self, redirect: &'static str) -> Self {
        Self { redirect: Some(redirect), ..self }
    }

    fn domain(self, domain: &'static str) -> Self {
        Self { domain: Some(domain), ..self }
    }

    fn tried(self) -> Self {
        Self { was_tried: true, ..self }
    }

    fn busy(self, busy: u64) -> Self {
        Self { busy, ..self }
    }

    fn lbset(self, lbset: i32) -> Self {
        Self { lbset, ..self }
    }
}

impl Members for Vec<Member> {
    fn count(&self) -> usize {
        self.len()
    }
    fn status(&self, member: usize) -> WorkerStatus {
        self[member].status
    }
    fn retry_is_due(&self, member: usize) -> bool {
        self[member].is_due
    }
    fn is_probed(&self, member: usize) -> bool {
        self[member].is_probed
    }
    fn lbset(&self, member: usize) -> i32 {
        self[member].lbset
    }
    fn load(&self, member: usize) -> Load {
        Load { busy: self[member].busy, factor: 100 }
    }
    fn was_tried(&self, member: usize) -> bool {
        self[member].was_tried
    }
    fn of_route(&self, route: &[u8]) -> Places {
        let has = |member: &usize| self[*member].route.is_some_and(|own| own.as_bytes() == route);
        (0..self.len()).filter(has).collect()
    }
    fn search_route(&self, route: &[u8]) -> Places {
        self.of_route(route)
    }
    fn redirect(&self, member: usize) -> Option<Vec<u8>> {
        self[member].redirect.map(|route| route.as_bytes().to_vec())
    }
    fn domain(&self, member: usize) -> Option<Vec<u8>> {
        self[member].domain.map(|domain| domain.as_bytes().to_vec())
    }
}

/// The outcome of an election.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Taken(usize),
    Probed(usize),
    /// The lbmethod's choice, which here is the first usable member that takes new sessions.
    ByLbMethod(usize),
    Refused(Refusal),
    Left,
}

/// Carries out the steps as the driver does.
fn elect(rules: Rules, routes: &[&str], members: &Vec<Member>) -> Outcome {
    let routes: Vec<&[u8]> = routes.iter().map(|route| route.as_bytes()).collect();
    let mut election = Election::new(rules, &routes, members);
    let (mut answer, mut probed, mut asked_lbmethod, mut steps) = (Answer::Begin, None, false, 0);
    loop {
        steps += 1;
        assert!(steps < 10 + 10 * members.len(), "it comes to an end");
        answer = match election.next(answer) {
            Step::Take { member, .. } if probed == Some(member) => return Outcome::Probed(member),
            Step::Take { member, tell_lbmethod } => {
                let by_lbmethod = asked_lbmethod && !tell_lbmethod;
                return if by_lbmethod {
                    Outcome::ByLbMethod(member)
                } else {
                    Outcome::Taken(member)
                };
            }
            Step::Probe(member) => {
                assert!(members[member].status.is_only_in_error() && members[member].is_probed);
                probed = members[member].is_free.then_some(member);
                Answer::Granted(probed.is_some())
            }
            Step::Retry(member) => {
                assert!(!members[member].is_probed);
                Answer::Granted(members[member].is_due && members[member].status.is_only_in_error())
            }
            Step::Recover(untried) => {
                assert!(untried.iter().all(|member| !members[*member].was_tried));
                Answer::Granted(true)
            }
            Step::AskLbMethod => {
                asked_lbmethod = true;
                let takes =
                    |status: WorkerStatus| status.is_usable() && status.accepts_new_sessions();
                Answer::Member(members.iter().position(|member| takes(member.status)))
            }
            Step::Refuse(refusal) => return Outcome::Refused(refusal),
            Step::LeaveToBalancer => return Outcome::Left,
        };
    }
}

fn rules() -> Rules {
    Rules { session_redirect: true, ..Rules::default() }
}

// The rows of "Sessions" in docs/balancing.md.

#[test]
fn a_session_s_member_that_can_be_used_or_drains_gets_the_request() {
    for status in [OK, DRAIN] {
        let members = vec![member("a", OK), member("b", status)];
        assert_eq!(elect(rules(), &["b"], &members), Outcome::Taken(1));
    }
}

#[test]
fn a_member_in_error_gets_its_session_with_sessionretry_unless_another_request_is_probing_it() {
    let retry = Rules { session_retry: true, ..rules() };
    let members = vec![member("a", OK), member("b", ERROR)];
    assert_eq!(elect(retry, &["b"], &members), Outcome::Probed(1));
    assert_eq!(elect(rules(), &["b"], &members), Outcome::ByLbMethod(0));
    let asked = vec![member("a", OK), member("b", ERROR).probed_by_another()];
    assert_eq!(elect(retry, &["b"], &asked), Outcome::ByLbMethod(0));
}

#[test]
fn a_member_in_error_for_retry_gets_its_session_unless_another_request_is_probing_it() {
    let members = vec![member("a", OK), member("b", ERROR).due()];
    assert_eq!(elect(rules(), &["b"], &members), Outcome::Probed(1));
    let asked = vec![member("a", OK), member("b", ERROR).due().probed_by_another()];
    assert_eq!(elect(rules(), &["b"], &asked), Outcome::ByLbMethod(0));
}

#[test]
fn a_member_that_cannot_be_used_is_replaced_by_its_redirect_then_its_domain_then_any_member() {
    for status in [DISABLED, STOPPED, ERROR, OK.with(WorkerStatus::HC_FAIL)] {
        let own = member("b", status).redirect("c").domain("d");
        let all = vec![member("a", OK), own, member("c", OK), member("e", OK).domain("d")];
        assert_eq!(elect(rules(), &["b"], &all), Outcome::Taken(2));
        let without = Rules { session_redirect: false, ..rules() };
        assert_eq!(elect(without, &["b"], &all), Outcome::Taken(3));
        let mut stopped = all.clone();
        stopped[2].status = STOPPED;
        assert_eq!(elect(rules(), &["b"], &stopped), Outcome::Taken(3));
        stopped[3].status = STOPPED;
        assert_eq!(elect(rules(), &["b"], &stopped), Outcome::ByLbMethod(0));
    }
}

#[test]
fn the_least_busy_one_of_a_domain_is_taken() {
    let members = vec![
        member("a", STOPPED).domain("d"),
        member("b", OK).domain("d").busy(2),
        member("c", OK).domain("d").busy(1),
        member("d", OK).busy(0),
    ];
    assert_eq!(elect(rules(), &["a"], &members), Outcome::Taken(2));
}

#[test]
fn with_nofailover_a_session_gets_its_member_or_none() {
    let force = Rules { force_sessions: true, ..rules() };
    let with = |own: Member| vec![member("a", OK), own.domain("d"), member("c", OK).domain("d")];
    assert_eq!(elect(force, &["b"], &with(member("b", ERROR))), Outcome::Probed(1));
    let asked = with(member("b", ERROR).probed_by_another());
    assert_eq!(elect(force, &["b"], &asked), Outcome::Refused(Refusal::NoFailover));
    let stopped = with(member("b", STOPPED));
    assert_eq!(elect(force, &["b"], &stopped), Outcome::Refused(Refusal::NoFailover));
}

#[test]
fn a_route_that_no_member_has_may_begin_with_a_domain() {
    let members = vec![member("a", OK), member("b", OK).domain("d")];
    assert_eq!(elect(rules(), &["d.gone"], &members), Outcome::Taken(1));
    assert_eq!(elect(rules(), &["gone"], &members), Outcome::ByLbMethod(0));
    let force = Rules { force_sessions: true, ..rules() };
    assert_eq!(elect(force, &["gone"], &members), Outcome::ByLbMethod(0));
    assert_eq!(elect(force, &["d.gone"], &members), Outcome::ByLbMethod(0));
}

#[test]
fn redirects_may_go_round_in_a_circle() {
    let members = vec![
        member("a", STOPPED).redirect("b"),
        member("b", STOPPED).redirect("a"),
        member("c", OK),
    ];
    assert_eq!(elect(rules(), &["a"], &members), Outcome::ByLbMethod(2));
}

#[test]
fn a_hot_standby_with_the_same_route_comes_last() {
    let members = vec![member("a", OK.with(WorkerStatus::HOT_STANDBY)), member("a", OK)];
    assert_eq!(elect(rules(), &["a"], &members), Outcome::Taken(1));
    let failed = vec![member("a", OK.with(WorkerStatus::HOT_STANDBY)), member("a", STOPPED)];
    assert_eq!(elect(rules(), &["a"], &failed), Outcome::Taken(0));
}

#[test]
fn with_sessionretry_a_member_is_tried_once_and_then_another_one() {
    let retry = Rules { session_retry: true, decide_alone: true, ..rules() };
    let members = vec![member("a", OK), member("b", ERROR).tried()];
    assert_eq!(elect(retry, &["b"], &members), Outcome::ByLbMethod(0));
}

#[test]
fn with_retry_0_each_request_of_the_session_tries_its_member() {
    let every = |own: Member| vec![member("a", OK), Member { is_probed: false, ..own }];
    assert_eq!(elect(rules(), &["b"], &every(member("b", ERROR).due())), Outcome::Taken(1));
    assert_eq!(elect(rules(), &["b"], &every(member("b", ERROR))), Outcome::ByLbMethod(0));
    assert_eq!(elect(rules(), &["b"], &every(member("b", STOPPED))), Outcome::ByLbMethod(0));
}

// "Members with activation=disabled or loadfactor=0", and `localonly`: both drain.

#[test]
fn a_draining_member_gets_its_own_sessions_and_no_others_although_all_others_fail() {
    let members = vec![member("a", STOPPED), member("b", DRAIN)];
    assert_eq!(elect(rules(), &["b"], &members), Outcome::Taken(1));
    assert_eq!(elect(rules(), &["a"], &members), Outcome::Refused(Refusal::Drained));
    let alone = Rules { decide_alone: true, ..rules() };
    assert_eq!(elect(alone, &[], &members), Outcome::Refused(Refusal::Drained));
    let local = Rules { local_only: true, ..rules() };
    assert_eq!(elect(local, &["b"], &members), Outcome::Taken(1));
    assert_eq!(elect(local, &["a"], &members), Outcome::Refused(Refusal::LocalOnly));
}

// "A member that comes back".

#[test]
fn a_member_that_is_due_is_probed_by_a_request_without_a_session() {
    let members = vec![member("a", OK), member("b", ERROR).due()];
    assert_eq!(elect(rules(), &[], &members), Outcome::Probed(1));
    let asked = vec![member("a", OK), member("b", ERROR).due().probed_by_another()];
    assert_eq!(elect(rules(), &[], &asked), Outcome::Left);
    let not_yet = vec![member("a", OK), member("b", ERROR)];
    assert_eq!(elect(rules(), &[], &not_yet), Outcome::Left);
}

#[test]
fn a_member_of_a_farther_lbset_is_not_probed_while_nearer_ones_are_well() {
    let members = vec![member("a", OK), member("b", ERROR).due().lbset(1)];
    assert_eq!(elect(rules(), &[], &members), Outcome::Left);
    let nearer = vec![member("a", OK).lbset(1), member("b", ERROR).due()];
    assert_eq!(elect(rules(), &[], &nearer), Outcome::Probed(1));
    let as_near = vec![member("a", OK).lbset(1), member("b", ERROR).due().lbset(1)];
    assert_eq!(elect(rules(), &[], &as_near), Outcome::Probed(1));
}

#[test]
fn nearer_members_that_take_no_new_sessions_keep_no_other_from_being_probed() {
    for nearer in [OK.with(WorkerStatus::DRAIN), DISABLED, STOPPED, ERROR] {
        let members =
            vec![member("a", nearer), member("b", ERROR).due().lbset(1), member("c", OK).lbset(1)];
        assert_eq!(elect(rules(), &[], &members), Outcome::Probed(1), "{nearer:?}");
    }
}

#[test]
fn a_drained_member_that_is_due_is_probed_by_its_own_sessions_alone() {
    let members = vec![member("a", OK), member("b", ERROR.with(WorkerStatus::DRAIN)).due()];
    assert_eq!(elect(rules(), &[], &members), Outcome::Left);
    assert_eq!(elect(rules(), &["b"], &members), Outcome::Probed(1));
}

// A request that another member has had.

#[test]
fn every_member_that_was_not_tried_is_tried_once() {
    let alone = Rules { decide_alone: true, ..rules() };
    let members = vec![member("a", OK).tried(), member("b", OK).busy(5), member("c", OK).busy(4)];
    assert_eq!(elect(alone, &[], &members), Outcome::ByLbMethod(2));
    let all: Vec<_> = members.into_iter().map(Member::tried).collect();
    assert_eq!(elect(alone, &[], &all), Outcome::Refused(Refusal::NoneUsable));
}

#[test]
fn a_member_that_mod_proxy_retries_itself_is_retried_before_a_request_is_refused() {
    let alone = Rules { decide_alone: true, ..rules() };
    let mut members = vec![member("a", OK).tried(), member("b", ERROR).due()];
    members[1].is_probed = false;
    assert_eq!(elect(alone, &[], &members), Outcome::ByLbMethod(1));
    members[1].is_due = false;
    assert_eq!(elect(alone, &[], &members), Outcome::Refused(Refusal::NoneUsable));
}

#[test]
fn a_refusal_names_the_rule_that_left_usable_members_out() {
    let alone = Rules { decide_alone: true, ..rules() };
    let members = vec![member("a", OK).tried(), member("b", DRAIN)];
    assert_eq!(elect(alone, &[], &members), Outcome::Refused(Refusal::Drained));
    let local = Rules { local_only: true, ..alone };
    assert_eq!(elect(local, &[], &members), Outcome::Refused(Refusal::LocalOnly));
}

#[test]
fn forcerecovery_takes_all_out_of_error_if_none_is_usable_or_due() {
    let recovery = Rules { force_recovery: true, decide_alone: true, ..rules() };
    let members = vec![member("a", ERROR).tried(), member("b", ERROR)];
    assert_eq!(elect(recovery, &[], &members), Outcome::ByLbMethod(1));
    assert_eq!(elect(recovery, &["b"], &members), Outcome::Taken(1));
    let due = vec![member("a", ERROR).due().probed_by_another(), member("b", ERROR)];
    assert_eq!(elect(recovery, &[], &due), Outcome::Refused(Refusal::NoneUsable));
}

#[test]
fn an_election_that_is_over_refuses() {
    let members = vec![member("a", OK)];
    let mut election = Election::new(rules(), &[], &members);
    assert_eq!(election.next(Answer::Begin), Step::LeaveToBalancer);
    assert_eq!(election.next(Answer::Granted(true)), Step::Refuse(Refusal::NoneUsable));
}

#[test]
fn the_member_of_a_session_is_found_without_a_look_at_the_others() {
    use std::cell::RefCell;
    struct Watched(Vec<Member>, RefCell<Vec<usize>>);
    impl Members for Watched {
        fn count(&self) -> usize {
            self.0.len()
        }
        fn status(&self, member: usize) -> WorkerStatus {
            self.1.borrow_mut().push(member);
            self.0.status(member)
        }
        fn retry_is_due(&self, member: usize) -> bool {
            self.0.retry_is_due(member)
        }
        fn is_probed(&self, member: usize) -> bool {
            self.0.is_probed(member)
        }
        fn lbset(&self, member: usize) -> i32 {
            self.0.lbset(member)
        }
        fn load(&self, member: usize) -> Load {
            self.0.load(member)
        }
        fn was_tried(&self, member: usize) -> bool {
            self.0.was_tried(member)
        }
        fn of_route(&self, route: &[u8]) -> Places {
            self.0.of_route(route)
        }
        fn search_route(&self, route: &[u8]) -> Places {
            self.0.search_route(route)
        }
        fn redirect(&self, member: usize) -> Option<Vec<u8>> {
            self.0.redirect(member)
        }
        fn domain(&self, member: usize) -> Option<Vec<u8>> {
            self.0.domain(member)
        }
    }
    let watched =
        Watched(vec![member("a", OK), member("b", OK), member("c", OK)], RefCell::default());
    let routes = [&b"b"[..]];
    let step = Election::new(rules(), &routes, &watched).next(Answer::Begin);
    assert_eq!(step, Step::Take { member: 1, tell_lbmethod: true });
    assert_eq!(*watched.1.borrow(), [1], "once, and no other");
}

fn any_status() -> impl Strategy<Value = WorkerStatus> {
    let flags = [
        WorkerStatus::DRAIN,
        WorkerStatus::DISABLED,
        WorkerStatus::STOPPED,
        WorkerStatus::IN_ERROR,
        WorkerStatus::HC_FAIL,
        WorkerStatus::HOT_STANDBY,
        WorkerStatus::HOT_SPARE,
    ];
    (prop::collection::vec(prop::bool::weighted(0.2), flags.len()), prop::bool::weighted(0.95))
        .prop_map(move |(set, initialized)| {
            let start = if initialized { OK } else { WorkerStatus::default() };
            flags
                .iter()
                .zip(set)
                .filter(|(_, set)| *set)
                .fold(start, |status, (flag, _)| status.with(*flag))
        })
}

fn any_member() -> impl Strategy<Value = Member> {
    let name = || prop::option::of(prop::sample::select(vec!["a", "b", "c", "d"]));
    (
        (name(), name(), name(), any_status()),
        (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.3)),
        (0..3_i32, 0..4_u64),
    )
        .prop_map(
            |((route, redirect, domain, status), (due, probed, free, tried), (lbset, busy))| {
                Member {
                    route,
                    redirect,
                    domain,
                    status,
                    is_due: due,
                    is_probed: probed,
                    is_free: free,
                    lbset,
                    busy,
                    was_tried: tried,
                }
            },
        )
}

fn any_rules() -> impl Strategy<Value = Rules> {
    any::<[bool; 6]>().prop_map(|[retry, redirect, local, force, recovery, alone]| Rules {
        session_retry: retry,
        session_redirect: redirect,
        local_only: local,
        force_sessions: force,
        force_recovery: recovery,
        decide_alone: alone,
    })
}

proptest! {
    /// Never a stopped or disabled member, a drained one only for its sessions, no member twice; and a
    /// request is refused only if no member can take it.
    #[test]
    fn the_promises_hold_for_any_members_sessions_and_rules(
        rules in any_rules(),
        routes in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "x", "d.y"]), 0..3),
        members in prop::collection::vec(any_member(), 1..6),
    ) {
        let outcome = elect(rules, &routes, &members);
        let all_in_error = members.iter().all(|member| {
            member.status.is_in_error() && !(member.is_due && member.status.is_only_in_error())
        });
        let recovers = rules.force_recovery && all_in_error;
        let is_usable = |member: &Member| {
            let status = member.status;
            let mended = if recovers { status.without(WorkerStatus::IN_ERROR) } else { status };
            mended.is_usable()
        };
        match outcome {
            Outcome::Probed(at) => {
                let member = &members[at];
                prop_assert!(member.status.is_only_in_error() && member.is_free && !member.was_tried);
            }
            Outcome::Taken(at) | Outcome::ByLbMethod(at) => {
                let member = &members[at];
                prop_assert!(!member.was_tried);
                let retried = !member.is_probed && member.is_due && member.status.is_only_in_error();
                prop_assert!(is_usable(member) || retried, "{:?}", member);
                if member.status.is_draining() {
                    let is_own = member.route.is_some_and(|own| {
                        routes.contains(&own) || members.iter().any(|m| m.redirect == Some(own))
                    });
                    prop_assert!(is_own, "{:?}", member);
                }
            }
            Outcome::Refused(refusal) => {
                let open = members.iter().any(|member| {
                    is_usable(member) && !member.was_tried && member.status.accepts_new_sessions()
                });
                match refusal {
                    Refusal::NoFailover => prop_assert!(rules.force_sessions && !routes.is_empty()),
                    Refusal::LocalOnly => prop_assert!(rules.local_only && !open),
                    Refusal::Drained | Refusal::NoneUsable => prop_assert!(!open),
                }
            }
            Outcome::Left => prop_assert!(routes.is_empty() && !rules.decide_alone),
        }
    }
}
