//! Reverse connections as a driver takes them: the look for one, which never waits, and the wait for the next.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquisition::{Accepted, Connections, Inbound};
use super::reverse::{PortSockets, time_left};
use super::{AcquireFailure, Backend, ConnectSettings, Connection, Found, NoListener, Reverse};
use crate::net::{NetError, Stream, Waker, wait_any};

/// The sockets of a wait for a reverse connection, and its time. The sockets stay open as long as this
/// value lives.
#[derive(Debug)]
pub struct InboundSockets {
    pub(super) port: PortSockets,
    waker: Arc<Waker>,
}

impl InboundSockets {
    /// The descriptors, each to be waited for until there is something to read on it.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.port.descriptors().chain([self.waker.as_fd()])
    }

    /// Returns the longest wait, which may be shorter than the one that was asked for.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.port.time
    }
}

impl Backend {
    /// Looks whether a container has opened a connection that is verified; never waits. `ping`: where there
    /// is no key, CPING must be answered within this time.
    pub(super) fn accept(
        &self,
        ping: Option<Duration>,
    ) -> Result<Accepted<Connection>, NoListener> {
        let Some(reverse) = self.reverse() else { return Err(NoListener::NoPort) };
        let connection = self.accept_one(reverse, ping)?.map(Box::new);
        Ok(Accepted { connection, is_any_asked: reverse.is_any_asked() })
    }

    /// Returns the sockets of this wait; `None`: there is no port, and nothing to wait for.
    #[must_use]
    pub fn inbound_sockets(&self, inbound: &Inbound) -> Option<InboundSockets> {
        let port = self.reverse()?.sockets(inbound.is_at_front, inbound.time).ok()?;
        Some(InboundSockets { port, waker: Arc::clone(&inbound.waker) })
    }

    /// Waits in place.
    pub(super) fn wait_inbound(
        &self,
        inbound: &Inbound,
        on: &mut dyn Connections<Connection>,
    ) -> Result<(), NetError> {
        let Some(sockets) = self.inbound_sockets(inbound) else { return Ok(()) };
        let beside = inbound.beside.and_then(|which| on.connection(which));
        let beside = beside.map(|connection| connection.stream().as_fd());
        let descriptors: Vec<_> = sockets.descriptors().chain(beside).collect();
        wait_any(&descriptors, sockets.time())?;
        while inbound.waker.take_wake_up() {}
        Ok(())
    }

    /// Returns a reverse connection, if there is one; for connections kept warm.
    pub(super) fn accept_now(
        &self,
        reverse: &Reverse,
        settings: &ConnectSettings,
    ) -> Result<Option<Connection>, AcquireFailure> {
        let start = Instant::now();
        loop {
            let found = self.accept_one(reverse, settings.pings.connect)?;
            let left = time_left(start, start, reverse.is_any_asked(), Instant::now());
            if found.is_some() || left.is_zero() {
                return Ok(found);
            }
            let sockets = reverse.sockets(true, left)?;
            let descriptors: Vec<_> = sockets.descriptors().collect();
            wait_any(&descriptors, sockets.time).map_err(NoListener::Accept)?;
        }
    }

    /// Takes in what was found without a request, in the place of the oldest idle connection if other
    /// children share the port; closes it where there is no room.
    pub fn take_in(&self, found: Found) {
        let now = Instant::now();
        let Some(stream) = self.with_pings_counted(found) else { return };
        if self.reverse().is_some_and(|reverse| reverse.settings().is_shared()) {
            self.make_room();
        }
        if let Some(vacancy) = self.pool.vacancy_below(usize::MAX) {
            vacancy.stock(self.adopt(stream, now), now);
        }
    }

    /// Returns the next reverse connection that is verified, without waiting for one.
    fn accept_one(
        &self,
        reverse: &Reverse,
        ping: Option<Duration>,
    ) -> Result<Option<Connection>, NoListener> {
        let found = reverse.accept(ping.filter(|_| !reverse.has_key()))?;
        Ok(self.with_pings_counted(found).map(|stream| self.adopt(stream, Instant::now())))
    }

    /// Returns the result, once the pings it took are counted.
    fn with_pings_counted(&self, found: Found) -> Option<Stream> {
        (0..found.pings_sent).for_each(|_| self.count_ping_sent());
        (0..found.pings_failed).for_each(|_| self.count_ping_failed());
        found.stream
    }

    /// Whether any connection is open.
    pub(super) fn has_open(&self) -> bool {
        let stats = self.pool.stats();
        stats.created > stats.closed.total()
    }
}
