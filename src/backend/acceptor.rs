//! The source that accepts the connections which the container opens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquisition::Task;
use super::source::ConnectionSource;
use super::{AcquireFailure, Backend, ConnectSettings, Connection, MaintenanceSettings, Reverse};
use crate::net::ResolveError;
use crate::pool::{CloseReason, Lease};

/// Accepts, and never connects.
#[derive(Debug)]
pub(super) struct Acceptor(pub(super) Arc<Reverse>);

impl ConnectionSource for Acceptor {
    fn works_in_steps(&self) -> bool {
        false
    }

    fn obtain(
        &self,
        backend: &Backend,
        task: Task<Connection>,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let (reverse, start) = (&*self.0, Instant::now());
        match task {
            Task::Any { certain } => {
                let lease = backend.acquire_accepted(reverse, settings)?;
                if certain && backend.is_doubtful(&lease, settings, Instant::now()) {
                    return backend.prove(reverse, lease, settings, start);
                }
                Ok(lease)
            }
            Task::Own => {
                let lease = backend.acquire_accepted(reverse, settings)?;
                backend.prove(reverse, lease, settings, start)
            }
            Task::New => {
                let vacancy = backend.pool.acquire_fresh(start, &settings.limits)?;
                backend.accept_new(reverse, vacancy, settings)
            }
            Task::Replace(failed) => {
                backend.accept_new(reverse, failed.discard(CloseReason::Broken), settings)
            }
            Task::Proof(_) => backend.go_through(task, settings),
        }
    }

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
