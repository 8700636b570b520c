//! Which member of a balancer gets a request, where mod_proxy_balancer's own choice will not do.
//!
//! Asked before mod_proxy_balancer. It stays the balancer: this steps in only
//! * for a request of a session, or one for which the environment names the route (`ajp-route`): all
//!   cookies and path parameters count, `sessionretry`, `sessionredirect` and `domain` are looked at;
//! * where the environment says that there is no session (`ajp-sticky-ignore`);
//! * when a member in error is to be asked whether it is back ([`probing`]);
//! * when the request has been given to a member already: no member is chosen twice, whatever its
//!   `retry`, and every usable one has its turn.
//!
//! What it does then is what `proxy_balancer_pre_request` of mod_proxy_balancer does, in its order:
//! the session's member, else the lbmethod's; counters, environment and notes; the URL ([`install`]).

use std::ffi::{CStr, c_char, c_int};
use std::sync::Arc;

use super::apr;
use super::balancer::{Balancer, Locked};
use super::child::Child;
use super::install;
use super::kept::Kept;
use super::log::{self, LogLevel};
use super::probing::{self, BodyIsMissing};
use super::request::Request;
use super::server_config::ServerConfig;
use super::worker::Worker;
use super::{answer, first_piece, member, sys};
use crate::backend::WarningKind;
use crate::config::BalancerSettings;
use crate::metrics::MemberKey;

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
    // SAFETY: as the caller promises; a string of the request's pool.
    let url = unsafe { apr::bytes(*places.url) }.unwrap_or(b"");
    // SAFETY: as the caller promises; null or a balancer, which outlives the request.
    let balancer = unsafe {
        if (*places.balancer).is_null() && is_balancer(url) {
            let pool = request.pool().as_ptr();
            *places.balancer = sys::ap_proxy_get_balancer(pool, conf, *places.url, 1);
        }
        Balancer::from_ptr(*places.balancer)
    };
    // SAFETY: the request's server is live.
    let config = unsafe { ServerConfig::of(request.server()) };
    let (Some(balancer), Some(config)) = (balancer, config) else { return sys::DECLINED };
    let Some(child) = config.child.get() else { return sys::DECLINED };
    if !balancer.members().any(Worker::is_ajp) {
        return sys::DECLINED;
    }
    let ignores_session = ignores_session(request);
    let session = session(request, balancer, url, ignores_session);
    // SAFETY: nothing changes the list before it has been copied.
    let tried = unsafe { Kept::tried(request) }.to_vec();
    let is_ours = session.is_some() || ignores_session || !tried.is_empty();
    if !is_ours && !balancer.members().any(Worker::is_in_error) {
        return sys::DECLINED;
    }
    balancer.members().filter(|member| member.is_in_error()).for_each(Worker::settle_error_time);
    let settings = config.balancer_with_keys(&balancer.name()).unwrap_or_default();
    let election = Election { request, balancer, child, settings, tried, session };
    let elected = loop {
        let Some(locked) = balancer.lock() else { return sys::DECLINED };
        // SAFETY: as the caller promises.
        unsafe { locked.sync(request, conf) };
        let elected =
            if is_ours { election.run(&locked) } else { election.newcomer_for_error(&locked) };
        drop(locked);
        match elected {
            Ok(elected) => break elected,
            Err(BodyIsMissing(member)) => match first_piece::read(request) {
                Ok(()) => {}
                Err(error) => {
                    // SAFETY: as the caller promises.
                    unsafe {
                        *places.worker = std::ptr::null_mut();
                        *places.balancer = std::ptr::null_mut();
                    }
                    return answer::client_failed_before_election(request, child, member, error);
                }
            },
        }
    };
    if !elected.is_some_and(Worker::is_ajp) {
        first_piece::hand_over(request);
    }
    match elected {
        // SAFETY: as the caller promises.
        Some(member) => unsafe {
            install::install(request, balancer, member, election.session, url, places)
        },
        None if !is_ours || balancer.waits_for_members() => sys::DECLINED,
        None => {
            let name = balancer.name();
            let name = String::from_utf8_lossy(&name);
            let warnings = child.warnings(MemberKey::of(&[name.as_bytes()]));
            log::at_will(
                request,
                LogLevel::Error,
                Some((&warnings, WarningKind::NoMember)),
                format_args!("{name}: no member left that could take the request"),
            );
            // SAFETY: as the caller promises.
            unsafe { *places.worker = std::ptr::null_mut() };
            sys::HTTP_SERVICE_UNAVAILABLE as c_int
        }
    }
}

