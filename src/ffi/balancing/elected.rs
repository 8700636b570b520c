//! What httpd, its log formats and balancer-manager are told once a member has been chosen.

use std::ffi::c_int;

use memchr::{memchr, memchr_iter};

use crate::ffi::balancing::hook_args::HookArgs;
use crate::ffi::balancing::session::Session;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::sys;

/// Counts the request on the member, sets environment and notes as mod_proxy_balancer does, and makes
/// the URL that member's. Returns the hook's result.
///
/// # Safety
/// `places` are mod_proxy's for this request.
pub(crate) unsafe fn install(
    request: Request<'_>,
    balancer: Balancer<'_>,
    member: Worker<'_>,
    session: Option<&Session<'_>>,
    url: &[u8],
    places: &HookArgs,
) -> c_int {
    let pool = request.pool();
    let set = request.environment().setter(b"BALANCER_");
    let has_moved = match &session {
        Some(session) => !member.has_route(session.routes[0]),
        None => balancer.sticky().is_some(),
    };
    if has_moved {
        set(c"BALANCER_ROUTE_CHANGED", c"1".as_ptr());
    }
    member.count_busy(pool);
    set(c"BALANCER_NAME", balancer.name_text());
    set(c"BALANCER_WORKER_NAME", member.name_text());
    set(c"BALANCER_WORKER_ROUTE", pool.copy(member.route().as_deref().unwrap_or(b"")));
    // SAFETY: as the caller promises; the canonical URL is a string of the request's pool, behind
    // the `proxy:` that a canon handler puts before it.
    let status = unsafe {
        *places.worker = member.as_ptr();
        let (name, path) = (member.name(), path_of(url));
        request.set_filename(pool.concat(&[b"proxy:", &name, path]));
        let status = sys::proxy_run_canon_handler(request.as_ptr(), pool.concat(&[&name, path]));
        if status == sys::OK as c_int {
            *places.url = pool.copy(request.filename().strip_prefix(b"proxy:").unwrap_or(b""));
        }
        status
    };
    if let Some(Session { routes, named_by, .. }) = session {
        let (route, named_by) = (pool.copy(routes[0]), pool.copy(named_by.name()));
        set(c"BALANCER_SESSION_STICKY", named_by);
        set(c"BALANCER_SESSION_ROUTE", route);
        let note = request.notes().setter(b"session-");
        note(c"session-sticky", named_by);
        note(c"session-route", route);
    }
    status
}

/// The path of a URL, with its query.
fn path_of(url: &[u8]) -> &[u8] {
    let behind = |at: usize| url[at..].strip_prefix(b"://");
    let host = memchr_iter(b':', url).find_map(behind).unwrap_or(url);
    memchr(b'/', host).map_or(b"", |at| &host[at..])
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn the_path_keeps_its_query_and_may_be_missing() {
        assert_eq!(path_of(b"balancer://name/a/b;j=1?q=://x/"), b"/a/b;j=1?q=://x/");
        assert_eq!(path_of(b"balancer://name"), b"");
    }
}
