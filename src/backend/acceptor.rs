//! The source that accepts the connections which the container opens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::source::ConnectionSource;
use super::{AcquireFailure, Backend, ConnectSettings, Connection, MaintenanceSettings, Reverse};
use crate::net::ResolveError;

/// Accepts, and never connects.
#[derive(Debug)]
pub(super) struct Acceptor(pub(super) Arc<Reverse>);

impl ConnectionSource for Acceptor {
    fn open_spare(
        &self,
        backend: &Backend,
        settings: &ConnectSettings,
    ) -> Result<Option<Connection>, AcquireFailure> {
        backend.accept_now(&self.0, settings)
    }

    fn addresses(
        &self,
        _: &Backend,
        _: Option<Duration>,
    ) -> Result<Arc<[SocketAddr]>, ResolveError> {
        Ok(Arc::from([]))
    }

    fn current_addresses(
        &self,
        _: &Backend,
        _: Option<Duration>,
        _: Instant,
    ) -> Option<Arc<[SocketAddr]>> {
        None
    }

    fn leads_here(&self, _: &Backend, _: &SocketAddr) -> bool {
        true
    }

    fn maintenance(&self, maintenance: MaintenanceSettings) -> MaintenanceSettings {
        maintenance.reversed()
    }

    fn reverse(&self) -> Option<&Arc<Reverse>> {
        Some(&self.0)
    }
}
