//! The session of a request: the routes that its cookies, its URL, or its environment name.

use std::ffi::CStr;

use smallvec::{SmallVec, smallvec};

use crate::ffi::apr::shared_text::Text;
use crate::ffi::child::balancer_routes::FoundRoute;
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::{Balancer, STICKY};

/// The route that the environment names for this request (`ajp-route`).
pub(crate) fn forced_route<'r>(request: Request<'r>) -> Option<&'r [u8]> {
    word(request, c"ajp-route", c"JK_ROUTE").filter(|route| !route.is_empty())
}

/// Whether the environment says to ignore the session (`ajp-sticky-ignore`).
pub(crate) fn ignores_session(request: Request<'_>) -> bool {
    word(request, c"ajp-sticky-ignore", c"JK_STICKY_IGNORE").is_some_and(is_on)
}

/// A variable of the environment, by our name or by mod_jk's.
fn word<'r>(request: Request<'r>, ours: &CStr, jk: &CStr) -> Option<&'r [u8]> {
    let environment = request.environment();
    environment.get(ours).or_else(|| environment.get(jk))
}

/// The routes of the client's sessions, and the parameter that named them.
pub(crate) struct Session<'r> {
    /// Never empty. Begins with the first route that a member has, and has all routes after it; if no
    /// member has one, only the first.
    pub(crate) routes: SmallVec<[&'r [u8]; 4]>,
    /// The members that have the first of them; `None`: it has not been looked for.
    pub(crate) found: Option<FoundRoute<'r>>,
    /// The sticky parameter's name in mod_proxy_balancer.
    pub(crate) named_by: NamedBy,
}

/// What has named the routes of a session.
pub(crate) enum NamedBy {
    /// A cookie or a parameter of this name.
    Parameter(Text<STICKY>),
    /// The variable `ajp-route`.
    Environment,
}

impl NamedBy {
    /// Its name, as notes and environment have it.
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Self::Parameter(name) => name,
            Self::Environment => b"ajp-route",
        }
    }
}

/// A request has the cookie or parameter of a session, and no route is found in it.
#[derive(Debug)]
pub(crate) struct NoRoute;

/// The session of a request, as its balancer recognises sessions; `None` if it has none.
///
/// # Errors
/// [`NoRoute`]: mod_proxy_balancer reads the cookie or parameter in its own way.
pub(crate) fn session<'r>(
    request: Request<'r>,
    balancer: Balancer<'_>,
    child: &Child,
    url: &'r [u8],
    ignored: bool,
) -> Result<Option<Session<'r>>, NoRoute> {
    if let Some(route) = forced_route(request) {
        let named_by = NamedBy::Environment;
        return Ok(Some(Session { routes: smallvec![route], found: None, named_by }));
    }
    if ignored {
        return Ok(None);
    }
    let cookies = request.headers_in().get(c"Cookie");
    // mod_proxy keeps the query apart from the URL of a balancer until a member has been chosen.
    let query = request.args();
    // Most requests without a session have no cookie either, and then the names are not needed.
    let has_parameter = |text: &[u8]| text.contains(&b'=');
    let has_parameters = has_parameter(url) || query.is_some_and(has_parameter);
    if cookies.is_none() && !has_parameters {
        return Ok(None);
    }
    let Some(sticky) = balancer.sticky() else { return Ok(None) };
    let mut routes: SmallVec<[&[u8]; 4]> = SmallVec::new();
    if has_parameters {
        routes.extend(sticky.routes_in_url(url, query));
    }
    let in_url = routes.len();
    routes.extend(sticky.routes_in_cookies(cookies));
    if routes.is_empty() {
        let is_named = sticky.is_named(url, query, cookies);
        return if is_named { Err(NoRoute) } else { Ok(None) };
    }
    // Finding that no member has a route reads all members, so the routes after it are not checked.
    let mut found = None;
    let known = routes.iter().position(|route| {
        let members = child.routes.find(balancer, route);
        let is_known = !members.places.is_empty();
        found = is_known.then_some(members);
        is_known
    });
    match known {
        Some(first) => drop(routes.drain(..first)),
        None => routes.truncate(1),
    }
    let is_in_url = known.unwrap_or(0) < in_url;
    let named_by = NamedBy::Parameter(if is_in_url { sticky.path } else { sticky.cookie });
    Ok(Some(Session { routes, found, named_by }))
}

/// Whether a member, usable or not, has this route.
pub(crate) fn is_known(balancer: Balancer<'_>, route: &[u8]) -> bool {
    balancer.members().any(|member| member.has_route(route))
}

/// A flag of the environment: a variable that is set means on, except for the words that say no.
fn is_on(value: &[u8]) -> bool {
    !["", "0", "off", "no", "false"].iter().any(|no| value.eq_ignore_ascii_case(no.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_on_unless_its_value_means_no() {
        assert!(is_on(b"1") && is_on(b"On"));
        assert!(!is_on(b"0") && !is_on(b"OFF") && !is_on(b""));
    }
}
