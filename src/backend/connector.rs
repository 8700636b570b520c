//! From "a request needs a connection" to one that is open, tested and its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::AcquireFailure;
use super::{Backend, Connection, Source};
use crate::config::Pings;
use crate::net::{Address, ConnectOptions, ResolveError, Stream};
use crate::pool::{Acquired, CloseReason, Lease, Limits, Vacancy};

/// How connections to a backend are opened and tested, as the worker says at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectSettings {
    /// Options of the socket; its timeout counts for each address.
    pub options: ConnectOptions,
    /// How long addresses are remembered; `None`: until none of them answers.
    pub address_ttl: Option<Duration>,
    /// When CPING is sent, and how long CPONG may take.
    pub pings: Pings,
    /// The pool's limits.
    pub limits: Limits,
}

impl Backend {
    /// A connection for one request: idle and alive, or new; CPING answered where that is asked for.
    ///
    /// An idle connection that does not answer CPING is closed together with all that have been idle
    /// longer, and a new one takes its place: dead connections cost a request one ping timeout,
    /// however many there are, and so does a container that hangs (`proving`).
    ///
    /// # Errors
    /// [`AcquireFailure`]; nothing has been sent but CPING.
    pub fn acquire(&self, settings: &ConnectSettings) -> Result<Lease<Connection>, AcquireFailure> {
        if let Source::Accept(reverse) = &self.source {
            return self.acquire_accepted(reverse, settings);
        }
        match self.pool.acquire(Instant::now(), &settings.limits)? {
            Acquired::Vacant(vacancy) => self.open(vacancy, settings),
            Acquired::Reused(lease) => self.proved(lease, settings),
        }
    }

    /// As [`acquire`](Self::acquire), for a request that must not be sent twice: an idle connection
    /// that the backend may be closing at this moment, by what it has shown, is not used for it.
    /// (Where CPING is sent first, that is answer enough.)
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_certain(
        &self,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let start = Instant::now();
        let lease = self.acquire(settings)?;
        let now = Instant::now();
        let doubtful = settings.pings.prepost.is_none()
            && lease.idle_since().is_some_and(|since| {
                self.idle_timeout.may_be_closing(now.duration_since(since), now)
            });
        if !doubtful {
            return Ok(lease);
        }
        if let Source::Accept(reverse) = &self.source {
            return self.prove(reverse, lease, settings, start);
        }
        self.open(lease.discard(CloseReason::Suspect), settings)
    }

    /// A new connection in the place of one that has failed, which is closed first: whoever waits
    /// for a place came later.
    ///
    /// # Errors
    /// [`AcquireFailure`], but never that all places are taken.
    pub fn replace(
        &self,
        failed: Lease<Connection>,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        self.open(failed.discard(CloseReason::Broken), settings)
    }

    /// Does a container answer on this connection, which nothing has been asked on? Known where it
    /// has just answered CPING; else it is sent one, and has a second.
    pub fn answers(&self, lease: &Lease<Connection>, settings: &ConnectSettings) -> bool {
        settings.pings.connect.is_some() || self.is_alive(lease)
    }

    /// It answers a CPING within a second.
    pub(super) fn is_alive(&self, connection: &Connection) -> bool {
        let is_alive = connection.cping(PROOF_TIME).is_ok();
        self.count_ping(is_alive);
        is_alive
    }

    /// A new connection, whether or not there are idle ones.
    ///
    /// # Errors
    /// [`AcquireFailure`]; nothing has been sent but CPING.
    pub fn acquire_new(
        &self,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let vacancy = self.pool.acquire_fresh(Instant::now(), &settings.limits)?;
        self.open(vacancy, settings)
    }

    /// All addresses of the backend; none for a unix socket, and where the container dials in.
    ///
    /// # Errors
    /// The name cannot be resolved.
    pub fn resolve(&self, ttl: Option<Duration>) -> Result<Arc<[SocketAddr]>, ResolveError> {
        if self.key.socket_path.is_some() || self.is_reversed() {
            return Ok(Arc::from([]));
        }
        self.addresses.get(&self.key.host, self.key.port, ttl, Instant::now())
    }

