//! The worker of a request: its backend, and the settings of its requests.

use std::sync::Arc;
use std::time::Duration;

use crate::ffi::apr::table::Table;
use crate::ffi::child::worker_cache::CachedWorker;
use crate::ffi::mod_proxy::backend_url::{Origin, Uri};
use crate::ffi::mod_proxy::worker_settings::EffectiveSettings;
use crate::ffi::request::call::Call;
use crate::ffi::state::server_state::ServerState;

impl Call<'_> {
    /// The backend that the request's URL names, and the settings of the worker's requests: those in `cached`,
    /// if they would be the same.
    pub(crate) fn known(
        &self,
        uri: &Uri<'_>,
        remote_proxy: Option<(&[u8], u16)>,
        cached: Option<Arc<CachedWorker>>,
    ) -> Arc<CachedWorker> {
        let (host, port) = remote_proxy.unwrap_or((uri.host, uri.port));
        let socket_path = self.request.notes().get(c"uds_path");
        let worker = self.worker;
        let ours = match &cached {
            Some(known) => &known.settings.worker,
            None => self.child.settings(worker.id()),
        };
        let parks = self.child.can_park() && ServerState::parks(self.request.server());
        let configured = EffectiveSettings::new(worker, self.conf, ours).with_parking(parks);
        let holds = |known: &&Arc<CachedWorker>| {
            worker.has_fixed_address()
                && known.basis == configured.basis()
                && configured.still_leads_to(known.backend.key(), host, port, socket_path)
        };
        let known = match cached.as_ref().filter(holds) {
            Some(known) => Arc::clone(known),
            None => self.read(uri, remote_proxy, configured, host, port, socket_path),
        };
        if known.updates_maintenance {
            known.backend.set_maintenance(configured.maintenance());
        }
        known
    }

    /// Reads the worker anew, and keeps the result for further requests.
    #[cold]
    fn read(
        &self,
        uri: &Uri<'_>,
        remote_proxy: Option<(&[u8], u16)>,
        configured: EffectiveSettings<'_>,
        host: &[u8],
        port: u16,
        socket_path: Option<&[u8]>,
    ) -> Arc<CachedWorker> {
        let worker = self.worker;
        let key = configured.key(host, port, socket_path);
        let member = worker.key();
        let is_fixed = worker.has_fixed_address();
        let backend = if is_fixed {
            self.child.backend(&key)
        } else {
            // A host that the client's URL can choose: nothing of it is cached.
            let name = String::from_utf8_lossy(&worker.name()).into_owned();
            Arc::new(self.child.new_backend(&key, Some(&name)))
        };
        let is_watched = remote_proxy.is_none() && self.child.watches(worker.id());
        let known = CachedWorker {
            backend,
            origin: Origin::as_canon_writes_it(uri.host, uri.port),
            basis: configured.basis(),
            settings: configured.of_requests(self.child.settings(worker.id())),
            member,
            stats: self.child.member_stats(member),
            updates_maintenance: is_fixed && !is_watched,
        };
        match is_fixed {
            true => self.child.known.set(worker, self.conf, known),
            false => Arc::new(known),
        }
    }
}

/// `ajp-reply-timeout` of this request, in place of the worker's `replytimeout`. With 0 it is as if that were
/// not set: `timeout`.
pub(crate) fn reply_timeout(environment: Table<'_>, timeout: Duration) -> Option<Duration> {
    let words =
        environment.get(c"ajp-reply-timeout").or_else(|| environment.get(c"JK_REPLY_TIMEOUT"))?;
    match std::str::from_utf8(words).ok()?.trim().parse().ok()? {
        0 => Some(timeout),
        milliseconds => Some(Duration::from_millis(milliseconds)),
    }
}
