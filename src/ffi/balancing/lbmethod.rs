//! `lbmethod=sessions` and `lbmethod=next`: new sessions go to the member that has had the fewest.
//!
//! mod_proxy decides which members can be chosen, in its order of lbset, spares and hot standbys;
//! [`SharedChoice`] chooses one of them, and decides what follows for the next choice. A request whose
//! session found its own member does not come here, and is not counted.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::NonNull;

use crate::balance::lbmethod::Method;
use crate::ffi::balancing::session::{forced_route, ignores_session, is_known};
use crate::ffi::guard::guard;
use crate::ffi::httpd::clock;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::request_state::RequestState;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;
use crate::shared::{Account, SharedChoice};

/// An lbmethod in mod_proxy's form.
struct Provider(sys::proxy_balancer_method);

// SAFETY: a constant, whose pointers lead to constants; mod_proxy only reads it.
unsafe impl Sync for Provider {}

static SESSIONS: Provider = provider(c"sessions", find_by_sessions);
static NEXT: Provider = provider(c"next", find_next);

type Finder =
    unsafe extern "C" fn(*mut sys::proxy_balancer, *mut sys::request_rec) -> *mut sys::proxy_worker;

const fn provider(name: &'static CStr, finder: Finder) -> Provider {
    Provider(sys::proxy_balancer_method {
        name: name.as_ptr(),
        finder: Some(finder),
        context: std::ptr::null_mut(),
        reset: Some(reset),
        age: Some(age),
        updatelbstatus: Some(session_found_its_member),
    })
}

/// Registers both methods with mod_proxy.
///
/// # Safety
/// `pool` is httpd's configuration pool, with which this library is unloaded; this is its main
/// thread.
pub(crate) unsafe fn register(pool: *mut sys::apr_pool_t) {
    for Provider(method) in [&SESSIONS, &NEXT] {
        // SAFETY: the pool is live; texts and record are static.
        unsafe {
            let group = sys::PROXY_LBMETHOD.as_ptr().cast();
            let provider = std::ptr::from_ref(method).cast();
            sys::ap_register_provider(pool, group, method.name, c"0".as_ptr(), provider);
        }
    }
}

// The functions that mod_proxy calls, always with the lock of the balancer held.

unsafe extern "C" fn find_by_sessions(
    balancer: *mut sys::proxy_balancer,
    r: *mut sys::request_rec,
) -> *mut sys::proxy_worker {
    // SAFETY: mod_proxy passes a balancer of its own and the request it serves on this thread.
    guard(std::ptr::null_mut(), || unsafe { find(balancer, r, Method::Sessions) })
}

unsafe extern "C" fn find_next(
    balancer: *mut sys::proxy_balancer,
    r: *mut sys::request_rec,
) -> *mut sys::proxy_worker {
    // SAFETY: as above.
    guard(std::ptr::null_mut(), || unsafe { find(balancer, r, Method::Next) })
}

unsafe extern "C" fn reset(
    balancer: *mut sys::proxy_balancer,
    server: *mut sys::server_rec,
) -> sys::apr_status_t {
    // SAFETY: mod_proxy passes a balancer and a server of its own.
    guard((), || unsafe { forget(balancer, server) });
    sys::APR_SUCCESS as sys::apr_status_t
}

unsafe extern "C" fn age(
    _balancer: *mut sys::proxy_balancer,
    _server: *mut sys::server_rec,
) -> sys::apr_status_t {
    // Shares age by the clock.
    sys::APR_SUCCESS as sys::apr_status_t
}

unsafe extern "C" fn session_found_its_member(
    _balancer: *mut sys::proxy_balancer,
    _member: *mut sys::proxy_worker,
    _server: *mut sys::server_rec,
) -> sys::apr_status_t {
    // It is not a new session. Without this function mod_proxy_balancer would count it in its own way.
    sys::APR_SUCCESS as sys::apr_status_t
}

unsafe extern "C" fn is_best(
    current: *mut sys::proxy_worker,
    best: *mut sys::proxy_worker,
    candidates: *mut c_void,
) -> c_int {
    // SAFETY: the arguments of `find`, alive and used by nothing else during its call; members of
    // mod_proxy's, the best one null at first.
    guard(0, || unsafe {
        let candidates = &mut *candidates.cast::<Candidates<'_>>();
        let best = NonNull::new(best).map(|best| Worker::from_ptr(best.as_ptr()));
        candidates.is_better(Worker::from_ptr(current), best).into()
    })
}

