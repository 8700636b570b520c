//! The election of a member for one request, as questions and steps.
//!
//! ```text
//! let mut election = Election::new(rules, routes, &members);
//! let mut step = election.next(Answer::Begin);
//! loop { step = election.next(carry_out(step)) }  // until Take, Refuse or LeaveToBalancer
//! ```
//!
//! In the order of mod_proxy_balancer (`proxy_balancer_pre_request`): the member of the session, else
//! the lbmethod's. See "Sessions" in docs/balancing.md for the rules.

use smallvec::SmallVec;

use super::{Members, Places, WorkerStatus, preferred};

/// The balancer's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `sessionretry`: the member of a session is tried even while it is in error.
    pub session_retry: bool,
    /// `sessionredirect`: the `redirect` of a member that cannot be used is followed.
    pub session_redirect: bool,
    /// `localonly`: members that are not local drain.
    pub local_only: bool,
    /// `nofailover`: a request of a session goes to the session's member or to none.
    pub force_sessions: bool,
    /// `forcerecovery`: if all members are in error, all are tried.
    pub force_recovery: bool,
    /// A request without a route gets its member here. Else it is left to mod_proxy_balancer, once no member is to be
    /// probed: it has the cookie or parameter of a session, in which no route was found here.
    pub decide_alone: bool,
}

/// The next step of an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The request goes to this member.
    Take {
        /// Its place in the balancer.
        member: usize,
        /// Whether the lbmethod did not choose it, and has to be told.
        tell_lbmethod: bool,
    },
    /// Claim the right to probe this member, which is in error. Answered by [`Answer::Granted`].
    Probe(usize),
    /// Let mod_proxy retry this member, which is in error (`ap_proxy_retry_worker`). Answered by
    /// [`Answer::Granted`] if it is usable now.
    Retry(usize),
    /// Take these members out of error. Answered by [`Answer::Granted`].
    Recover(Vec<usize>),
    /// Ask the lbmethod. Answered by [`Answer::Member`].
    AskLbMethod,
    /// No member gets the request.
    Refuse(Refusal),
    /// mod_proxy_balancer decides.
    LeaveToBalancer,
}

/// The answer to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There was no step yet.
    Begin,
    /// It was granted, or not.
    Granted(bool),
    /// A member was named, or none.
    Member(Option<usize>),
}

/// Why no member gets the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `nofailover`: the session's member cannot be used.
    NoFailover,
    /// The usable members take only requests of their own sessions, because of `localonly`.
    LocalOnly,
    /// The usable members take only requests of their own sessions.
    Drained,
    /// Each is stopped, disabled, in error and not due, failed by a health check, or was tried.
    NoneUsable,
}

/// An election under way.
#[derive(Debug)]
pub struct Election<'a, M> {
    rules: Rules,
    routes: &'a [&'a [u8]],
    members: &'a M,
    status: Statuses,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Recovery,
    Session(SessionSearch),
    Recovered,
    Newcomer { next: usize },
    LbMethod,
    Retries { next: usize },
    Ended,
}

/// The statuses of the members as they were read. Room for all is made only when more than a few are read.
#[derive(Debug, Default)]
struct Statuses {
    few: SmallVec<[(usize, WorkerStatus); FEW]>,
    all: Vec<Option<WorkerStatus>>,
}

const FEW: usize = 4;

impl Statuses {
    fn read(&mut self, member: usize, members: &impl Members) -> WorkerStatus {
        if let Some((_, status)) = self.few.iter().find(|(one, _)| *one == member) {
            return *status;
        }
        if let Some(Some(status)) = self.all.get(member) {
            return *status;
        }
        let status = members.status(member);
        if self.few.len() < FEW {
            self.few.push((member, status));
        } else {
            if self.all.is_empty() {
                self.all = vec![None; members.count()];
            }
            self.all[member] = Some(status);
        }
        status
    }

    /// Replaces the status of a member that has been read.
    fn set(&mut self, member: usize, status: WorkerStatus) {
        match self.few.iter_mut().find(|(one, _)| *one == member) {
            Some((_, known)) => *known = status,
            None => self.all[member] = Some(status),
        }
    }
}

/// The members of a session that are still to be checked, the next one last.
#[derive(Debug, Default)]
struct SessionSearch {
    next_route: usize,
    /// Whether all members have been searched for the last route.
    is_searched: bool,
    candidates: Places,
    seen: Places,
    /// The member for which a probe or retry was asked for.
    asked: Option<usize>,
}

