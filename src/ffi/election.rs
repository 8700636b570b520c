//! Which member of a balancer gets a request, where mod_proxy_balancer's own choice will not do.
//!
//! Asked before mod_proxy_balancer. It stays the balancer: this steps in only
//! * when the request has been given to a member already: no member is chosen twice, whatever its
//!   `retry`, and every usable one has its turn;
//! * when the environment names the route (`ajp-route`) or says that there is no session
//!   (`ajp-sticky-ignore`).
//!
//! What it does then is what `proxy_balancer_pre_request` of mod_proxy_balancer does, in its order:
//! the session's member, else the lbmethod's; counters, environment and notes; the URL.

use std::ffi::{CStr, c_char, c_int};

use super::apr;
use super::balancer::{Balancer, Locked};
use super::kept::Kept;
use super::log::{self, LogLevel};
use super::member;
use super::request::Request;
use super::sys;
use super::worker::Worker;

/// mod_proxy's arguments of the hook. Places to read and to write.
pub(super) struct Places {
    pub(super) worker: *mut *mut sys::proxy_worker,
    pub(super) balancer: *mut *mut sys::proxy_balancer,
    pub(super) url: *mut *mut c_char,
}

/// Chooses a member; declines where mod_proxy_balancer is to.
///
/// # Safety
/// `places` are mod_proxy's for this request, `conf` its configuration of the request's server.
pub(super) unsafe fn pre_request(
    request: Request<'_>,
    conf: *mut sys::proxy_server_conf,
    places: &Places,
) -> c_int {
    member::settle(request);
    let tried = tried(request);
    let environment = request.environment();
    let either = |ours: &CStr, jk: &CStr| environment.get(ours).or_else(|| environment.get(jk));
    // SAFETY: as the caller promises; a string of the request's pool.
    let url = unsafe { apr::bytes(*places.url) }.unwrap_or(b"");
    // SAFETY: as the caller promises.
    let is_balanced = unsafe { !(*places.balancer).is_null() } || is_balancer(url);
    if !is_balanced {
        return sys::DECLINED;
    }
    let route = either(c"ajp-route", c"JK_ROUTE").filter(|route| !route.is_empty());
    let no_session = either(c"ajp-sticky-ignore", c"JK_STICKY_IGNORE").is_some_and(is_on);
    if tried.is_empty() && route.is_none() && !no_session {
        return sys::DECLINED;
    }
    // SAFETY: as the caller promises; null or a balancer, which outlives the request.
    let balancer = unsafe {
        if (*places.balancer).is_null() {
            let pool = request.pool().as_ptr();
            *places.balancer = sys::ap_proxy_get_balancer(pool, conf, *places.url, 1);
        }
        Balancer::from_ptr(*places.balancer)
    };
    let Some(balancer) = balancer else { return sys::DECLINED };
    let Some(locked) = balancer.lock() else { return sys::DECLINED };
    // SAFETY: as the caller promises.
    unsafe { locked.sync(request, conf) };
    let session = session(request, balancer, url, route, no_session);
    let election = Election { request, balancer, tried };
    let elected = election.run(&locked, session.as_ref());
    drop(locked);
    match elected {
        // SAFETY: as the caller promises.
        Some(member) => unsafe { election.install(member, session, url, places) },
        None => {
            if balancer.waits_for_members() {
                return sys::DECLINED;
            }
            let name = balancer.name();
            let name = String::from_utf8_lossy(&name);
            let text = format_args!("{name}: no member left that could take the request");
            log::request(request, LogLevel::Error, text);
            // SAFETY: as the caller promises.
            unsafe { *places.worker = std::ptr::null_mut() };
            sys::HTTP_SERVICE_UNAVAILABLE as c_int
        }
    }
}

/// The members that this request has been given to.
fn tried<'r>(request: Request<'r>) -> &'r [Worker] {
    if request.kept().is_null() {
        return &[];
    }
    // SAFETY: nobody else uses the record during this hook, and the list is not changed in it.
    unsafe { &Kept::of(request).tried }
}

/// The client's sessions, and where the request says so.
struct Session {
    /// Never empty. Those that are a member's, else the first.
    routes: Vec<Vec<u8>>,
    /// What mod_proxy_balancer calls the sticky parameter.
    named_by: Vec<u8>,
}

fn session(
    request: Request<'_>,
    balancer: Balancer,
    url: &[u8],
    forced: Option<&[u8]>,
    no_session: bool,
) -> Option<Session> {
    if let Some(route) = forced {
        return Some(Session { routes: vec![route.to_vec()], named_by: b"ajp-route".to_vec() });
    }
    let sticky = balancer.sticky().filter(|_| !no_session)?;
    let cookies = request.headers_in().get(c"Cookie");
    let all: Vec<Vec<u8>> = sticky.routes(url, cookies).map(<[u8]>::to_vec).collect();
    let first = all.first()?.clone();
    let mut routes: Vec<_> = all.into_iter().filter(|route| is_known(balancer, route)).collect();
    if routes.is_empty() {
        routes.push(first);
    }
    Some(Session { routes, named_by: sticky.cookie })
}

/// Is it the route of a member, usable or not?
fn is_known(balancer: Balancer, route: &[u8]) -> bool {
    balancer.members().any(|member| member.has_route(route))
}

struct Election<'r> {
    request: Request<'r>,
    balancer: Balancer,
    tried: &'r [Worker],
}