/// The route that the environment names for this request (`ajp-route`).
pub(super) fn forced_route<'r>(request: Request<'r>) -> Option<&'r [u8]> {
    word(request, c"ajp-route", c"JK_ROUTE").filter(|route| !route.is_empty())
}

/// Does the environment say that the session is not to be looked at (`ajp-sticky-ignore`)?
pub(super) fn ignores_session(request: Request<'_>) -> bool {
    word(request, c"ajp-sticky-ignore", c"JK_STICKY_IGNORE").is_some_and(is_on)
}

/// A word of the environment, by our name or by mod_jk's.
fn word<'r>(request: Request<'r>, ours: &CStr, jk: &CStr) -> Option<&'r [u8]> {
    let environment = request.environment();
    environment.get(ours).or_else(|| environment.get(jk))
}

/// The client's sessions, and where the request says so.
pub(super) struct Session {
    /// Never empty. Those that are a member's, else the first.
    pub(super) routes: Vec<Vec<u8>>,
    /// What mod_proxy_balancer calls the sticky parameter.
    pub(super) named_by: Vec<u8>,
}

fn session(request: Request<'_>, balancer: Balancer, url: &[u8], ignored: bool) -> Option<Session> {
    if let Some(route) = forced_route(request) {
        return Some(Session { routes: vec![route.to_vec()], named_by: b"ajp-route".to_vec() });
    }
    if ignored {
        return None;
    }
    let cookies = request.headers_in().get(c"Cookie");
    // Most requests without a session have no cookie either, and none needs the names then.
    if cookies.is_none() && !url.contains(&b'=') {
        return None;
    }
    let sticky = balancer.sticky()?;
    let all: Vec<Vec<u8>> = sticky.routes(url, cookies).map(<[u8]>::to_vec).collect();
    let first = all.first()?.clone();
    let mut routes: Vec<_> = all.into_iter().filter(|route| is_known(balancer, route)).collect();
    if routes.is_empty() {
        routes.push(first);
    }
    let is_in_url = sticky.routes(url, None).any(|route| route == routes[0]);
    let named_by = if is_in_url { sticky.path } else { sticky.cookie };
    Some(Session { routes, named_by })
}

/// Is it the route of a member, usable or not?
pub(super) fn is_known(balancer: Balancer, route: &[u8]) -> bool {
    balancer.members().any(|member| member.has_route(route))
}

struct Election<'r> {
    request: Request<'r>,
    balancer: Balancer,
    child: &'r Arc<Child>,
    settings: BalancerSettings,
    tried: Vec<Worker>,
    session: Option<Session>,
}

