//! Where the connections of a backend come from.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AcquireFailure, Backend, ConnectSettings, Connection, MaintenanceSettings, Reverse};
use crate::net::ResolveError;

/// A source of connections: one that connects to the container ([`Connector`](super::connector)), or
/// one that accepts the container's own ([`Acceptor`](super::accepting)). Everything above is the same
/// for both.
pub(super) trait ConnectionSource: fmt::Debug + Send + Sync {
    /// Opens a connection that no request waits for, within a second or so: other backends wait
    /// meanwhile. `None`: the container opens them, and none is there.
    ///
    /// # Errors
    /// [`AcquireFailure`]; nothing has been sent but CPING.
    fn open_spare(
        &self,
        backend: &Backend,
        settings: &ConnectSettings,
    ) -> Result<Option<Connection>, AcquireFailure>;

    /// All addresses of the container; none where there is nothing to connect to over TCP.
    ///
    /// # Errors
    /// The name cannot be resolved.
    fn addresses(
        &self,
        backend: &Backend,
        ttl: Option<Duration>,
    ) -> Result<Arc<[SocketAddr]>, ResolveError>;

    /// The same as far as they are known, asked for again once `ttl` has passed; `None`: a connection
    /// may lead to any.
    fn current_addresses(
        &self,
        backend: &Backend,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Option<Arc<[SocketAddr]>>;

    /// Whether a connection to this address leads to the container.
    fn leads_here(&self, backend: &Backend, address: &SocketAddr) -> bool;

    /// The settings by which idle connections are kept, as they hold for this source.
    fn maintenance(&self, maintenance: MaintenanceSettings) -> MaintenanceSettings;

    /// Where the container opens the connections, if it does.
    fn reverse(&self) -> Option<&Arc<Reverse>>;
}
