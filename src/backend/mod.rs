//! One backend as a child of httpd sees it: its addresses, its connections, what was learnt of it.
//!
//! Opens and tests connections; which request goes over them is the business of the layer above.

mod accepting;
mod acceptor;
pub mod acquisition;
mod addresses;
mod ajp_connection;
mod buffers;
mod connect_settings;
mod connection;
mod connector;
mod counted;
mod cping;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) mod fake;
#[cfg(test)]
mod fake_port;
mod handshake;
mod handshakes;
mod housekeeper;
mod idle_timeout;
mod incoming;
mod key_ref;
mod line;
mod maintenance;
mod maintenance_settings;
mod packet_limit;
mod packet_question;
mod peer_socket;
mod pending_need;
mod port_check;
mod port_maintenance;
mod reception;
mod refusal;
mod reverse;
mod size_question;
mod source;
mod upload_history;
mod warnings;

pub use accepting::InboundSockets;
pub use acquisition::{Acquisition, Connections, Got, Surroundings, Task};
pub use ajp_connection::{AjpConnection, Usage};
pub use connect_settings::ConnectSettings;
pub use connection::Connection;
pub use cping::cping_descriptor;
pub use error::{AcquireFailure, NoListener, PingError};
pub use housekeeper::{Housekeeper, Next};
pub use incoming::RetiredBuffer;
pub use key_ref::{HostName, KeyRef};
pub use maintenance::MaintenanceReport;
pub use maintenance_settings::MaintenanceSettings;
pub use packet_limit::PacketLimit;
pub use packet_question::{AnswerTicket, NotAdmitted, Question};
pub use pending_need::{LookAgain, PendingNeed};
pub use port_check::PortNews;
pub use reception::Found;
pub use refusal::{Refusal, RefusalReason};
pub use reverse::Reverse;
pub use size_question::SizeQuestion;
pub use upload_history::UploadHistory;
pub use warnings::{Suppressed, WarningKind, Warnings};

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::net::ResolveError;
use crate::pool::{Lease, Pool, Stats};
use crate::protocol::PacketSize;
use crate::stats::PoolStats;
use acceptor::Acceptor;
use addresses::Addresses;
use buffers::Buffers;
use connector::Connector;
use idle_timeout::IdleTimeoutEstimate;
use maintenance_settings::MaintenanceState;
use packet_question::Questions;
use source::ConnectionSource;

/// Two workers with equal keys share one pool, whichever virtual host defines them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendKey {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path of the unix socket, which then takes the place of host and port.
    pub socket_path: Option<String>,
    /// ProxySourceAddress.
    pub source: Option<IpAddr>,
    /// The container's shared secret: connections are authenticated request by request, but
    /// requests with different secrets shall not share one either.
    pub secret: String,
    /// `iobuffersize` or ProxyIOBufferSize.
    pub packet_size: Option<PacketSize>,
    /// `max`, `smax` and `ttl`: workers that want their pool otherwise have one of their own, or
    /// one's limit would be another's.
    pub bounds: Bounds,
}

/// The size of a pool as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// `max`.
    pub max: Option<NonZeroUsize>,
    /// `smax`.
    pub smax: Option<usize>,
    /// `ttl`.
    pub ttl: Option<Duration>,
}

impl fmt::Display for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket_path {
            Some(path) => write!(f, "unix:{path}|ajp://{}", self.host),
            None if self.host.contains(':') => write!(f, "ajp://[{}]:{}", self.host, self.port),
            None => write!(f, "ajp://{}:{}", self.host, self.port),
        }
    }
}

/// A container behind this child: pool, address cache, packet size.
#[derive(Debug)]
pub struct Backend {
    key: BackendKey,
    source: Box<dyn ConnectionSource>,
    pool: Arc<Pool<Connection>>,
    buffers: Arc<Buffers>,
    addresses: Addresses,
    packet_limit: PacketLimit,
    upload_history: UploadHistory,
    questions: Arc<Questions>,
    idle_timeout: IdleTimeoutEstimate,
    maintenance: Mutex<Option<Arc<MaintenanceSettings>>>,
    maintenance_state: Mutex<MaintenanceState>,
    stats: Option<Arc<PoolStats>>,
    warnings: Arc<Warnings>,
}

