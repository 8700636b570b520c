//! The end of a request, as mod_proxy and httpd are told of it: status, notes, the member's state.

use std::ffi::{CStr, c_int};
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::balance::WorkerStatus;
use crate::config::WorkerSettings;
use crate::ffi::child::child_state::Child;
use crate::ffi::child::member_life;
use crate::ffi::httpd::clock;
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::{Balancer, member_name};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::call::Call;
use crate::ffi::request::client::{self, HttpdClient};
use crate::ffi::state::member_marks;
use crate::ffi::state::request_state::LastFailure;
use crate::ffi::sys;
use crate::proxy::{
    Consequence, Facts, Failure, FailureLine, Finished, Mark, MemberFacts, MemberHistory,
    NextMember, ProxyError, Reply, Traffic,
};
use crate::shared::{Busy, KeptError, MemberState, Uptime};
use crate::stats::{ErrorDetail, ErrorReason};

impl Call<'_> {
    /// Returns to mod_proxy after the response has been passed on.
    pub(crate) fn answered(
        &self,
        client: &HttpdClient<'_>,
        finished: Finished,
        busy: Option<&Busy<'_>>,
        now: Uptime,
    ) -> HandlerStatus {
        if let Some(busy) = busy {
            busy.state().note_success(now);
            match finished.failed_status {
                None => busy.state().note_answer(),
                Some(_) => self.note_listed_answer(busy.state(), now),
            }
        }
        match Consequence::of_answer(finished.failed_status) {
            Mark::Error => {
                member_marks::mark_error(self.worker, self.child);
                let status = self.request.status();
                member_life::log_error(
                    self.child,
                    self.worker,
                    format_args!("status {status}, which failstatus lists"),
                );
            }
            Mark::Nothing | Mark::Transient => {
                if self.worker.clear_retries() && self.worker.is_member() {
                    member_life::log_recovery(self.child, self.worker);
                }
            }
        }
        let Some(status) = client.overridden() else { return HandlerStatus(sys::OK as c_int) };
        // As mod_proxy_ajp does: 200, or ErrorDocument would take it for an error within an error. The
        // note keeps mod_proxy from taking the status for our own.
        self.request.set_status(200, self.request.status_line());
        self.request.notes().set(c"proxy-error-override", c"1".as_ptr());
        HandlerStatus(status)
    }

    /// Returns to mod_proxy after a failure. Carries out its consequences: for a probe, the member, the
    /// log, httpd's notes, and the part of the response that exists.
    ///
    /// `client` is `None` if the request ended before a connection was asked for.
    #[cold]
    pub(crate) fn failed(
        &self,
        backend: &Backend,
        failure: &Failure,
        facts: &Facts<'_>,
        mut client: Option<HttpdClient<'_>>,
        last_failure: &LastFailure,
    ) -> HandlerStatus {
        let consequence = Consequence::of(failure, facts);
        let reply = consequence.reply;
        self.note_failure(failure);
        match &mut client {
            Some(client) => client.report_probe(consequence.probe),
            // No backend was asked: the guard of the probe reports that at the end.
            None => self.child.count_refused(self.worker.key(), consequence.reason),
        }
        last_failure.instead_of_503.set(reply.instead_of_503());
        last_failure.retry_soon.set(consequence.notes.retry_soon);
        match consequence.mark {
            Mark::Nothing => {}
            Mark::Transient => last_failure.mark(self.worker, self.child),
            // mod_proxy is about to mark the member.
            Mark::Error if reply.status() == Some(503) => {
                self.child.passes.found_at_fault(self.worker);
                self.worker.note_error_time();
            }
            Mark::Error => member_marks::mark_error(self.worker, self.child),
        }
        self.log_failure(backend, failure, &consequence);
        if consequence.mark == Mark::Error {
            member_life::log_error(self.child, self.worker, format_args!("{}", failure.error));
        }
        let notes = self.request.notes();
        if let Some(text) = consequence.notes.error {
            notes.set(c"error-notes", self.request.pool().copy(text.as_bytes()));
        }
        if consequence.notes.timed_out {
            notes.set(c"proxy_timedout", c"1".as_ptr());
        }
        let has_headers = client.as_ref().is_some_and(HttpdClient::has_headers);
        match (reply, client) {
            (Reply::Cut, Some(client)) => client.cut(),
            (Reply::Status(_) | Reply::Elsewhere(_), Some(client)) => client.withdraw(),
            (Reply::Nothing | Reply::Answered, Some(_)) | (_, None) => {}
        }
        HandlerStatus::of(self.request, reply, has_headers)
    }

    /// Notes a failure as the last error of the worker, and whether it counts against it.
    fn note_failure(&self, failure: &Failure) {
        let reason = failure.reason();
        let state = self.child.member_state(self.worker.key());
        let Some(state) = state.filter(|_| !reason.is_the_clients()) else { return };
        let now = clock::uptime();
        state.note_error(kept(reason, failure.detail(), now));
        if failure.is_of_worker() {
            state.note_failed_attempt(now);
        }
    }

    /// Notes an answer that `failstatus` lists.
    #[cold]
    fn note_listed_answer(&self, state: MemberState<'_>, now: Uptime) {
        let status = u16::try_from(self.request.status()).unwrap_or(0);
        state.note_error(kept(ErrorReason::FailStatus, ErrorDetail(status), now));
        state.note_failed_attempt(now);
    }

    /// The current facts about the member. `history`: the shared state, in which the request is
    /// counted.
    pub(crate) fn facts<'f>(
        &self,
        has_begun: bool,
        is_probe: bool,
        settings: &WorkerSettings,
        history: Option<&'f dyn MemberHistory>,
    ) -> Facts<'f> {
        let worker = self.worker;
        Facts {
            has_begun,
            is_chosen_by_client: !worker.has_fixed_address(),
            member: MemberFacts {
                is_member: worker.is_member(),
                is_probed: is_probe,
                fails_on_timeout: worker.fails_on_timeout(),
                escalation: settings.escalation,
                reply_timeout_limit: settings.reply_timeout_limit(),
                history,
            },
        }
    }

    /// Sets the notes for the access log: `%{ajp-worker}n` and so on.
    pub(crate) fn note(&self, attempts: u32, traffic: &Traffic) {
        let (pool, notes) = (self.request.pool(), self.request.notes());
        // Setting an entry compares all entries, which is not needed while there is none of ours.
        let is_first = !self.kept.is_noted.replace(true);
        let set = |key: &'static CStr, value| {
            if is_first { notes.add(key.as_ptr(), value) } else { notes.set(key, value) }
        };
        set(c"ajp-worker", self.worker.name_text());
        if let Some(route) = self.worker.route() {
            set(c"ajp-route", pool.copy(&route));
        }
        let attempts = match attempts {
            1 => c"1".as_ptr(),
            number => pool.copy_number(number),
        };
        set(c"ajp-attempts", attempts);
        if let Some(reused) = traffic.reused {
            let word = if reused { c"reused" } else { c"new" };
            set(c"ajp-connection", word.as_ptr());
        }
        let waited = match traffic.waited.as_micros() {
            0 => c"0".as_ptr(),
            time => pool.copy_number(u64::try_from(time).unwrap_or(u64::MAX)),
        };
        set(c"ajp-wait-us", waited);
    }

    /// Logs a failure in one line.
    fn log_failure(&self, backend: &Backend, failure: &Failure, consequence: &Consequence) {
        let name = match self.worker.is_member() {
            true => member_name(self.worker),
            false => backend.key().to_string(),
        };
        let line = FailureLine {
            name: &name,
            failure,
            consequence,
            request: &self.request.for_log(),
            next_member: self.next_member(),
            now: Instant::now(),
        };
        log::at_will(
            self.request,
            consequence.message,
            consequence.at_will.map(|kind| (backend.warnings(), kind)),
            format_args!("{line}"),
        );
    }

    /// Whether mod_proxy finds another member, if it is told to look for one. It does not look if the member
    /// is never marked (`status=+I`), nor more often than `maxattempts`.
    fn next_member(&self) -> NextMember {
        let Some(balancer) = Balancer::of(self.worker) else { return NextMember::NotTried };
        let attempts = self.kept.handler_calls().saturating_sub(1);
        let is_spent = balancer.max_attempts().is_some_and(|most| most <= attempts);
        let is_never_marked = self.worker.status().has(WorkerStatus::IGNORE_ERRORS);
        let route = self.request.notes().get(c"session-route");
        let may_take = |member: Worker<'_>| {
            let status = member.status();
            let is_there = status.is_usable() || member.retry_is_due();
            let is_for_it =
                !status.is_draining() || route.is_some_and(|route| member.has_route(route));
            is_there && is_for_it && member != self.worker && !self.kept.was_tried(member)
        };
        if route.is_some() && balancer.forces_sessions() || !balancer.members().any(may_take) {
            NextMember::NoneLeft
        } else if is_spent || is_never_marked {
            NextMember::NotTried
        } else {
            NextMember::Tried
        }
    }
}

