//! Why there is no connection.

use std::time::Duration;

use super::NoListener;
use crate::net::{Address, ConnectError, NetError, ResolveError};
use crate::pool::AcquireError;
use crate::protocol::CodecError;

/// No connection could be had for a request. Nothing of the request has been sent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcquireFailure {
    /// All connections are in use, and none came back in time.
    #[error(transparent)]
    Busy(#[from] AcquireError),
    /// None of the backend's addresses could be connected to.
    #[error("connecting to {address} failed: {source}")]
    Connect {
        /// The last one tried.
        address: Address,
        /// What it answered.
        source: ConnectError,
    },
    /// The host name has no address left to try.
    #[error("{host} has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// A connection that was just opened did not answer CPING.
    #[error("no CPONG on a new connection: {0}")]
    Ping(#[source] PingError),
    /// The container opens the connections, and none came in time.
    #[error(
        "no container has dialled in at {listener} (waited {waited:?}{})",
        if *is_gone { "; none for a while" } else { "" }
    )]
    NoneDialled {
        /// Where it would have.
        listener: String,
        /// The time it was given.
        waited: Duration,
        /// None has for a while, and none is connected.
        is_gone: bool,
    },
    /// No connection can be accepted.
    #[error(transparent)]
    NoListener(#[from] NoListener),
    /// No descriptor is left to wait with.
    #[error("waiting for a connection is not possible: {0}")]
    NoWaker(#[source] NetError),
    /// The host name has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// CPING was not answered as it must be.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PingError {
    /// The peer closed the connection.
    #[error("the backend closed the connection")]
    Closed,
    /// The answer is no AJP packet.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Sending or receiving failed.
    #[error(transparent)]
    Net(NetError),
    /// Something else than CPONG came, or something behind it.
    #[error("the answer to CPING is not CPONG alone")]
    NotCPong,
    /// No answer in time.
    #[error("no CPONG within {after:?}")]
    TimedOut {
        /// The time allowed.
        after: Duration,
    },
}