impl Backend {
    /// A backend without connections.
    #[must_use]
    pub fn new(key: BackendKey) -> Self {
        Self::with(key, Box::new(Connector))
    }

    /// A backend to which httpd never connects: its container opens the connections.
    #[must_use]
    pub fn reversed(key: BackendKey, reverse: Arc<Reverse>) -> Self {
        Self::with(key, Box::new(Acceptor(reverse)))
    }

    fn with(key: BackendKey, source: Box<dyn ConnectionSource>) -> Self {
        let packet_limit = PacketLimit::new(key.packet_size);
        Self {
            key,
            source,
            pool: Pool::new(),
            buffers: Arc::default(),
            addresses: Addresses::default(),
            packet_limit,
            upload_history: UploadHistory::default(),
            questions: Arc::default(),
            idle_timeout: IdleTimeoutEstimate::default(),
            maintenance: Mutex::default(),
            maintenance_state: Mutex::default(),
            stats: None,
            warnings: Arc::default(),
        }
    }

    /// The identity of the backend; displayed, its name in logs.
    #[must_use]
    pub fn key(&self) -> &BackendKey {
        &self.key
    }

    /// How large packets to it may be.
    #[must_use]
    pub fn packet_limit(&self) -> &PacketLimit {
        &self.packet_limit
    }

    /// How it reads request bodies.
    #[must_use]
    pub fn upload_history(&self) -> &UploadHistory {
        &self.upload_history
    }

    /// The same backend with these warnings, so that backends that are made for one request each share
    /// their limits on log lines.
    #[must_use]
    pub fn warned_as(self, warnings: Arc<Warnings>) -> Self {
        Self { warnings, ..self }
    }

    /// Log lines that clients can cause are limited to one a minute.
    #[must_use]
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// The listener to which its container connects, if it does.
    #[must_use]
    pub fn reverse(&self) -> Option<&Arc<Reverse>> {
        self.source.reverse()
    }

    /// Whether its container opens the connections.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.reverse().is_some()
    }

    /// All addresses of the backend; none for a unix socket, and with reverse connections.
    ///
    /// # Errors
    /// The name cannot be resolved.
    pub fn resolve(&self, ttl: Option<Duration>) -> Result<Arc<[SocketAddr]>, ResolveError> {
        self.source.addresses(self, ttl)
    }

    /// Whether the backend may be closing this idle connection at this moment, by what it has shown.
    /// (Where CPING is sent first, that is answer enough.)
    pub fn is_doubtful<L: AjpConnection>(
        &self,
        lease: &Lease<L>,
        settings: &ConnectSettings,
        now: Instant,
    ) -> bool {
        let is_doubtful =
            |since| self.idle_timeout.may_be_closing(now.saturating_duration_since(since), now);
        settings.pings.prepost.is_none() && lease.idle_since().is_some_and(is_doubtful)
    }

    /// The container has closed a connection that was idle for so long.
    #[cfg(test)]
    pub(crate) fn idle_connection_closed(&self, idle: Duration, now: Instant) {
        self.idle_timeout.record_close(idle, now);
    }

    /// Sets the settings of maintenance; the housekeeper [asks](Self::maintenance) in its next pass. The pool has
    /// their limits at once.
    pub fn set_maintenance(&self, maintenance: MaintenanceSettings) {
        let maintenance = self.source.maintenance(maintenance);
        let mut known = self.maintenance.lock();
        if known.as_deref() != Some(&maintenance) {
            self.pool.set_limits(&maintenance.connect.limits);
            *known = Some(Arc::new(maintenance));
        }
    }

    /// The settings of maintenance, if they have been set.
    #[must_use]
    pub fn maintenance(&self) -> Option<Arc<MaintenanceSettings>> {
        self.maintenance.lock().clone()
    }

    /// Counters of its pool.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }

    /// The child ends: idle connections close now, the others after their request.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// A backend of which only this matters.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn key_of(host: &str, port: u16) -> BackendKey {
    BackendKey {
        host: host.into(),
        port,
        socket_path: None,
        source: None,
        secret: String::new(),
        packet_size: None,
        bounds: Bounds::default(),
    }
}
