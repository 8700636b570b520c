//! A request that has been made ready for its backend, and its end.

use std::ffi::c_int;
use std::sync::Arc;

use crate::ffi::child::reverse_sockets;
use crate::ffi::child::worker_cache::CachedWorker;
use crate::ffi::httpd::clock;
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::request::call::Call;
use crate::ffi::request::client::HttpdClient;
use crate::ffi::request::outcome::SharedHistory;
use crate::ffi::request::packet_memory;
use crate::ffi::request::response_progress::ResponseProgress;
use crate::ffi::sys;
use crate::proxy::{
    Client, Failure, Finished, MemberHistory, Prepared, ProbeResult, RequestSettings, Traffic,
};
use crate::shared::Busy;

/// A request that has been made ready for its backend.
pub(crate) struct Forwarding {
    pub(crate) known: Arc<CachedWorker>,
    pub(crate) settings: RequestSettings,
    pub(crate) prepared: Prepared,
    /// How often it may still be sent again, over all members.
    pub(crate) repeats: u32,
    pub(crate) is_by_remote_proxy: bool,
    /// Whether it belongs to a session of its member.
    pub(crate) is_of_session: bool,
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        packet_memory::give_back(std::mem::take(&mut self.prepared.packet));
    }
}

impl Call<'_> {
    /// Lends the client for a step.
    pub(crate) fn with_client(
        &self,
        response: &mut ResponseProgress,
        step: impl FnOnce(HttpdClient<'_>) -> HandlerStatus,
    ) -> HandlerStatus {
        let mut upload = self.kept.upload.borrow_mut();
        let Some(upload) = &mut *upload else {
            return HandlerStatus(sys::HTTP_INTERNAL_SERVER_ERROR as c_int);
        };
        let mut probe = self.kept.probe.borrow_mut();
        step(HttpdClient::new(self.request, upload, &mut probe, self.worker, response))
    }

    /// Counts what the request has cost, and returns to mod_proxy.
    pub(crate) fn finish(
        &self,
        forwarding: &Forwarding,
        mut client: HttpdClient<'_>,
        busy: Option<&Busy<'_>>,
        result: Result<Finished, Failure>,
        traffic: &Traffic,
    ) -> HandlerStatus {
        let kept = self.kept;
        self.worker.count(traffic.uploaded, traffic.downloaded);
        let ended = clock::uptime();
        if let Some(stats) = &forwarding.known.stats {
            stats.counters().count(&traffic.counted(&result, ended, forwarding.is_of_session));
        }
        kept.attempts.set(kept.attempts.get() + traffic.attempts);
        kept.repeats_left.set(Some(forwarding.repeats.saturating_sub(traffic.repeats)));
        if traffic.attempts > 0 && self.worker.is_member() {
            kept.note_sent(self.worker);
        }
        self.note(kept.attempts.get(), traffic);
        let backend = &*forwarding.known.backend;
        if let Some(reverse) = backend.reverse() {
            reverse_sockets::report(self.request.server(), reverse);
        }
        match result {
            Ok(finished) => {
                client.report_probe(ProbeResult::Recovered);
                self.answered(&client, finished, busy, ended)
            }
            Err(failure) => {
                kept.sent_to_remote_proxy.set(forwarding.is_by_remote_proxy);
                let history = busy.map(|busy| SharedHistory { busy, now: ended });
                let history = history.as_ref().map(|history| history as &dyn MemberHistory);
                let ours = &forwarding.known.settings.worker;
                let facts = self.facts(client.has_begun(), client.is_probe(), ours, history);
                self.failed(backend, &failure, &facts, Some(client), &kept.last_failure)
            }
        }
    }
}
