//! `SetHandler ajp-status`, and the part of mod_status's page.
//!
//! httpd decides (`Require`) who may read the page, and who may change something: the handler runs only
//! if access is granted. A GET changes nothing. A POST must carry the nonce, which only users who may
//! read the page can know.

use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::fmt::Write;
use std::sync::Arc;

use crate::backend::WarningKind;
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::response_body::ResponseBody;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::state::server_state::in_this_child;
use crate::ffi::status_page::orders;
use crate::ffi::status_page::snapshot::SnapshotBuilder;
use crate::ffi::sys;
use crate::messages::Message;
use crate::shared::MemberKey;
use crate::status::{self, Done, OPENMETRICS, Order, Wanted};

/// The longest body of a POST, in bytes: a few words and a name.
const MAX_FORM: usize = 8192;

const HTML: &CStr = c"text/html; charset=utf-8";
const TEXT: &CStr = c"text/plain; charset=utf-8";

/// Serves the page, or carries out the order of a POST.
pub(crate) fn handle(request: Request<'_>) -> c_int {
    let Some((main, state, child)) = in_this_child(request) else {
        return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
    };
    let (Some(nonce), since_ms) = (state.parent.nonce.get(), state.since_ms()) else {
        return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
    };
    match request.method() {
        b"GET" | b"HEAD" => {}
        b"POST" => {
            let body = match read_form(request) {
                Ok(body) => body,
                Err(status) => return status,
            };
            let as_prop = Order::is_for_prop(&body);
            let no = |status, why: &str| refuse(request, status, as_prop, why);
            let order = match Order::parse(&body) {
                Ok(order) => order,
                Err(error) => return no(400, &error.to_string()),
            };
            if !status::is_own(request.host(), request.server_names()) {
                let why = status::ours(request.host(), request.server_names());
                log_foreign(request, child, &why);
                return no(403, &why);
            }
            if is_of_another_site(request) {
                return no(403, "the form was sent from a page of another site");
            }
            if !nonce.is(&order.nonce) {
                return no(403, "the nonce is missing, or from before a restart: reload the page");
            }
            let builder = SnapshotBuilder::collect(main, child);
            let about = builder.seen.iter().filter(|seen| order.is_about(&seen.member)).count();
            if about > 0 && status::asks_first(&order, about) {
                let snapshot = builder.snapshot(request, child, since_ms);
                let query = request.args().unwrap_or(b"");
                let mut body = begin(request, 200, HTML);
                // An error is that of the body: the rest is not wanted.
                drop(status::confirmation(&snapshot, &order, nonce, query, &mut body));
                body.end();
                return sys::OK as c_int;
            }
            let done = orders::carry_out(request, state, child, &builder, &order);
            return report(request, &order, &done, builder.now_ms);
        }
        _ => {
            request.err_headers_out().set(c"Allow", c"GET, HEAD, POST".as_ptr());
            return sys::HTTP_METHOD_NOT_ALLOWED as c_int;
        }
    }
    let query = request.args().unwrap_or(b"");
    let Some(wanted) = Wanted::of(query) else {
        return answer(
            request,
            400,
            TEXT,
            "format must be html, json, openmetrics or nonce; or use mime=prop\n",
        );
    };
    if let Wanted::Order { as_prop } = wanted {
        // A script that reads only the status, or only mod_jk's last lines, must not take the order for
        // done.
        request.err_headers_out().set(c"Allow", c"POST".as_ptr());
        let why = "nothing was changed: an order must be a POST with the nonce";
        return refuse(request, sys::HTTP_METHOD_NOT_ALLOWED as c_int, as_prop, why);
    }
    if let Wanted::BadCommand { as_prop } = wanted {
        return refuse(request, 400, as_prop, "cmd must be list, show or version");
    }
    if wanted == Wanted::Nonce {
        return answer(request, 200, TEXT, &format!("{}\n", nonce.as_str()));
    }
    if wanted == Wanted::Help {
        let name = request.server_names().next().map_or(Cow::Borrowed(""), String::from_utf8_lossy);
        let mut body = begin(request, 200, HTML);
        // An error is that of the body: the rest is not wanted.
        drop(status::help(&name, &mut body));
        body.end();
        return sys::OK as c_int;
    }
    let snapshot = SnapshotBuilder::collect(main, child).snapshot(request, child, since_ms);
    let kind = match wanted {
        Wanted::Json => c"application/json",
        Wanted::OpenMetrics => metrics_type(),
        Wanted::Prop | Wanted::PropVersion => TEXT,
        // The others have been answered.
        _ => HTML,
    };
    if let Some(refresh) = status::refresh(query).filter(|_| wanted == Wanted::Page) {
        request.headers_out().set(c"Refresh", request.pool().copy(refresh.as_bytes()));
    }
    let mut body = begin(request, 200, kind);
    // An error is that of the body: the rest is not wanted.
    match wanted {
        Wanted::Json => drop(status::json(&snapshot, &mut body)),
        Wanted::OpenMetrics => drop(status::openmetrics(Arc::new(snapshot), &mut body)),
        Wanted::Prop => status::prop(&snapshot, &mut body),
        Wanted::PropVersion => status::version(&snapshot, &mut body),
        _ => {
            drop(status::page(&snapshot, Some(nonce), query, &mut body));
        }
    }
    body.end();
    sys::OK as c_int
}