impl Election<'_> {
    fn run(&self, locked: &Locked, session: Option<&Session>) -> Option<Worker> {
        self.recover_if_none_is_left();
        let routes = session.map_or(&[][..], |session| &session.routes);
        let of_session = routes.iter().find_map(|route| self.by_route(route, 0));
        if let Some(member) = of_session {
            locked.elected_for_session(member, self.request);
            member.count_election();
            return Some(member);
        }
        if self.balancer.forces_sessions()
            && routes.iter().any(|route| is_known(self.balancer, route))
        {
            return None;
        }
        let found = locked.find(self.request).filter(|member| !self.tried.contains(member));
        let member = found.or_else(|| locked.find_untried(self.request, self.tried))?;
        member.count_election();
        Some(member)
    }

    /// `forcerecovery`: where all members are in error, those that have not been tried are.
    fn recover_if_none_is_left(&self) {
        let in_error = |member: Worker| member.status() & sys::PROXY_WORKER_IN_ERROR != 0;
        let is_left = |member: Worker| {
            if in_error(member) {
                member.give_its_chance(self.request.server());
            }
            !in_error(member)
        };
        if !self.balancer.forces_recovery() || self.balancer.members().any(is_left) {
            return;
        }
        for member in self.balancer.members().filter(|member| !self.tried.contains(member)) {
            member.force_recovery();
        }
    }

    /// The usable member with this route, hot standbys last; else the one that its `redirect`
    /// names.
    fn by_route(&self, route: &[u8], redirects: usize) -> Option<Worker> {
        let members = || self.balancer.members();
        let (standbys, others): (Vec<_>, Vec<_>) = members()
            .filter(|member| member.has_route(route))
            .partition(|member| member.status() & sys::PROXY_WORKER_HOT_STANDBY != 0);
        others.into_iter().chain(standbys).find_map(|member| {
            let server = self.request.server();
            if !self.tried.contains(&member) && member.is_usable(server) {
                return Some(member);
            }
            // Not for ever: redirects may go round in a circle.
            let redirect = member.redirect().filter(|_| redirects < members().count())?;
            self.by_route(&redirect, redirects + 1)
        })
    }

    /// Tells httpd, its log formats and balancer-manager who was chosen, and makes the URL that
    /// member's.
    ///
    /// # Safety
    /// As [`pre_request`].
    unsafe fn install(
        &self,
        member: Worker,
        session: Option<Session>,
        url: &[u8],
        places: &Places,
    ) -> c_int {
        let (request, pool) = (self.request, self.request.pool());
        let (environment, notes) = (request.environment(), request.notes());
        let name = member.name();
        let has_moved = match &session {
            Some(session) => !member.has_route(&session.routes[0]),
            None => self.balancer.sticky().is_some(),
        };
        if has_moved {
            environment.set(c"BALANCER_ROUTE_CHANGED", c"1".as_ptr());
        }
        // SAFETY: member and request are live.
        unsafe { sys::ajp_shim_count_busy(member.as_ptr(), request.as_ptr()) };
        environment.set(c"BALANCER_NAME", pool.copy(&self.balancer.name()));
        environment.set(c"BALANCER_WORKER_NAME", pool.copy(&name));
        environment
            .set(c"BALANCER_WORKER_ROUTE", pool.copy(member.route().as_deref().unwrap_or(b"")));
        // SAFETY: as the caller promises; the canonical URL is a string of the request's pool,
        // behind the `proxy:` that a canon handler puts before it.
        let status = unsafe {
            *places.worker = member.as_ptr();
            let text = [&*name, path_of(url)].concat();
            request.set_filename(pool.copy(&[b"proxy:", &text[..]].concat()));
            let status = sys::ajp_shim_run_canon(request.as_ptr(), pool.copy(&text));
            if status == sys::OK as c_int {
                *places.url = pool.copy(request.filename().strip_prefix(b"proxy:").unwrap_or(b""));
            }
            status
        };
        if let Some(Session { routes, named_by }) = session {
            let (route, named_by) = (pool.copy(&routes[0]), pool.copy(&named_by));
            notes.set(c"session-sticky", named_by);
            notes.set(c"session-route", route);
            environment.set(c"BALANCER_SESSION_STICKY", named_by);
            environment.set(c"BALANCER_SESSION_ROUTE", route);
        }
        status
    }
}

/// From the path on, query included.
fn path_of(url: &[u8]) -> &[u8] {
    let host = url.windows(3).position(|three| three == b"://").map_or(url, |at| &url[at + 3..]);
    host.iter().position(|byte| *byte == b'/').map_or(b"", |at| &host[at..])
}

fn is_balancer(url: &[u8]) -> bool {
    const SCHEME: &[u8] = b"balancer://";
    url.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// A flag of the environment: set is on, but for the words that say no.
fn is_on(value: &[u8]) -> bool {
    !["", "0", "off", "no", "false"].iter().any(|no| value.eq_ignore_ascii_case(no.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_keeps_its_query_and_may_be_missing() {
        assert_eq!(path_of(b"balancer://name/a/b;j=1?q=://x/"), b"/a/b;j=1?q=://x/");
        assert_eq!(path_of(b"balancer://name"), b"");
    }

    #[test]
    fn a_flag_is_on_unless_it_says_no() {
        assert!(is_on(b"1") && is_on(b"On"));
        assert!(!is_on(b"0") && !is_on(b"OFF") && !is_on(b""));
    }
}