    fn open(
        &self,
        vacancy: Vacancy<Connection>,
        settings: &ConnectSettings,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        if let Source::Accept(reverse) = &self.source {
            return self.accept_new(reverse, vacancy, settings);
        }
        self.open_pinging(vacancy, settings, settings.pings.connect)
    }

    /// A new connection that has answered CPING within `ping`, where that is asked for.
    pub(super) fn open_pinging(
        &self,
        vacancy: Vacancy<Connection>,
        settings: &ConnectSettings,
        ping: Option<Duration>,
    ) -> Result<Lease<Connection>, AcquireFailure> {
        let connection = self.connect(settings)?;
        if let Some(timeout) = ping {
            let answered = connection.cping(timeout);
            self.count_ping(answered.is_ok());
            answered.map_err(AcquireFailure::Ping)?;
        }
        Ok(vacancy.fill(connection))
    }

    /// Tries every address; when none answers, the name is asked again once, and every address
    /// that is new is tried too.
    pub(super) fn connect(&self, settings: &ConnectSettings) -> Result<Connection, AcquireFailure> {
        let stream = self.connect_stream(settings)?;
        Ok(self.adopt(stream, Instant::now()))
    }

    /// A connection to this backend over a socket that is connected to it already.
    #[must_use]
    pub fn adopt(&self, stream: Stream, now: Instant) -> Connection {
        Connection::new(stream, now, Arc::clone(&self.buffers))
    }

    fn connect_stream(&self, settings: &ConnectSettings) -> Result<Stream, AcquireFailure> {
        if let Some(path) = &self.key.socket_path {
            let address = Address::Unix(path.into());
            return connect_to(address, &settings.options);
        }
        let known = self.resolve(settings.address_ttl)?;
        let failure = match connect_any(&known, &settings.options) {
            Ok(stream) => return Ok(stream),
            Err(failure) => failure,
        };
        // If the name cannot be resolved now, what the known addresses said stands.
        let asked = self.addresses.resolve(&self.key.host, self.key.port, Instant::now());
        let asked = asked.unwrap_or_else(|_| Arc::clone(&known));
        let moved: Vec<_> = asked.iter().filter(|a| !known.contains(a)).copied().collect();
        match connect_any(&moved, &settings.options) {
            Ok(stream) => Ok(stream),
            Err(later) => Err(later
                .or(failure)
                .unwrap_or(AcquireFailure::NoAddress { host: self.key.host.clone() })),
        }
    }
}

/// The first address that answers; else what the last one said, if there was one.
fn connect_any(
    addresses: &[SocketAddr],
    options: &ConnectOptions,
) -> Result<Stream, Option<AcquireFailure>> {
    let mut last = None;
    for address in addresses {
        match connect_to(Address::Inet(*address), options) {
            Ok(stream) => return Ok(stream),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last)
}

fn connect_to(address: Address, options: &ConnectOptions) -> Result<Stream, AcquireFailure> {
    Stream::connect(&address, options).map_err(|source| AcquireFailure::Connect { address, source })
}

const PROOF_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ConnectError;
    use std::net::TcpListener;

    /// An address of this machine with the port of `listener`, where that does not listen.
    fn deaf(listener: &TcpListener, last_byte: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last_byte], listener.local_addr().unwrap().port()))
    }

    #[test]
    fn the_first_address_that_answers_is_taken_and_the_rest_left_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        other.set_nonblocking(true).unwrap();
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let addresses =
            [deaf(&listener, 2), deaf(&listener, 3), address(&listener), address(&other)];

        connect_any(&addresses, &ConnectOptions::default()).expect("the third answers");

        listener.accept().unwrap();
        assert_eq!(other.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn when_no_address_answers_the_last_one_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [deaf(&listener, 2), deaf(&listener, 3)];

        let failure = connect_any(&addresses, &ConnectOptions::default()).unwrap_err();

        let Some(AcquireFailure::Connect { address, source }) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(address, Address::Inet(addresses[1]));
        assert_eq!(source, ConnectError::Refused);
        assert!(connect_any(&[], &ConnectOptions::default()).unwrap_err().is_none());
    }
}