/// Our part of mod_status's page, where `ProxyStatus` lets mod_proxy show its own.
pub(crate) fn summary(request: Request<'_>, flags: c_int) {
    let Some((main, state, child)) = in_this_child(request) else { return };
    if !ProxyConf::of(request.server()).is_some_and(ProxyConf::shows_status) {
        return;
    }
    let since_ms = state.since_ms();
    let snapshot = SnapshotBuilder::collect(main, child).snapshot(request, child, since_ms);
    if snapshot.members().next().is_none() {
        return;
    }
    let mut body = ResponseBody::begin(request);
    if flags & sys::AP_STATUS_SHORT as c_int != 0 {
        status::auto(&snapshot, &mut body);
    } else {
        // An error is that of the body: the rest is not wanted.
        drop(status::html(&snapshot, &mut body));
    }
    body.end();
}

/// Reports the outcome of an order, to the page or to a script.
fn report(request: Request<'_>, order: &Order, done: &[Done], now_ms: u64) -> c_int {
    let refused = done.iter().filter(|done| done.refused.is_some()).count();
    let (text, count) = (status::report(done), done.len() - refused);
    let note = done.iter().find_map(|done| done.note);
    if order.as_prop {
        let finished = match note {
            Some(note) => format!("Action finished, but {}", status::words(note)),
            None => "Action finished".to_owned(),
        };
        let result = match (count, refused) {
            (0, 0) => Err("no such worker"),
            (0, _) => Err("refused"),
            _ => Ok(&*finished),
        };
        return answer(request, 200, TEXT, &status::result(result));
    }
    if done.is_empty() {
        return answer(request, 404, TEXT, "no such worker\n");
    }
    if !order.from_page {
        return answer(request, if count == 0 { 409 } else { 200 }, TEXT, &text);
    }
    let query = status::outcome(request.args().unwrap_or(b""), order, done, now_ms);
    let target = [request.encoded_path(), query.as_bytes()].concat();
    request.headers_out().set(c"Location", request.pool().copy(&target));
    sys::HTTP_SEE_OTHER as c_int
}

/// Reports that nothing was done, and why, to people, and to scripts that read only mod_jk's last
/// lines.
fn refuse(request: Request<'_>, status: c_int, as_prop: bool, why: &str) -> c_int {
    let text = if as_prop { status::result(Err(why)) } else { format!("{why}\n") };
    answer(request, status, TEXT, &text)
}

/// Logs an order with a foreign Host. Anyone who owns a name can point it to this server, and can make
/// pages of that name send orders.
fn log_foreign(request: Request<'_>, child: &Child, why: &str) {
    let warnings = child.warnings(MemberKey::of(&[b"ajp-status"]));
    let address = String::from_utf8_lossy(request.client().ip);
    log::at_will(
        request,
        Message::OrderFromOtherHost,
        Some((&warnings, WarningKind::Order)),
        format_args!("ajp-status: order refused, from {address}: {why}"),
    );
}

/// Whether a browser says that a page of another site has sent the form. Scripts say nothing about it.
///
/// Otherwise a user who may read the nonce, but not send an order, could have an administrator's
/// browser send it.
fn is_of_another_site(request: Request<'_>) -> bool {
    let headers = request.headers_in();
    if let Some(site) = headers.get(c"Sec-Fetch-Site") {
        return !matches!(site, b"same-origin" | b"none");
    }
    let (Some(origin), Some(host)) = (headers.get(c"Origin"), headers.get(c"Host")) else {
        return false;
    };
    let after_scheme = origin.windows(3).position(|three| three == b"://").map(|at| at + 3);
    !after_scheme.is_some_and(|at| origin[at..].eq_ignore_ascii_case(host))
}

/// The body of a form. `Err` has the status to answer with.
fn read_form(request: Request<'_>) -> Result<Vec<u8>, c_int> {
    let kind = request.headers_in().get(c"Content-Type").unwrap_or(b"");
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or(b"").trim_ascii();
    if !kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return Err(sys::HTTP_UNSUPPORTED_MEDIA_TYPE as c_int);
    }
    request.read_body(MAX_FORM)
}

/// Answers with a short text.
fn answer(request: Request<'_>, status: c_int, kind: &'static CStr, text: &str) -> c_int {
    let mut body = begin(request, status, kind);
    // An error is that of the body: the rest is not wanted.
    let _ = body.write_str(text);
    body.end();
    sys::OK as c_int
}

/// Begins a response that must not be stored, framed, or taken for another type.
fn begin<'r>(request: Request<'r>, status: c_int, kind: &'static CStr) -> ResponseBody<'r> {
    let headers = request.err_headers_out();
    headers.set(c"Cache-Control", c"no-store".as_ptr());
    headers.set(c"X-Content-Type-Options", c"nosniff".as_ptr());
    headers.set(c"X-Frame-Options", c"DENY".as_ptr());
    headers.set(c"Referrer-Policy", c"no-referrer".as_ptr());
    headers.set(
        c"Content-Security-Policy",
        c"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
            .as_ptr(),
    );
    if status != 200 {
        request.set_status(status, std::ptr::null());
    }
    request.set_content_type(kind);
    ResponseBody::begin(request)
}

fn metrics_type() -> &'static CStr {
    const TYPE: &CStr = c"application/openmetrics-text; version=1.0.0; charset=utf-8";
    debug_assert_eq!(TYPE.to_bytes(), OPENMETRICS.as_bytes());
    TYPE
}
