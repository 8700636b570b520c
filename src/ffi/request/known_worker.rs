//! The worker of a request: its backend, and the settings of its requests.

use std::sync::Arc;
use std::time::Duration;

use crate::config::WorkerSettings;
use crate::ffi::apr::table::Table;
use crate::ffi::child::worker_cache::CachedWorker;
use crate::ffi::mod_proxy::backend_url::{Origin, Uri};
use crate::ffi::mod_proxy::worker_settings::{EffectiveSettings, Parking, still_leads_to};
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
        let worker = self.worker;
        let aim = Aim {
            remote_proxy,
            host: remote_proxy.map_or(uri.host, |(host, _)| host),
            port: remote_proxy.map_or(uri.port, |(_, port)| port),
            socket_path: self.request.notes().get(c"uds_path"),
        };
        let parking = ServerState::parking(self.request.server(), self.child.can_park());
        let Some(cached) = cached else {
            return self.read(uri, &aim, self.child.settings(worker.id()), parking);
        };
        let Aim { host, port, socket_path, .. } = aim;
        let holds = worker.has_fixed_address()
            && cached.basis.holds_for(worker, parking)
            && still_leads_to(worker, cached.backend.key(), host, port, socket_path);
        let ours = &cached.settings.worker;
        if !holds {
            return self.read(uri, &aim, ours, parking);
        }
        if cached.updates_maintenance {
            let configured = EffectiveSettings::new(worker, self.conf, ours, parking);
            cached.backend.set_maintenance(configured.maintenance());
        }
        cached
    }

    /// Reads the worker anew, and keeps the result for further requests.
    #[cold]
    fn read(
        &self,
        uri: &Uri<'_>,
        aim: &Aim<'_>,
        ours: &WorkerSettings,
        parking: Parking,
    ) -> Arc<CachedWorker> {
        let worker = self.worker;
        let configured = EffectiveSettings::new(worker, self.conf, ours, parking);
        let key = configured.key(aim.host, aim.port, aim.socket_path);
        let member = worker.key();
        let is_fixed = worker.has_fixed_address();
        let backend = if is_fixed {
            self.child.backend(&key)
        } else {
            // A host that the client's URL can choose: nothing of it is cached.
            let name = String::from_utf8_lossy(&worker.name()).into_owned();
            Arc::new(self.child.new_backend(&key, Some(&name)))
        };
        let is_watched = aim.remote_proxy.is_none() && self.child.watches(worker.id());
        let known = CachedWorker {
            backend,
            origin: Origin::as_canon_writes_it(uri.host, uri.port),
            basis: configured.basis(),
            settings: configured.of_requests(self.child.settings(worker.id())),
            member,
            stats: self.child.member_stats(member),
            updates_maintenance: is_fixed && !is_watched,
        };
        if known.updates_maintenance {
            known.backend.set_maintenance(configured.maintenance());
        }
        match is_fixed {
            true => self.child.known.set(worker, self.conf, known),
            false => Arc::new(known),
        }
    }
}

/// Where a request is to be sent.
struct Aim<'a> {
    remote_proxy: Option<(&'a [u8], u16)>,
    host: &'a [u8],
    port: u16,
    /// The path of a unix socket that the request names.
    socket_path: Option<&'a [u8]>,
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
