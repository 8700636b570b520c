//! The choice of a member for a request of a balancer that has `ajp://` members.
//!
//! The hook runs before mod_proxy_balancer's, which remains the balancer. It holds an election
//! * for a request of a session, or one whose environment names the route (`ajp-route`): all cookies
//!   and path parameters count, and `sessionretry`, `sessionredirect` and `domain` apply;
//! * if the environment says that there is no session (`ajp-sticky-ignore`);
//! * while a member is in error, which may be due for a probe ([`probe`]);
//! * when the request has been given to a member already: no member is chosen twice, whatever its
//!   `retry`, and every usable one is tried;
//! * when no member can take a request without a session, to say why.
//!
//! Else the lbmethod is asked ([`newcomer`]). Either way, it does the same as `proxy_balancer_pre_request` of
//! mod_proxy_balancer does, in its order: the session's member, else the lbmethod's; counters, environment and notes;
//! the URL ([`elected::install`]). Where that has more to do, the hook declines.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::balance::{Answer, Election, Load, Members, Places, Refusal, Rules, Step, WorkerStatus};
use crate::config::BalancerSettings;
use crate::ffi::apr::text;
use crate::ffi::balancing::client_failure;
use crate::ffi::balancing::elected;
use crate::ffi::balancing::hook_args::HookArgs;
use crate::ffi::balancing::newcomer::{self, Overview};
use crate::ffi::balancing::no_member;
use crate::ffi::balancing::session::{ignores_session, session};
use crate::ffi::child::balancer_routes::FoundRoute;
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::{Balancer, Locked};
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::first_piece;
use crate::ffi::state::member_marks;
use crate::ffi::state::probe::{self, BodyIsMissing};
use crate::ffi::state::request_state::RequestState;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;

/// Chooses a member, or declines, so that mod_proxy_balancer chooses.
///
/// # Safety
/// `places` and `conf` are mod_proxy's for this request.
pub(crate) unsafe fn pre_request(
    request: Request<'_>,
    conf: ProxyConf<'_>,
    places: &HookArgs,
) -> c_int {
    member_marks::clear_transient_mark(request);
    // SAFETY: as the caller promises; a string of the request's pool.
    let url = unsafe { text::bytes(*places.url) }.unwrap_or(b"");
    // SAFETY: as the caller promises; null or a balancer, which outlives the request.
    let balancer = unsafe {
        if (*places.balancer).is_null() && is_balancer(url) {
            let pool = request.pool().as_ptr();
            *places.balancer = sys::ap_proxy_get_balancer(pool, conf.as_ptr(), *places.url, 1);
        }
        Balancer::from_ptr(*places.balancer)
    };
    let state = ServerState::of(request.server());
    let (Some(balancer), Some(state)) = (balancer, state) else { return sys::DECLINED };
    let Some(child) = state.child.get() else { return sys::DECLINED };
    if !balancer.members().any(Worker::is_ajp) {
        return sys::DECLINED;
    }
    if child.can_park() {
        // SAFETY: as the caller promises.
        RequestState::of(request).balancer_url.set(NonNull::new(unsafe { *places.url }));
    }
    let ignores_session = ignores_session(request);
    let session = session(request, balancer, child, url, ignores_session);
    let has_no_route = session.is_err();
    let session = session.unwrap_or_default();
    let kept = RequestState::existing(request);
    let was_given = kept.is_some_and(|kept| kept.tried_count() > 0);
    let mut is_ours = session.is_some() || ignores_session || was_given;
    if !is_ours {
        let members = Overview::of(balancer);
        is_ours = !members.can_take_any;
        if !is_ours && !members.has_errors {
            if has_no_route {
                return sys::DECLINED;
            }
            // SAFETY: as the caller promises.
            let status =
                unsafe { newcomer::elect(request, conf, balancer, members, child, url, places) };
            if let Some(status) = status {
                return status;
            }
            // The members have changed in the meantime.
            is_ours = true;
        }
    }
    let settings = match state.has_balancer_keys() {
        true => state.balancer_with_keys(&balancer.name()).unwrap_or_default(),
        false => BalancerSettings::default(),
    };
    // What mod_proxy_balancer reads in its own way is left to it.
    let decide_alone = is_ours || !has_no_route;
    let rules = Rules {
        session_retry: settings.session_retry,
        session_redirect: settings.session_redirect,
        local_only: settings.local_only,
        force_sessions: balancer.forces_sessions(),
        // mod_proxy_balancer does so in its own elections.
        force_recovery: decide_alone && balancer.forces_recovery(),
        decide_alone,
    };
    let routes = session.as_ref().map_or(&[][..], |session| &session.routes);
    let found = session.as_ref().and_then(|session| session.found.as_ref());
    let mut left = AGAIN;
    let elected = loop {
        let Some(locked) = balancer.lock() else { return sys::DECLINED };
        // SAFETY: as the caller promises.
        unsafe { locked.sync(request.server(), conf.as_ptr()) };
        let candidates = Candidates { balancer, count: balancer.count(), found, kept, child };
        let election = Election::new(rules, routes, &candidates);
        let elected = elect(request, child, &locked, &candidates, election);
        drop(locked);
        match elected {
            Ok(Elected::Nobody(_)) if left > 0 && candidates.may_be_left_in_a_moment() => {
                left -= 1;
                thread::sleep(PAUSE);
            }
            Ok(elected) => break elected,
            Err(BodyIsMissing(member)) => match first_piece::read(request) {
                Ok(()) => {}
                Err(error) => {
                    // SAFETY: as the caller promises.
                    unsafe {
                        *places.worker = std::ptr::null_mut();
                        *places.balancer = std::ptr::null_mut();
                    }
                    let HandlerStatus(status) = client_failure::client_failed_before_election(
                        request, child, member, error,
                    );
                    return status;
                }
            },
        }
    };
    if !matches!(elected, Elected::Member(member) if member.is_ajp()) {
        first_piece::hand_over(request);
    }
    match elected {
        // SAFETY: as the caller promises.
        Elected::Member(member) => unsafe {
            elected::install(request, balancer, member, session.as_ref(), url, places)
        },
        Elected::LeftToBalancer => sys::DECLINED,
        Elected::Nobody(_) if balancer.waits_for_members() => sys::DECLINED,
        Elected::Nobody(refusal) => {
            no_member::log(request, child, balancer, refusal);
            // SAFETY: as the caller promises.
            unsafe { *places.worker = std::ptr::null_mut() };
            sys::HTTP_SERVICE_UNAVAILABLE as c_int
        }
    }
}

