//! What mod_proxy and httpd are told when a request is over: status, notes, the member's state.

use std::ffi::{CStr, c_int};

use crate::backend::{AcquireFailure, Backend, WarningKind};
use crate::config::{StatusFailure, WorkerSettings};
use crate::ffi::httpd::clock;
use crate::ffi::httpd::log;
use crate::ffi::request::call::{Call, Refused};
use crate::ffi::request::client::HttpdClient;
use crate::ffi::state::member_marks;
use crate::ffi::sys;
use crate::proxy::{
    Client, Failure, Finished, Level, Member, Outcome, Phase, ProxyError, Reply, Traffic,
};
use crate::shared::Busy;

/// What follows from a failure, in mod_proxy's terms.
pub(crate) struct Verdict {
    /// The scheme handler's return value.
    status: c_int,
    /// mod_proxy would mark the member for that status, and must not.
    pub(crate) spares_member: bool,
    /// The client's status if no other member takes the request.
    pub(crate) instead_of_503: Option<u16>,
}

impl Verdict {
    fn status(status: c_int) -> Self {
        Self { status, spares_member: false, instead_of_503: None }
    }
}

impl Call<'_> {
    /// The response has been handed over.
    pub(crate) fn answered(
        &self,
        client: &HttpdClient<'_>,
        finished: Finished,
        busy: Option<&Busy<'_>>,
    ) -> c_int {
        if let Some(busy) = busy {
            busy.state().succeeded(clock::uptime());
        }
        if finished.failed_status == Some(StatusFailure::Hard) {
            self.mark_member();
        } else {
            self.worker.came_back();
        }
        let Some(status) = client.overridden() else { return sys::OK as c_int };
        // As mod_proxy_ajp: 200, or ErrorDocument would take it for an error within an error; the
        // note keeps mod_proxy from taking the status for our own.
        self.request.set_status(200, self.request.status_line());
        self.request.notes().set(c"proxy-error-override", c"1".as_ptr());
        status
    }

    /// The client failed before a connection was taken.
    pub(crate) fn client_failed(&self, backend: &Backend, error: ProxyError) -> Refused {
        let failure = Failure {
            error,
            phase: Phase::Connect,
            usage: None,
            reused: false,
            may_go_elsewhere: false,
        };
        self.child.count_refused(self.worker.key(), failure.reason());
        let outcome = Outcome::of(&failure, false);
        self.log_failure(backend, &failure, outcome);
        Refused(self.verdict(outcome, false).status)
    }

    /// The request has failed: logs it, and undoes or cuts what there is of a response.
    pub(crate) fn failed(
        &self,
        backend: &Backend,
        failure: &Failure,
        client: &HttpdClient<'_>,
        ours: &WorkerSettings,
        busy: Option<&Busy<'_>>,
    ) -> Verdict {
        let mut outcome = Outcome::of(failure, client.has_begun());
        if let Some(busy) = busy {
            self.judge_member(failure, &mut outcome, ours, busy);
        }
        self.log_failure(backend, failure, outcome);
        if let ProxyError::Acquire(AcquireFailure::Resolve(_)) = failure.error {
            self.request.notes().set(c"error-notes", c"DNS lookup failure".as_ptr());
        }
        if outcome.timed_out {
            if !matches!(outcome.reply, Reply::Elsewhere(_)) {
                self.request.notes().set(c"proxy_timedout", c"1".as_ptr());
            } else if self.worker.fails_on_timeout() {
                // mod_proxy_balancer would mark the member that answers in the end.
                outcome.member = Member::Error;
                self.mark_member();
            }
        }
        match outcome.reply {
            Reply::Cut => client.cut(),
            Reply::Status(_) | Reply::Elsewhere(_) => client.withdraw(),
            Reply::Nothing | Reply::Answered => {}
        }
        self.verdict(outcome, client.has_headers())
    }

    /// What all children have seen of the member decides with: `escalation`, `maxreplytimeouts`.
    fn judge_member(
        &self,
        failure: &Failure,
        outcome: &mut Outcome,
        ours: &WorkerSettings,
        busy: &Busy<'_>,
    ) {
        let now = clock::uptime();
        let counts = ours.reply_timeout.is_some() || ours.max_reply_timeouts.is_some();
        if outcome.member == Member::Error && matches!(failure.error, ProxyError::Acquire(_)) {
            if !busy.failed(ours.escalation, now) {
                outcome.member = Member::Untouched;
            }
        } else if counts && matches!(failure.error, ProxyError::TimedOut { .. }) {
            let count = busy.state().reply_timed_out(now);
            if count > ours.max_reply_timeouts.unwrap_or(0) {
                busy.state().forget_reply_timeouts();
                outcome.member = Member::Error;
                self.mark_member();
            }
        }
    }

    /// What httpd is told, and what it must not conclude from it.
    fn verdict(&self, outcome: Outcome, has_headers: bool) -> Verdict {
        let spared = outcome.member == Member::Untouched;
        match outcome.reply {
            // 503 is mod_proxy's word for "try another".
            Reply::Elsewhere(status) if self.worker.is_member() => Verdict {
                status: sys::HTTP_SERVICE_UNAVAILABLE as c_int,
                spares_member: spared,
                instead_of_503: Some(status),
            },
            Reply::Status(status) | Reply::Elsewhere(status) => Verdict {
                spares_member: spared && matches!(status, 500 | 503),
                ..Verdict::status(status.into())
            },
            Reply::Cut => Verdict::status(sys::DONE),
            Reply::Nothing => {
                if !has_headers {
                    // For the access log alone.
                    self.request.set_status(sys::HTTP_BAD_REQUEST as c_int, std::ptr::null());
                }
                Verdict::status(sys::DONE)
            }
            Reply::Answered => Verdict::status(sys::AP_FILTER_ERROR),
        }
    }

    /// Puts the member in error, though it is not what the status says.
    fn mark_member(&self) {
        self.child.passes.found_at_fault(self.worker);
        self.worker.mark_error();
    }

    /// Returns to mod_proxy.
    pub(crate) fn leave(&self, verdict: Verdict) -> c_int {
        if verdict.spares_member {
            member_marks::leave_untouched(self.request, self.worker);
        } else if verdict.status == sys::HTTP_SERVICE_UNAVAILABLE as c_int {
            // mod_proxy is about to mark it.
            self.child.passes.found_at_fault(self.worker);
            self.worker.note_error_time();
        }
        verdict.status
    }

    /// Notes for the access log: `%{ajp-worker}n` and so on.
    pub(crate) fn note(&self, attempts: u32, traffic: &Traffic) {
        let (pool, notes) = (self.request.pool(), self.request.notes());
        // To set one of many, each is compared; where there is none of ours yet, nothing need be.
        let is_first = notes.get(c"ajp-worker").is_none();
        let set = |key: &'static CStr, value| {
            if is_first { notes.add(key.as_ptr(), value) } else { notes.set(key, value) }
        };
        set(c"ajp-worker", pool.copy(&self.worker.name()));
        if let Some(route) = self.worker.route() {
            set(c"ajp-route", pool.copy(&route));
        }
        set(c"ajp-attempts", pool.copy_number(attempts));
        if let Some(reused) = traffic.reused {
            let word = if reused { c"reused" } else { c"new" };
            set(c"ajp-connection", word.as_ptr().cast_mut());
        }
        set(c"ajp-wait-us", pool.copy_number(traffic.waited.as_micros()));
    }

    /// One line a failure.
    fn log_failure(&self, backend: &Backend, failure: &Failure, outcome: Outcome) {
        let next = match outcome.reply {
            Reply::Elsewhere(_) if self.worker.is_member() => "trying another member".into(),
            Reply::Status(503) if self.worker.is_member() => {
                "trying another member, else 503".into()
            }
            Reply::Status(status) | Reply::Elsewhere(status) => format!("answering {status}"),
            Reply::Cut => "cutting the response off".into(),
            Reply::Nothing | Reply::Answered => "giving the request up".into(),
        };
        let hint = failure.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
        let connection = failure.usage.map_or_else(String::new, |usage| {
            format!(
                " ({} connection, {} ms old, request {} on it, {} bytes sent, {} received)",
                if failure.reused { "reused" } else { "new" },
                usage.opened.elapsed().as_millis(),
                usage.requests,
                usage.sent,
                usage.received,
            )
        });
        // A backend that the client's URL names fails as the client likes.
        let is_chosen = outcome.level != Level::Info && !self.worker.has_fixed_address();
        let at_will = outcome.at_will.or(is_chosen.then_some(WarningKind::ChosenBackend));
        log::at_will(
            self.request,
            outcome.level.into(),
            at_will.map(|kind| (backend.warnings(), kind)),
            format_args!(
                "{}: {} while {}{hint}{connection}; {next}",
                backend.key(),
                failure.error,
                failure.phase.words()
            ),
        );
    }
}
