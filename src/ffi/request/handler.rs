//! The scheme handler: one request to one worker.

use std::ffi::{c_char, c_int};
use std::sync::Arc;

use crate::backend::WarningKind;
use crate::ffi::apr::text;
use crate::ffi::child::busy_guard::BusyGuard;
use crate::ffi::child::probe_guard;
use crate::ffi::child::worker_cache::CachedWorker;
use crate::ffi::guard::{guard, guard_or};
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::backend_url::Uri;
use crate::ffi::mod_proxy::backend_url::is_ajp;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::call::Call;
use crate::ffi::request::forwarding::Forwarding;
use crate::ffi::request::known_worker::reply_timeout;
use crate::ffi::request::outcome;
use crate::ffi::request::parked_call::ParkedCall;
use crate::ffi::request::parking_rules;
use crate::ffi::request::proxy_block;
use crate::ffi::request::response_progress::ResponseProgress;
use crate::ffi::state::member_marks;
use crate::ffi::state::probe;
use crate::ffi::state::request_state::RequestState;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;
use crate::messages::Message;
use crate::proxy::{Failure, ProxyError, RequestSettings, Resend, Traffic, serve};
use crate::shared::Busy;

/// Calls [`handle`] behind the guard: a panic is a 500 that leaves the member unchanged.
///
/// # Safety
/// As [`handle`].
pub(crate) unsafe fn guarded(
    request: Request<'_>,
    worker: Worker<'_>,
    conf: ProxyConf<'_>,
    url: *const c_char,
    proxy_name: *const c_char,
    proxy_port: u16,
) -> c_int {
    let internal_error = || {
        let child = ServerState::child_of(request.server());
        outcome::internal_error(request, worker, child.map(|child| &**child))
    };
    let HandlerStatus(status) = guard_or(internal_error, || {
        // SAFETY: as the caller promises.
        unsafe { handle(request, worker, conf, url, proxy_name, proxy_port) }
    });
    if status != sys::SUSPENDED {
        guard((), || probe::give_up(request, worker));
    }
    status
}

/// Serves `url` through `worker`; declines schemes other than ajp.
///
/// # Safety
/// `url` and `proxy_name` (which may be null) are strings that live as long as the request.
unsafe fn handle(
    request: Request<'_>,
    worker: Worker<'_>,
    conf: ProxyConf<'_>,
    url: *const c_char,
    proxy_name: *const c_char,
    proxy_port: u16,
) -> HandlerStatus {
    // SAFETY: as the caller promises.
    let (url_text, proxy_name) =
        unsafe { (text::bytes(url).unwrap_or(b""), text::bytes(proxy_name)) };
    if !is_ajp(url_text) {
        return HandlerStatus(sys::DECLINED);
    }
    member_marks::clear_transient_mark(request);
    let Some(child) = ServerState::child_of(request.server()) else {
        log::request(
            request,
            Message::NotInitialised,
            format_args!("the module is not initialised in this child"),
        );
        return HandlerStatus(sys::HTTP_INTERNAL_SERVER_ERROR as c_int);
    };
    // A member was elected a moment ago; its flags may now show another request's temporary mark. A
    // worker outside a balancer is refused if it is disabled or stopped.
    if !worker.is_member() && !worker.is_usable(request.server()) {
        let name = worker.name();
        let name = String::from_utf8_lossy(&name);
        let warnings = child.warnings(worker.key());
        log::at_will(
            request,
            Message::WorkerDisabled,
            Some((&warnings, WarningKind::Disabled)),
            format_args!("{name}: the worker is disabled or stopped"),
        );
        return HandlerStatus(sys::HTTP_SERVICE_UNAVAILABLE as c_int);
    }
    let cached = child.known.get(worker, conf);
    let origin = cached.as_ref().and_then(|known| known.origin.as_ref());
    let taken_apart = origin.and_then(|origin| origin.uri(url_text));
    // SAFETY: url is a string of the request's pool.
    let Some(uri) = taken_apart.or_else(|| unsafe { Uri::of(request, url) }) else {
        let warnings = child.warnings(worker.key());
        log::at_will(
            request,
            Message::UrlInvalid,
            Some((&warnings, WarningKind::Url)),
            format_args!("{}: not a URL", String::from_utf8_lossy(url_text)),
        );
        return HandlerStatus(sys::HTTP_BAD_REQUEST as c_int);
    };
    let kept = RequestState::of(request);
    if proxy_name.is_none() {
        kept.count_handler_call();
    }
    let call = Call { request, worker, conf, child, kept };
    call.run(&uri, cached, proxy_name.map(|name| (name, proxy_port)))
}

impl<'r> Call<'r> {
    fn run(
        &self,
        uri: &Uri<'r>,
        cached: Option<Arc<CachedWorker>>,
        remote_proxy: Option<(&[u8], u16)>,
    ) -> HandlerStatus {
        let forwarding = match self.make_ready(uri, cached, remote_proxy) {
            Ok(forwarding) => forwarding,
            Err(status) => return status,
        };
        let shared = self.child.member_state(forwarding.known.member);
        let limit = forwarding.known.settings.worker.busy_limit;
        let parks = !forwarding.is_by_remote_proxy && parking_rules::can_park(self);
        let mut response = ResponseProgress::new(self.request, parks);
        match shared.map(|member| member.enter(limit)).transpose() {
            Ok(busy) if parks => ParkedCall::begin(self, forwarding, response, busy),
            Ok(busy) => self.serve(&forwarding, &mut response, busy.as_ref()),
            Err(limit) => self.refuse(&forwarding, &mut response, limit.into()),
        }
    }