impl Election<'_> {
    /// The member that gets the request. Nothing has been counted where the body is missing.
    fn run(&self, locked: &Locked) -> Result<Option<Worker>, BodyIsMissing> {
        self.recover_if_none_is_left();
        let routes = self.session.as_ref().map_or(&[][..], |session| &session.routes);
        if let Some(member) = self.of_session(locked, routes)? {
            locked.elected_for_session(member, self.request);
            member.count_election();
            return Ok(Some(member));
        }
        if self.balancer.forces_sessions()
            && routes.iter().any(|route| is_known(self.balancer, route))
        {
            return Ok(None);
        }
        if let Some(member) = self.newcomer_for_error(locked)? {
            return Ok(Some(member));
        }
        let found = locked.find(self.request).filter(|member| !self.tried.contains(member));
        let found =
            found.or_else(|| locked.find_untried(self.request, |other| self.may_have(other)));
        if let Some(member) = found {
            member.count_election();
        }
        Ok(found)
    }

    fn of_session(
        &self,
        locked: &Locked,
        routes: &[Vec<u8>],
    ) -> Result<Option<Worker>, BodyIsMissing> {
        for route in routes {
            if let Some(member) = self.by_route(route, 0)? {
                return Ok(Some(member));
            }
        }
        if self.balancer.forces_sessions() {
            return Ok(None);
        }
        Ok(routes.iter().find_map(|route| self.by_domain(locked, route)))
    }

    fn may_have(&self, member: Worker) -> bool {
        !self.tried.contains(&member)
    }

    /// `forcerecovery`: where all members are in error, those that have not been tried are.
    fn recover_if_none_is_left(&self) {
        let is_left = |member: Worker| !member.is_in_error() || member.retry_is_due();
        if !self.balancer.forces_recovery() || self.balancer.members().any(is_left) {
            return;
        }
        for member in self.balancer.members().filter(|member| self.may_have(*member)) {
            member.force_recovery();
        }
    }

    /// A member in error whose time has come, for a request that could as well go elsewhere: one
    /// request, and none where nearer members (`lbset`) are well.
    fn newcomer_for_error(&self, locked: &Locked) -> Result<Option<Worker>, BodyIsMissing> {
        let nearest = self
            .balancer
            .members()
            .filter(|member| member.is_well() && member.takes_newcomers())
            .map(Worker::lbset)
            .min();
        let due = self.balancer.members().filter(|member| {
            self.may_have(*member)
                && member.takes_newcomers()
                && member.limits_probes()
                && member.retry_is_due()
                && nearest.is_none_or(|nearest| member.lbset() <= nearest)
        });
        for member in due {
            if probing::begin(self.request, member, self.child)? {
                locked.elected_for_session(member, self.request);
                member.count_election();
                return Ok(Some(member));
            }
        }
        Ok(None)
    }

    /// The member with this route, hot standbys last, if it may be asked; else the one that its
    /// `redirect` names.
    fn by_route(&self, route: &[u8], redirects: usize) -> Result<Option<Worker>, BodyIsMissing> {
        let members = || self.balancer.members();
        let (standbys, others): (Vec<_>, Vec<_>) = members()
            .filter(|member| member.has_route(route))
            .partition(|member| member.status() & sys::PROXY_WORKER_HOT_STANDBY != 0);
        for member in others.into_iter().chain(standbys) {
            if self.may_have(member) && self.may_be_asked(member)? {
                return Ok(Some(member));
            }
            if !self.settings.session_redirect {
                continue;
            }
            // Not for ever: redirects may go round in a circle.
            let redirect = member.redirect().filter(|_| redirects < members().count());
            let Some(redirect) = redirect else { continue };
            if let Some(other) = self.by_route(&redirect, redirects + 1)? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Well, or in error and this is the request that asks: since its time has come, or since a
    /// session has nowhere else to go (`sessionretry`, `nofailover`).
    fn may_be_asked(&self, member: Worker) -> Result<bool, BodyIsMissing> {
        if member.is_well() {
            return Ok(true);
        }
        if !member.limits_probes() || self.child.member_state(member.key()).is_none() {
            return Ok(member.is_usable(self.request.server()));
        }
        let insists = self.settings.session_retry || self.balancer.forces_sessions();
        if !member.is_only_in_error() || !(insists || member.retry_is_due()) {
            return Ok(false);
        }
        probing::begin(self.request, member, self.child)
    }

    /// Where the session's member cannot be had: the least busy one of its `domain`, which shares
    /// its sessions. A route that no member has may begin with the name of a domain, as
    /// mod_jk's may.
    fn by_domain(&self, locked: &Locked, route: &[u8]) -> Option<Worker> {
        let domain_of = |member: Worker| self.child.settings(member.id())?.domain.as_deref();
        let own = self.balancer.members().find(|member| member.has_route(route));
        let domain = match own {
            Some(member) => domain_of(member)?.as_bytes(),
            None => route.split(|byte| *byte == b'.').next()?,
        };
        locked.find_untried(self.request, |member| {
            self.may_have(member) && domain_of(member).is_some_and(|d| d.as_bytes() == domain)
        })
    }
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
    fn a_flag_is_on_unless_it_says_no() {
        assert!(is_on(b"1") && is_on(b"On"));
        assert!(!is_on(b"0") && !is_on(b"OFF") && !is_on(b""));
    }
}