impl<'a, M: Members> Election<'a, M> {
    /// Starts for a request that names these routes, in their order of preference. Routes that no
    /// member has count only if no member has any of them.
    pub fn new(rules: Rules, routes: &'a [&'a [u8]], members: &'a M) -> Self {
        Self { rules, routes, members, status: Statuses::default(), phase: Phase::Recovery }
    }

    /// Returns the next step after the answer to the last one. After [`Step::Take`], [`Step::Refuse`]
    /// and [`Step::LeaveToBalancer`] the election is over, and every further call refuses.
    pub fn next(&mut self, answer: Answer) -> Step {
        let mut answer = answer;
        loop {
            if let Some(step) = self.advance(answer) {
                if matches!(step, Step::Take { .. } | Step::Refuse(_) | Step::LeaveToBalancer) {
                    self.phase = Phase::Ended;
                }
                return step;
            }
            answer = Answer::Begin;
        }
    }

    /// Returns a step, or `None` if the next phase decides.
    fn advance(&mut self, answer: Answer) -> Option<Step> {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Recovery => {
                self.phase = Phase::Session(SessionSearch::default());
                self.recovery()
            }
            Phase::Session(search) => self.session(search, answer),
            Phase::Recovered => {
                self.phase = Phase::Newcomer { next: 0 };
                self.without_session_member()
            }
            Phase::Newcomer { next } => self.newcomer(next, answer),
            Phase::LbMethod => self.lbmethod(answer),
            Phase::Retries { next } => self.retries(next, answer),
            Phase::Ended => Some(Step::Refuse(Refusal::NoneUsable)),
        }
    }

    fn status(&mut self, member: usize) -> WorkerStatus {
        self.status.read(member, self.members)
    }

    /// Whether it is in error, and `retry` has passed.
    fn is_due(&mut self, member: usize) -> bool {
        self.status(member).is_only_in_error() && self.members.retry_is_due(member)
    }

    fn granted(&mut self, member: usize) {
        let status = self.status(member).without(WorkerStatus::IN_ERROR);
        self.status.set(member, status);
    }

    /// The step of `forcerecovery`, if no member is usable or due.
    fn recovery(&mut self) -> Option<Step> {
        if !self.rules.force_recovery {
            return None;
        }
        let count = self.members.count();
        let is_left = |member: usize| !self.status(member).is_in_error() || self.is_due(member);
        if (0..count).any(is_left) {
            return None;
        }
        let untried: Vec<_> =
            (0..count).filter(|member| !self.members.was_tried(*member)).collect();
        untried.iter().for_each(|member| self.granted(*member));
        Some(Step::Recover(untried))
    }

    /// The member of the session, hot standbys last; else the one that its `redirect` names.
    fn session(&mut self, mut search: SessionSearch, answer: Answer) -> Option<Step> {
        if let Some(member) = search.asked.take() {
            if answer == Answer::Granted(true) {
                return Some(Step::Take { member, tell_lbmethod: true });
            }
            self.follow_redirect(&mut search, member);
        }
        loop {
            while let Some(member) = search.candidates.pop() {
                if search.seen.contains(&member) {
                    continue;
                }
                search.seen.push(member);
                match self.session_step(member) {
                    Some(step @ Step::Take { .. }) => return Some(step),
                    Some(step) => {
                        search.asked = Some(member);
                        self.phase = Phase::Session(search);
                        return Some(step);
                    }
                    None => self.follow_redirect(&mut search, member),
                }
            }
            if let (false, Some(last)) = (search.is_searched, search.next_route.checked_sub(1)) {
                search.is_searched = true;
                let found = self.members.search_route(self.routes[last]);
                self.push(&mut search, found);
                continue;
            }
            let Some(route) = self.routes.get(search.next_route) else { break };
            search.next_route += 1;
            search.is_searched = false;
            let found = self.members.of_route(route);
            self.push(&mut search, found);
        }
        self.phase = Phase::Recovered;
        None
    }

    /// The step for a request of a session of this member; `None`: the member cannot be used.
    fn session_step(&mut self, member: usize) -> Option<Step> {
        if self.members.was_tried(member) {
            return None;
        }
        let status = self.status(member);
        if status.is_usable() {
            return Some(Step::Take { member, tell_lbmethod: true });
        }
        if !self.members.is_probed(member) {
            return status.is_in_error().then_some(Step::Retry(member));
        }
        let insists = self.rules.session_retry || self.rules.force_sessions;
        let may_probe = status.is_only_in_error() && (insists || self.members.retry_is_due(member));
        may_probe.then_some(Step::Probe(member))
    }

    fn follow_redirect(&mut self, search: &mut SessionSearch, member: usize) {
        if !self.rules.session_redirect {
            return;
        }
        if let Some(route) = self.members.redirect(member) {
            let found = self.members.search_route(&route);
            self.push(search, found);
        }
    }

    fn push(&mut self, search: &mut SessionSearch, found: Places) {
        if let [only] = *found {
            return search.candidates.push(only);
        }
        let (standbys, others): (Places, Places) = found
            .into_iter()
            .partition(|member| self.status(*member).has(WorkerStatus::HOT_STANDBY));
        search.candidates.extend(standbys.into_iter().rev().chain(others.into_iter().rev()));
    }

    /// The step if the session's own member cannot get the request: a member of its domain, or a
    /// refusal with `nofailover`.
    fn without_session_member(&mut self) -> Option<Step> {
        let members = self.members;
        let mut known = self.routes.iter().filter(|route| !members.of_route(route).is_empty());
        if self.rules.force_sessions {
            return known.next().map(|_| Step::Refuse(Refusal::NoFailover));
        }
        // If no member has any of the routes, the first one may name a domain.
        let mut routes: Vec<&[u8]> = known.copied().collect();
        if routes.is_empty() {
            routes.extend(self.routes.first().copied());
        }
        let member = routes.into_iter().find_map(|route| self.of_domain(route))?;
        Some(Step::Take { member, tell_lbmethod: true })
    }

    /// The least busy member of the `domain` of the session's member, whose sessions it shares. A route
    /// that no member has may begin with the name of a domain, as with mod_jk.
    fn of_domain(&mut self, route: &[u8]) -> Option<usize> {
        let domain = match self.members.of_route(route).first() {
            Some(member) => self.members.domain(*member)?,
            None => route.split(|byte| *byte == b'.').next()?.to_vec(),
        };
        let members = self.members;
        self.least_busy(|member| members.domain(member).is_some_and(|other| other == domain))
    }

    /// Probes a member in error that is due, for a request that could go elsewhere as well: not if
    /// members of a lower `lbset` are usable.
    fn newcomer(&mut self, next: usize, answer: Answer) -> Option<Step> {
        if let (Answer::Granted(true), Some(member)) = (answer, next.checked_sub(1)) {
            return Some(Step::Take { member, tell_lbmethod: true });
        }
        let count = self.members.count();
        let due = (next..count).find(|member| {
            self.status(*member).accepts_new_sessions()
                && self.is_due(*member)
                && self.members.is_probed(*member)
                && !self.members.was_tried(*member)
                && self.nearest().is_none_or(|nearest| self.members.lbset(*member) <= nearest)
        });
        if let Some(member) = due {
            self.phase = Phase::Newcomer { next: member + 1 };
            return Some(Step::Probe(member));
        }
        if self.routes.is_empty() && !self.rules.decide_alone {
            return Some(Step::LeaveToBalancer);
        }
        self.phase = Phase::LbMethod;
        Some(Step::AskLbMethod)
    }

    /// The lowest `lbset` in which a usable member takes new sessions.
    fn nearest(&mut self) -> Option<i32> {
        let members = self.members;
        let takes = |member: &usize| {
            let status = self.status(*member);
            status.is_usable() && status.accepts_new_sessions()
        };
        (0..members.count()).filter(takes).map(|member| members.lbset(member)).min()
    }

    fn lbmethod(&mut self, answer: Answer) -> Option<Step> {
        if let Answer::Member(Some(member)) = answer {
            if !self.members.was_tried(member) {
                return Some(Step::Take { member, tell_lbmethod: false });
            }
        }
        self.phase = Phase::Retries { next: 0 };
        None
    }

    /// The step if the lbmethod finds no member that was not tried: the least busy one that is left,
    /// after mod_proxy has retried the members that it retries itself.
    fn retries(&mut self, next: usize, answer: Answer) -> Option<Step> {
        if let (Answer::Granted(true), Some(member)) = (answer, next.checked_sub(1)) {
            self.granted(member);
        }
        let count = self.members.count();
        let left = (next..count).find(|member| {
            self.status(*member).is_only_in_error()
                && !self.members.is_probed(*member)
                && !self.members.was_tried(*member)
        });
        if let Some(member) = left {
            self.phase = Phase::Retries { next: member + 1 };
            return Some(Step::Retry(member));
        }
        Some(match self.least_busy(|_| true) {
            Some(member) => Step::Take { member, tell_lbmethod: false },
            None => Step::Refuse(self.refusal()),
        })
    }

    fn least_busy(&mut self, may_have: impl Fn(usize) -> bool) -> Option<usize> {
        let count = self.members.count();
        let status: Vec<_> = (0..count).map(|member| self.status(member)).collect();
        let members = self.members;
        preferred(
            count,
            |member| status[member],
            |member| members.lbset(member),
            |member, best| {
                let is_less = |best| members.load(member).is_less_than(members.load(best));
                best.is_none_or(is_less) && !members.was_tried(member) && may_have(member)
            },
        )
    }

    fn refusal(&mut self) -> Refusal {
        let members = self.members;
        let is_drained = |member: usize| {
            let status = self.status(member);
            status.is_usable() && status.is_draining() && !members.was_tried(member)
        };
        let some_drain = (0..members.count()).any(is_drained);
        match (some_drain, self.rules.local_only) {
            (false, _) => Refusal::NoneUsable,
            (true, true) => Refusal::LocalOnly,
            (true, false) => Refusal::Drained,
        }
    }
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;