    /// Waits in this thread for whatever there is to wait for.
    fn serve(
        &self,
        forwarding: &Forwarding,
        response: &mut ResponseProgress,
        busy: Option<&Busy<'_>>,
    ) -> HandlerStatus {
        self.with_client(response, |mut client| {
            let Forwarding { known, settings, prepared, .. } = forwarding;
            let (result, traffic) =
                serve(&known.backend, &known.settings, settings, prepared, &mut client);
            self.finish(forwarding, client, busy, result, &traffic)
        })
    }

    #[cold]
    fn refuse(
        &self,
        forwarding: &Forwarding,
        response: &mut ResponseProgress,
        limit: ProxyError,
    ) -> HandlerStatus {
        self.with_client(response, |client| {
            let result = Err(Failure::before_connection(limit));
            self.finish(forwarding, client, None, result, &Traffic::default())
        })
    }

    /// All that can be done before a connection is asked for.
    ///
    /// # Errors
    /// What mod_proxy is told instead: no connection shall be asked for.
    fn make_ready(
        &self,
        uri: &Uri<'r>,
        cached: Option<Arc<CachedWorker>>,
        remote_proxy: Option<(&[u8], u16)>,
    ) -> Result<Forwarding, HandlerStatus> {
        let (request, kept) = (self.request, self.kept);
        if self.worker.is_member() {
            // It never changes.
            let key = cached.as_ref().map_or_else(|| self.worker.key(), |known| known.member);
            kept.hold(BusyGuard::new(key, self.child));
        }
        let is_by_remote_proxy = remote_proxy.is_some();
        // A ProxyRemote is never used for a container that opens the connections.
        let remote_proxy = remote_proxy.filter(|_| {
            let host = String::from_utf8_lossy(uri.host);
            self.child.reverse(&host, uri.port).is_none()
        });
        if kept.sent_to_remote_proxy.get() && !is_by_remote_proxy {
            // After a 502 of a ProxyRemote, mod_proxy would try the backend itself.
            return Err(HandlerStatus(sys::HTTP_BAD_GATEWAY as c_int));
        }
        if kept.was_sent_to(self.worker) {
            // mod_proxy has chosen the member again, for whatever reason: once is enough.
            kept.last_failure.mark(self.worker, self.child);
            return Err(HandlerStatus(sys::HTTP_SERVICE_UNAVAILABLE as c_int));
        }
        if self.worker.is_member() {
            if let Some(before) = kept.note_tried(self.worker) {
                self.child.count_failover(before.view().key());
            }
        }
        kept.last_failure.instead_of_503.set(None);
        request.notes().unset(c"proxy_timedout");
        let known = self.known(uri, remote_proxy, cached);
        let backend = &*known.backend;
        let (ours, usual) = (&known.settings.worker, &known.settings.usual);
        let has_others = self.worker.has_usable_siblings(|other| !kept.was_tried(other));
        // If it is the only member, all resends are its own.
        let is_alone = !has_others && kept.tried_count() <= 1;
        // At least one other member, also with `retries=0`, which is about the same member.
        let repeats = kept.repeats_left.get().unwrap_or_else(|| ours.resends().max(1));
        kept.repeats_left.set(Some(repeats));
        let after_send = ours.recovery.and_then(|rule| rule.after_send(request.method()));
        let resend = Resend { repeats, is_alone, after_send, ..usual.resend };
        let environment = request.environment();
        let settings = RequestSettings {
            reply_timeout: reply_timeout(environment, known.settings.timeout)
                .unwrap_or(usual.reply_timeout),
            keep: usual.keep && environment.get(c"proxy-nokeepalive").is_none(),
            resend,
            has_others,
        };
        let resolved = remote_proxy.is_none().then_some((backend, &known.settings.connect));
        if let Err(status) = proxy_block::check(request, self.conf, uri.host, resolved) {
            return Err(HandlerStatus(status));
        }
        // As the balancer has noted it.
        let route = request.notes().get(c"session-route");
        let mut upload = kept.upload.borrow_mut();
        let prepared = match self.prepare(uri, route, backend, &mut upload) {
            Ok(prepared) => prepared,
            Err(failure) => {
                let is_probe = probe_guard::is_probe(kept.probe.borrow().as_ref(), self.worker);
                let facts = self.facts(false, is_probe, ours, None);
                return Err(self.failed(backend, &failure, &facts, None, &kept.last_failure));
            }
        };
        let is_of_session =
            self.worker.is_member() && route.is_some_and(|route| self.worker.has_route(route));
        Ok(Forwarding { known, settings, prepared, repeats, is_by_remote_proxy, is_of_session })
    }
}
