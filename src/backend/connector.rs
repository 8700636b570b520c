//! The source that connects to the container.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::source::ConnectionSource;
use super::{AcquireFailure, Backend, ConnectSettings, Connection, MaintenanceSettings, Reverse};
use crate::net::{ConnectOptions, ResolveError};

/// Connects to the backend's addresses, or to its unix socket.
#[derive(Debug)]
pub(super) struct Connector;

impl ConnectionSource for Connector {
    fn open_spare(
        &self,
        backend: &Backend,
        settings: &ConnectSettings,
    ) -> Result<Option<Connection>, AcquireFailure> {
        let options = ConnectOptions {
            timeout: settings.options.timeout.min(OPEN_TIMEOUT),
            ..settings.options
        };
        let connection = backend.connect(&ConnectSettings { options, ..settings.clone() })?;
        if let Some(wait) = settings.pings.connect {
            let answered = connection.cping(wait.min(OPEN_TIMEOUT));
            backend.count_ping(answered.is_ok());
            answered.map_err(AcquireFailure::Ping)?;
        }
        Ok(Some(connection))
    }

    fn addresses(
        &self,
        backend: &Backend,
        ttl: Option<Duration>,
    ) -> Result<Arc<[SocketAddr]>, ResolveError> {
        let key = backend.key();
        if key.socket_path.is_some() {
            return Ok(Arc::from([]));
        }
        backend.addresses.get(&key.host, key.port, ttl, Instant::now())
    }

    fn current_addresses(
        &self,
        backend: &Backend,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Option<Arc<[SocketAddr]>> {
        let key = backend.key();
        if key.socket_path.is_some() {
            return None;
        }
        if let Some(ttl) = ttl {
            backend.addresses.refresh(&key.host, key.port, ttl, now);
        }
        backend.addresses.known()
    }

    fn leads_here(&self, backend: &Backend, address: &SocketAddr) -> bool {
        backend.addresses.include(address)
    }

    fn maintenance(&self, maintenance: MaintenanceSettings) -> MaintenanceSettings {
        maintenance
    }

    fn reverse(&self) -> Option<&Arc<Reverse>> {
        None
    }
}

/// The most time that opening a spare connection may take: one that takes longer would not help a request
/// either.
const OPEN_TIMEOUT: Duration = Duration::from_secs(1);
