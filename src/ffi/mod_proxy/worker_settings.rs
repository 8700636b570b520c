//! The effective settings of a worker, from its server's configuration and our own parameters: which
//! backend it leads to, how connections to it are opened, how its pool is maintained.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::{BackendKey, Bounds, ConnectSettings, HostName, KeyRef, MaintenanceSettings};
use crate::balance::Activation;
use crate::config::{PoolSize, WorkerSettings};
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_readings::Readings;
use crate::net::ConnectOptions;
use crate::pool::{Limits, Wait};
use crate::proxy::{RequestSettings, Resend, Settings};

/// A worker as one server of httpd's uses it, with what its settings are made of: what mod_proxy's memory
/// says of the worker now, mod_proxy's configuration of that server, and our own parameters.
#[derive(Clone, Copy)]
pub(crate) struct EffectiveSettings<'a> {
    worker: Worker<'a>,
    readings: Readings,
    conf: ProxyConf<'a>,
    ours: &'a WorkerSettings,
    parking: Parking,
}

/// What can be different at the next request to a worker of a server: while it is equal, what was made of it
/// is, too, but for the texts of [`EffectiveSettings::leads_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Basis {
    readings: Readings,
    parking: Parking,
}

impl Basis {
    /// Whether settings of this worker would be made of the same now.
    #[inline]
    pub(crate) fn holds_for(&self, worker: Worker<'_>, parking: Parking) -> bool {
        self.parking == parking && self.readings == worker.readings()
    }
}

/// Which requests of a child may wait without a thread (`ProxyAjpParking`), as one server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parking {
    /// None.
    Nowhere,
    /// Those to other servers.
    Elsewhere,
    /// Those to this one.
    Here,
}

/// Whether a worker leads to the backend with this key, which was made of the same [`Basis`]: only its texts can
/// differ. As of [`EffectiveSettings::leads_to`].
pub(crate) fn still_leads_to(
    worker: Worker<'_>,
    key: &BackendKey,
    host: &[u8],
    port: u16,
    socket_path: Option<&[u8]>,
) -> bool {
    let known = key.borrowed();
    port == known.port
        && HostName(host) == known.host
        && worker.socket_path().as_deref().or(socket_path) == known.socket_path
        && worker.secret().as_deref().unwrap_or_default() == known.secret
}

impl<'a> EffectiveSettings<'a> {
    /// Reads them. Where requests to this server wait without a thread, the number of threads does not limit the
    /// pool.
    pub(crate) fn new(
        worker: Worker<'a>,
        conf: ProxyConf<'a>,
        ours: &'a WorkerSettings,
        parking: Parking,
    ) -> Self {
        Self { worker, readings: worker.readings(), conf, ours, parking }
    }

    /// What they are made of, as far as it can change.
    pub(crate) fn basis(&self) -> Basis {
        Basis { readings: self.readings, parking: self.parking }
    }

    /// The longest wait for one read or write: `timeout`, ProxyTimeout or Timeout.
    pub(crate) fn timeout(&self) -> Duration {
        self.readings.timeout().unwrap_or_else(|| self.conf.timeout())
    }

    /// The key of the backend with this host and port. `socket_path` is the path of a unix socket that
    /// the request names, if the worker has none.
    pub(crate) fn key(&self, host: &[u8], port: u16, socket_path: Option<&[u8]>) -> BackendKey {
        self.with_key(host, port, socket_path, |key| key.to_key())
    }

    /// Whether [`key`](Self::key) would return this key. Allocates nothing.
    pub(crate) fn leads_to(
        &self,
        key: &BackendKey,
        host: &[u8],
        port: u16,
        socket_path: Option<&[u8]>,
    ) -> bool {
        self.with_key(host, port, socket_path, |this| this == key.borrowed())
    }

    fn with_key<T>(
        &self,
        host: &[u8],
        port: u16,
        socket_path: Option<&[u8]>,
        read: impl FnOnce(KeyRef<'_>) -> T,
    ) -> T {
        let worker = self.worker;
        read(KeyRef {
            host: HostName(host),
            port,
            socket_path: worker.socket_path().as_deref().or(socket_path),
            source: self.conf.source_address(),
            secret: worker.secret().as_deref().unwrap_or_default(),
            packet_size: self.readings.packet_size().or_else(|| self.conf.packet_size()),
            bounds: self.bounds(),
        })
    }

    fn bounds(&self) -> Bounds {
        let limits = self.limits();
        Bounds { max: limits.max, smax: limits.smax, ttl: limits.ttl }
    }

    pub(crate) fn connect(&self) -> ConnectSettings {
        let (readings, ours) = (&self.readings, self.ours);
        let timeout = ours.connect_timeout.or_else(|| readings.connection_timeout());
        ConnectSettings {
            options: ConnectOptions {
                timeout: timeout.unwrap_or_else(|| self.timeout()),
                keepalive: readings.keepalive(),
                receive_buffer: readings.receive_buffer(),
                source: self.conf.source_address().map(|ip| (ip, 0).into()),
            },
            address_ttl: readings.address_ttl(),
            pings: ours.pings(readings.ping()),
            limits: self.limits(),
        }
    }

    pub(crate) fn maintenance(&self) -> MaintenanceSettings {
        // `min` has no effect if connections are not reused, or if the worker is disabled or stopped.
        let warm =
            self.keeps_connections() && self.worker.status().activation() != Activation::Stopped;
        let min = match self.limits() {
            // As it was written, since mod_proxy's own is bounded by the number of threads.
            limits if self.parking == Parking::Here => limits.bound(self.ours.pool.min),
            Limits { max: Some(_), .. } => self.readings.min(),
            // Under prefork (no max) a child has one thread, and a use for one connection.
            Limits { max: None, .. } => self.ours.pool.min.min(1),
        };
        MaintenanceSettings { connect: self.connect(), min: if warm { min } else { 0 } }
    }

    /// Whether a connection may serve another request: not with `disablereuse` or `forceclose`, nor where the
    /// client's URL can choose the host.
    fn keeps_connections(&self) -> bool {
        self.readings.reuses() && !self.ours.force_close && self.worker.has_fixed_address()
    }

    /// The settings of requests.
    pub(crate) fn of_requests(&self, ours: &Arc<WorkerSettings>) -> Settings {
        let timeout = self.timeout();
        Settings {
            connect: self.connect(),
            timeout,
            flush: self.readings.flush(),
            worker: Arc::clone(ours),
            usual: RequestSettings {
                reply_timeout: ours.reply_timeout.unwrap_or(timeout),
                keep: self.keeps_connections(),
                resend: Resend {
                    retries: ours.resends(),
                    connect_retries: ours.retries.unwrap_or(0),
                    interval: ours.retry_interval,
                    ..Resend::default()
                },
                has_others: false,
            },
        }
    }

    /// Returns the limits of its pool. `idlemax` is a `ttl` in milliseconds; the shorter one applies.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = self.readings.limits();
        match self.parking {
            Parking::Here => {
                let PoolSize { max, smax, .. } = self.ours.pool;
                limits = limits.without_threads(max, smax, self.timeout());
            }
            Parking::Elsewhere => limits = limits.beside_parked(self.timeout()),
            Parking::Nowhere => {}
        }
        if self.ours.look_once {
            limits.wait = Wait::For(Duration::ZERO);
        }
        limits.ttl = [limits.ttl, self.ours.idle_max].into_iter().flatten().min();
        limits
    }
}
