//! What mod_proxy does after a call of the scheme handler, for a call that has outlasted its hook: the
//! member is marked, the next one is tried, and the hooks of the end are run (`proxy_handler` of
//! mod_proxy.c, from the call of the scheme handler on).

use std::ffi::c_int;

use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::call::Call;
use crate::ffi::state::probe;
use crate::ffi::state::request_state::RequestState;
use crate::ffi::sys;

/// The variables of `proxy_handler` that are its state.
struct Progress<'r> {
    request: Request<'r>,
    conf: ProxyConf<'r>,
    worker: *mut sys::proxy_worker,
    balancer: *mut sys::proxy_balancer,
}

/// Takes the result of a call that has been parked to its end. SUSPENDED: it has been parked again, or the
/// call for the next member has.
pub(crate) fn conclude(call: &Call<'_>, HandlerStatus(mut status): HandlerStatus) -> HandlerStatus {
    if status == sys::SUSPENDED {
        return HandlerStatus(status);
    }
    let Call { request, conf, .. } = *call;
    probe::give_up(request, call.worker);
    let balancer = Balancer::of(call.worker).map_or(std::ptr::null_mut(), Balancer::as_ptr);
    let mut progress = Progress { request, conf, worker: call.worker.as_ptr(), balancer };
    while progress.wants_another(status) {
        status = match progress.try_next() {
            Ok(sys::SUSPENDED) => return HandlerStatus(sys::SUSPENDED),
            Ok(status) => status,
            Err(NoMember(UNAVAILABLE)) => {
                status = UNAVAILABLE;
                break;
            }
            Err(NoMember(status)) => return HandlerStatus(status),
        }
    }
    HandlerStatus(progress.end(status))
}

/// No member was found; the status that says so.
struct NoMember(c_int);

const UNAVAILABLE: c_int = sys::HTTP_SERVICE_UNAVAILABLE as c_int;
const INTERNAL_ERROR: c_int = sys::HTTP_INTERNAL_SERVER_ERROR as c_int;

impl<'r> Progress<'r> {
    /// Marks the member for a failure, and says whether another one is to be tried.
    fn wants_another(&self, status: c_int) -> bool {
        let is_overridden = self.request.notes().get(c"proxy-error-override").is_some();
        if is_overridden || !matches!(status, UNAVAILABLE | INTERNAL_ERROR) {
            return false;
        }
        // SAFETY: null, or the balancer of a live member; and a live worker of mod_proxy's.
        let (balancer, worker) =
            unsafe { (Balancer::from_ptr(self.balancer), Worker::from_ptr(self.worker)) };
        let Some(balancer) = balancer else { return false };
        worker.mark_error();
        let attempts = RequestState::of(self.request).handler_calls().saturating_sub(1);
        status == UNAVAILABLE
            && !worker.status().is_usable()
            && balancer.max_attempts().is_some_and(|most| most > attempts)
    }

    /// Has the next member chosen, and calls the scheme handler of its protocol.
    fn try_next(&mut self) -> Result<c_int, NoMember> {
        let (r, conf) = (self.request.as_ptr(), self.conf.as_ptr());
        let Some(url) = RequestState::of(self.request).balancer_url.get() else {
            return Err(NoMember(UNAVAILABLE));
        };
        let mut url = url.as_ptr();
        // SAFETY: request, worker, balancer and configuration are live, and `url` is a string of the
        // request's pool, which mod_proxy had the member before chosen with.
        unsafe {
            let (worker, balancer) = (&raw mut self.worker, &raw mut self.balancer);
            let status = sys::ap_proxy_pre_request(worker, balancer, r, conf, &raw mut url);
            if status != sys::OK as c_int {
                if self.worker.is_null() {
                    self.balancer = std::ptr::null_mut();
                }
                return Err(NoMember(status));
            }
            sys::ap_proxy_initialize_worker(self.worker, (*r).server, (*conf).pool);
            let status =
                sys::proxy_run_scheme_handler(r, self.worker, conf, url, std::ptr::null(), 0);
            Ok(if status == sys::DECLINED { INTERNAL_ERROR } else { status })
        }
    }

    /// Runs the hooks of the end. Returns the status for httpd, which a hook may have changed.
    fn end(&self, mut status: c_int) -> c_int {
        let (r, conf) = (self.request.as_ptr(), self.conf.as_ptr());
        let is_error = !matches!(status, DONE | OK);
        // SAFETY: request, worker, balancer and configuration are live; mod_proxy leaves both out
        // where no member was found.
        unsafe {
            // The hooks find the status in the request; one that changes it there means it.
            let before = (*r).status;
            if is_error {
                (*r).status = status;
            }
            sys::ap_proxy_post_request(self.worker, self.balancer, r, conf);
            if is_error && (*r).status == status {
                (*r).status = before;
            }
            sys::proxy_run_request_status(&raw mut status, r);
        }
        status
    }
}

const DONE: c_int = sys::DONE;
const OK: c_int = sys::OK as c_int;
