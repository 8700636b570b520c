//! What httpd, its log formats and balancer-manager are told once a member has been chosen.

use std::ffi::{c_char, c_int};

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
    // SAFETY: as the caller promises.
    let status = unsafe {
        *places.worker = member.as_ptr();
        let (status, url) = member_url(request, &member.name(), path_of(url));
        if status == sys::OK as c_int {
            *places.url = url;
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

/// The URL of a balancer with the member in the balancer's place, canonical, in the request's pool; and what came of it.
///
/// Since httpd 2.4.62, mod_proxy gives a balancer the URL as it is, and it is made canonical here (`balancer_fixup` in
/// mod_proxy_balancer.c). Before, it has been made so already (`rewrite_url`): a second time, escapes would be escaped.
fn member_url(request: Request<'_>, name: &[u8], path: &[u8]) -> (c_int, *mut c_char) {
    const START: &[u8] = b"proxy:";
    let pool = request.pool();
    let filename = pool.concat(&[START, name, path]);
    let mut status = sys::OK as c_int;
    // SAFETY: the request is live and this thread serves it; the text is of its pool; the shim fills in the place.
    let is_made =
        unsafe { sys::ajp_shim_canon_url(request.as_ptr(), filename, &raw mut status) != 0 };
    if !is_made {
        // SAFETY: the text begins so.
        return (status, unsafe { filename.add(START.len()) });
    }
    if status == sys::DECLINED {
        // No module serves the member's scheme. Declining, we would have mod_proxy_balancer choose once more.
        status = sys::HTTP_SERVICE_UNAVAILABLE as c_int;
    }
    (status, pool.copy(request.filename().strip_prefix(START).unwrap_or(b"")))
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
