//! The driver that does in place whatever the way to a connection needs.

use std::sync::Arc;
use std::time::Instant;

use super::machine::Acquisition;
use super::need::{Connections, Got, Need, Which};
use super::opening::Opening;
use super::surroundings::Surroundings;
use super::task::Task;
use crate::backend::{AcquireFailure, Backend, ConnectSettings, Connection};
use crate::net::{NetError, Stream, Waker, wait_any_readable};
use crate::pool::{Acquired, Lease, Limits, Wait};

impl Backend {
    /// Gives a connection for one request: idle and alive, or new; CPING answered where that is asked
    /// for. Dead connections cost one ping timeout, however many there are, and so does a container
    /// that hangs.
    ///
    /// # Errors
    /// [`AcquireFailure`]; nothing has been sent but CPING.
    pub fn acquire(&self, settings: &ConnectSettings) -> Result<Lease<Connection>, AcquireFailure> {
        self.go_through(Task::Any { certain: false }, settings)
    }

    /// The newest idle connection, where that is the whole way to one: it is connected from here, nothing is to be
    /// sent on it, and [`Pool::acquire_idle`](crate::pool::Pool::acquire_idle) gives it. What it gives counts as
    /// the answer to [`Need::Place`]. `None`: nothing has been done.
    #[must_use]
    pub fn idle_connection(
        &self,
        settings: &ConnectSettings,
        now: Instant,
    ) -> Option<Acquired<Connection>> {
        if settings.pings.prepost.is_some() || self.is_reversed() {
            return None;
        }
        self.pool.acquire_idle(now, &settings.limits)
    }

    /// Does one step of the way to a connection in place, waiting as long as it says.
    pub fn supply(
        &self,
        need: Need,
        settings: &ConnectSettings,
        on: &mut dyn Connections<Connection>,
    ) -> Got<Connection> {
        let gone = Err(NetError::Closed);
        match need {
            Need::Place { since } => Got::Place(self.pool.acquire(since, &settings.limits)),
            Need::FreshPlace => {
                let vacancy = self.pool.acquire_fresh(Instant::now(), &settings.limits);
                Got::Place(vacancy.map(Acquired::Vacant))
            }
            Need::Addresses { again: false } => {
                Got::Addresses(self.source.addresses(self, settings.address_ttl))
            }
            Need::Addresses { again: true } => Got::Addresses(self.addresses.resolve(
                &self.key.host,
                self.key.port,
                Instant::now(),
            )),
            Need::Connect(address) => {
                let stream = Stream::connect(&address, &settings.options);
                Got::Connected(stream.map(|stream| Box::new(self.adopt(stream, Instant::now()))))
            }
            Need::Send => Got::Sent(
                on.outgoing().map_or(gone, |(connection, bytes)| connection.send(&[bytes])),
            ),
            Need::Room(which, time) => {
                let waited = on.connection(which).map(|c| c.wait_for_room(false, time));
                Got::Waited(waited.unwrap_or(Err(NetError::Closed)).map(drop))
            }
            Need::Receive(which, time) => {
                Got::Received(on.connection(which).map_or(gone, |c| c.receive(time)))
            }
            Need::Either(time) => {
                let sockets = on.pair().map(|pair| pair.map(Connection::stream));
                let waited = sockets.map(|sockets| wait_any_readable(&sockets, time));
                Got::Waited(waited.unwrap_or(Err(NetError::Closed)).map(drop))
            }
            Need::Question(question) => Got::Answer(question.wait().map(Box::new)),
            Need::PlaceWithin(time) => {
                let limits = Limits { wait: Wait::For(time), ..settings.limits };
                Got::Place(self.pool.acquire(Instant::now(), &limits))
            }
            Need::Accept { ping } => Got::Accepted(self.accept(ping)),
            Need::Waker => Got::Waker(Waker::new().map(Arc::new)),
            Need::Inbound(inbound) => Got::Waited(self.wait_inbound(&inbound, on)),
            Need::Nothing => Got::Waited(Ok(())),
        }
    }

    /// Drives the machine to its end.
    pub(in crate::backend) fn go_through(
        &self,
        task: Task<Connection>,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let with = Surroundings { backend: self, settings, now: &Instant::now };
        let mut acquisition = Acquisition::new(task, &with);
        loop {
            let got = self.supply(acquisition.next(), settings, &mut acquisition);
            if let Some(end) = acquisition.got(got, &with) {
                return end;
            }
        }
    }

    /// Opens a connection that takes no place in the pool: tries every address; when none answers, the
    /// name is asked again once, and every address that is new is tried too.
    pub(in crate::backend) fn connect(
        &self,
        settings: &ConnectSettings,
    ) -> Result<Connection, AcquireFailure> {
        struct Nothing;
        impl Connections<Connection> for Nothing {
            fn connection(&mut self, _: Which) -> Option<&mut Connection> {
                None
            }
            fn pair(&self) -> Option<[&Connection; 2]> {
                None
            }
            fn outgoing(&mut self) -> Option<(&mut Connection, &[u8])> {
                None
            }
        }
        let mut opening = Opening::new(&self.key);
        loop {
            match self.supply(opening.next(), settings, &mut Nothing) {
                Got::Connected(Ok(connection)) => return Ok(*connection),
                Got::Connected(Err(error)) => opening.refused(error, &self.key)?,
                Got::Addresses(found) => opening.resolved(found, &self.key)?,
                _ => {}
            }
        }
    }

    /// A connection to this backend over a socket that is connected to it already.
    #[must_use]
    pub fn adopt(&self, stream: Stream, now: Instant) -> Connection {
        Connection::new(stream, now, Arc::clone(&self.buffers))
    }
}