/// An error as it is kept in shared memory.
fn kept(reason: ErrorReason, detail: ErrorDetail, at: Uptime) -> KeptError {
    KeptError { at, reason: reason as u8, detail: detail.0 }
}

/// Returns to mod_proxy after a panic in the handler, which has been logged.
pub(crate) fn internal_error(
    request: Request<'_>,
    worker: Worker,
    child: Option<&Child>,
) -> HandlerStatus {
    let member = MemberFacts { is_member: worker.is_member(), ..MemberFacts::default() };
    let has_begun = request.has_sent_headers();
    let facts = Facts { has_begun, member, ..Facts::default() };
    let failure = Failure::before_connection(ProxyError::Internal);
    let consequence = Consequence::of(&failure, &facts);
    if let Some(child) = child {
        child.count_refused(worker.key(), consequence.reason);
        if let Some(state) = child.member_state(worker.key()) {
            state.note_error(kept(consequence.reason, failure.detail(), clock::uptime()));
        }
    }
    if consequence.reply == Reply::Cut {
        client::cut(request);
    }
    if consequence.mark == Mark::Transient {
        member_marks::leave_untouched(request, worker);
    }
    HandlerStatus::of(request, consequence.reply, has_begun)
}

/// The shared state of a member, at the end of a request that is counted in it.
#[derive(Debug)]
pub(crate) struct SharedHistory<'m> {
    pub(crate) busy: &'m Busy<'m>,
    pub(crate) now: Uptime,
}

impl MemberHistory for SharedHistory<'_> {
    fn count_unreachable(&self, escalation: Option<Duration>) -> bool {
        self.busy.note_failure(escalation, self.now)
    }

    fn count_reply_timeout(&self) -> u32 {
        self.busy.state().count_reply_timeout(self.now)
    }

    fn forget_reply_timeouts(&self) {
        self.busy.state().forget_reply_timeouts();
    }
}