/// How often an election is held again, and the pause before, where the mark of another request may be all that keeps a
/// member from being elected. Such a mark lasts for some instructions of its thread, which may be off its processor for
/// a while ([`transient_marks`](crate::ffi::child::transient_marks)).
const AGAIN: u32 = 25;
const PAUSE: Duration = Duration::from_millis(3);

/// How long a mark has been there that may be a temporary one.
const FRESH: Duration = Duration::from_millis(100);

/// The members of a balancer, as an election asks for them.
struct Candidates<'r> {
    balancer: Balancer<'r>,
    /// The members of the session's first route.
    found: Option<&'r FoundRoute<'r>>,
    /// The number when the election began: members are added at the end only.
    count: usize,
    kept: Option<&'r RequestState>,
    child: &'r Child,
}

impl<'r> Candidates<'r> {
    /// A fact about a member; the default for one that is just being added, which is not usable.
    fn of<T: Default>(&self, member: usize, fact: impl FnOnce(Worker<'r>) -> T) -> T {
        self.balancer.member(member).map(fact).unwrap_or_default()
    }

    /// Whether a member that has not had the request has been put in error just now, and nothing else keeps it from
    /// being elected: perhaps by a request that is about to try another member, and to clear the mark, or has just
    /// cleared it.
    fn may_be_left_in_a_moment(&self) -> bool {
        self.balancer.members().any(|member| {
            let was_tried = self.kept.is_some_and(|kept| kept.was_tried(member));
            let status = member.status().without(WorkerStatus::IN_ERROR);
            !was_tried && status.is_usable() && member.was_marked_within(FRESH)
        })
    }
}

impl Members for Candidates<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn status(&self, member: usize) -> WorkerStatus {
        self.of(member, |worker| {
            let status = worker.status();
            let is_marked_for_a_moment = status.is_in_error() && self.child.passes.holds(worker);
            if is_marked_for_a_moment { status.without(WorkerStatus::IN_ERROR) } else { status }
        })
    }