/// # Safety
/// `balancer` is a live balancer whose lock this thread holds, `r` the request it serves.
unsafe fn find(
    balancer: *mut sys::proxy_balancer,
    r: *mut sys::request_rec,
    method: Method,
) -> *mut sys::proxy_worker {
    // SAFETY: as the caller promises, for the length of this call.
    let (request, view) = unsafe { (Request::from_ptr(r), Balancer::from_ptr(balancer)) };
    let Some(view) = view else { return std::ptr::null_mut() };
    let child = ServerState::child_of(request.server());
    let members: Vec<Worker<'_>> = view.members().collect();
    let states = members.iter().map(|member| child?.member_state(member.key()));
    let account =
        if has_session(request, view) { Account::OrphanedSessions } else { Account::NewSessions };
    let choice = SharedChoice::new(method, account, clock::uptime(), states);
    let kept = RequestState::existing(request);
    let mut candidates = Candidates { members, choice, kept, at: 0, best: None };
    // SAFETY: balancer and request are live, the lock is held; the callback gets the candidates only
    // during the call, and nothing else uses them in the meantime.
    let found = unsafe {
        let baton = (&raw mut candidates).cast();
        sys::ap_proxy_balancer_get_best_worker(balancer, r, Some(is_best), baton)
    };
    // SAFETY: null or a member, which outlives the request.
    let chosen = NonNull::new(found).map(|found| unsafe { Worker::from_ptr(found.as_ptr()) });
    candidates.commit(chosen);
    found
}

/// Resets the counts: another lbmethod was chosen in balancer-manager, or members were enabled.
///
/// # Safety
/// As [`find`]; `server` is live.
unsafe fn forget(balancer: *mut sys::proxy_balancer, server: *mut sys::server_rec) {
    // SAFETY: as the caller promises, for the length of this call.
    let (server, balancer) = unsafe { (Server::from_ptr(server), Balancer::from_ptr(balancer)) };
    let (Some(child), Some(balancer)) = (ServerState::child_of(server), balancer) else { return };
    for state in balancer.members().filter_map(|member| child.member_state(member.key())) {
        state.forget_shares();
    }
}

/// Whether the request names the route of a member. A route that no member has belongs to a session of
/// another balancer, or to one that has ended: here it begins a new session.
fn has_session(request: Request<'_>, balancer: Balancer<'_>) -> bool {
    if let Some(route) = forced_route(request) {
        return is_known(balancer, route);
    }
    if ignores_session(request) {
        return false;
    }
    let Some(sticky) = balancer.sticky() else { return false };
    // The URL may name the member that had the request before: path and query are the same.
    let cookies = request.headers_in().get(c"Cookie");
    sticky
        .routes(request.filename(), request.args(), cookies)
        .any(|route| is_known(balancer, route))
}

/// The members of a balancer while mod_proxy compares them one by one.
struct Candidates<'c> {
    members: Vec<Worker<'c>>,
    choice: SharedChoice<'c>,
    /// The members that the request has been given to: none gets it twice.
    kept: Option<&'c RequestState>,
    /// The place of the last member compared, and of the best so far.
    at: usize,
    best: Option<usize>,
}

impl Candidates<'_> {
    /// Whether the member is better than the best so far, which is the last one for which this was
    /// `true`.
    fn is_better(&mut self, current: Worker<'_>, best: Option<Worker<'_>>) -> bool {
        // A member that another thread has added since: the next election has it.
        let Some(place) = self.place(current) else { return false };
        self.at = place;
        self.choice.mark_electable(place);
        if self.kept.is_some_and(|kept| kept.was_tried(current)) {
            return false;
        }
        let load = |at: usize| self.members[at].load();
        let is_better = match best.and(self.best) {
            Some(best) => self.choice.prefers(place, best, load),
            None => true,
        };
        if is_better {
            self.best = Some(place);
        }
        is_better
    }

    fn commit(self, chosen: Option<Worker<'_>>) {
        let place = chosen.and_then(|member| Some((self.place(member)?, member.load_factor())));
        self.choice.commit(place);
    }

    /// The place of a member. mod_proxy walks through its members in their order, except for spares and
    /// standbys, so the search starts at the last place and wraps around.
    fn place(&self, member: Worker<'_>) -> Option<usize> {
        let (before, from_here) = self.members.split_at(self.at);
        let is_it = |other: &Worker<'_>| *other == member;
        let here = from_here.iter().position(is_it).map(|at| at + self.at);
        here.or_else(|| before.iter().position(is_it))
    }
}