    fn retry_is_due(&self, member: usize) -> bool {
        self.of(member, |worker| {
            worker.correct_error_time();
            worker.retry_is_due()
        })
    }

    fn is_probed(&self, member: usize) -> bool {
        // If there is no room in the shared memory, mod_proxy's own rule applies.
        self.of(member, |worker| {
            worker.allows_single_probe() && self.child.member_state(worker.key()).is_some()
        })
    }

    fn lbset(&self, member: usize) -> i32 {
        self.of(member, Worker::lbset)
    }

    fn load(&self, member: usize) -> Load {
        self.of(member, Worker::load)
    }

    fn was_tried(&self, member: usize) -> bool {
        self.of(member, |worker| self.kept.is_some_and(|kept| kept.was_tried(worker)))
    }

    fn of_route(&self, route: &[u8]) -> Places {
        let known = self.found.and_then(|found| found.still(self.balancer, route)).cloned();
        let mut found = known.unwrap_or_else(|| self.child.routes.of(self.balancer, route));
        found.retain(|member| *member < self.count);
        found
    }

    fn search_route(&self, route: &[u8]) -> Places {
        let has_route = |member: &usize| self.of(*member, |worker| worker.has_route(route));
        (0..self.count).filter(has_route).collect()
    }

    fn redirect(&self, member: usize) -> Option<Vec<u8>> {
        self.of(member, |worker| worker.redirect().map(|route| route.to_vec()))
    }

    fn domain(&self, member: usize) -> Option<Vec<u8>> {
        let settings = self.child.settings(self.balancer.member(member)?.id());
        settings.domain.as_ref().map(|domain| domain.as_bytes().to_vec())
    }
}

/// The result of an election.
enum Elected<'r> {
    Member(Worker<'r>),
    Nobody(Refusal),
    LeftToBalancer,
}

/// Carries out the steps of an election.
///
/// # Errors
/// [`BodyIsMissing`]: nothing has been counted, and the election is to be repeated.
fn elect<'r>(
    request: Request<'_>,
    child: &Arc<Child>,
    locked: &Locked<'r>,
    candidates: &Candidates<'r>,
    mut election: Election<'_, Candidates<'r>>,
) -> Result<Elected<'r>, BodyIsMissing<'r>> {
    let mut answer = Answer::Begin;
    loop {
        let step = election.next(answer);
        // A step names members that were there when the election began, and those stay.
        let member = |place| candidates.balancer.member(place);
        answer = match step {
            Step::Take { member: place, tell_lbmethod } => {
                let Some(member) = member(place) else {
                    return Ok(Elected::Nobody(Refusal::NoneUsable));
                };
                if tell_lbmethod {
                    locked.elected_for_session(member, request);
                }
                member.count_election();
                return Ok(Elected::Member(member));
            }
            Step::Probe(place) => Answer::Granted(match member(place) {
                Some(member) => probe::begin(request, member, child)?,
                None => false,
            }),
            Step::Retry(place) => {
                let is_usable = |member: Worker<'_>| member.is_usable(request.server());
                Answer::Granted(member(place).is_some_and(is_usable))
            }
            Step::Recover(untried) => {
                untried.into_iter().filter_map(member).for_each(Worker::force_recovery);
                Answer::Granted(true)
            }
            Step::AskLbMethod => {
                correct_error_times(locked.balancer());
                let found = locked.find(request);
                let is_it = |place: &usize| found.is_some() && member(*place) == found;
                Answer::Member((0..candidates.count).find(is_it))
            }
            Step::Refuse(refusal) => return Ok(Elected::Nobody(refusal)),
            Step::LeaveToBalancer => {
                correct_error_times(locked.balancer());
                return Ok(Elected::LeftToBalancer);
            }
        };
    }
}

/// Corrects the members' error times, before mod_proxy looks whose `retry` has passed.
fn correct_error_times(balancer: Balancer<'_>) {
    let in_error = balancer.members().filter(|member| member.status().is_in_error());
    in_error.for_each(Worker::correct_error_time);
}

fn is_balancer(url: &[u8]) -> bool {
    const SCHEME: &[u8] = b"balancer://";
    // Configuration nearly always spells it so, and that is quick to see.
    url.starts_with(SCHEME)
        || url.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}
