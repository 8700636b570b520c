//! Errors of getting a connection.

use std::time::Duration;

use crate::net::{Address, ConnectError, NetError, ResolveError};
use crate::pool::AcquireError;
use crate::protocol::CodecError;

/// No connection is available for a request. Nothing of the request has been sent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcquireFailure {
    /// All connections are in use, and none came back in time.
    #[error(transparent)]
    Busy(#[from] AcquireError),
    /// None of the backend's addresses could be connected to.
    #[error("connecting to {address} failed: {source}")]
    Connect {
        /// The last address tried.
        address: Address,
        /// The error there.
        source: ConnectError,
    },
    /// The host name has no address left to try.
    #[error("{host} has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// A connection that had just been opened did not answer CPING.
    #[error("no CPONG on a new connection: {0}")]
    Ping(#[source] PingError),
    /// The container opens the connections, and none came in time.
    #[error(
        "no container has connected to {listener} (waited {waited:?}{})",
        if *is_gone { "; none for a while" } else { "" }
    )]
    NoInboundConnection {
        /// The address at which it would have.
        listener: String,
        /// How long the request waited.
        waited: Duration,
        /// None has for a while, and no connection is open.
        is_gone: bool,
    },
    /// No connection can be accepted.
    #[error(transparent)]
    NoListener(#[from] NoListener),
    /// No descriptor is left to wait with.
    #[error("cannot wait for a connection: {0}")]
    NoWaker(#[source] NetError),
    /// The host name cannot be resolved.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// Reverse connections cannot be accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoListener {
    /// This child has no port of the range, or has given it up.
    #[error("this child has no port to listen on")]
    NoPort,
    /// The operating system reports an error.
    #[error("accepting failed: {0}")]
    Accept(NetError),
}

/// CPING was not answered by CPONG.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PingError {
    /// The peer closed the connection.
    #[error("the backend closed the connection")]
    Closed,
    /// The answer is not an AJP packet.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Sending or receiving failed.
    #[error(transparent)]
    Net(NetError),
    /// The answer is another packet, or more than CPONG.
    #[error("the answer to CPING is not CPONG alone")]
    NotCPong,
    /// There was no answer in time.
    #[error("no CPONG within {after:?}")]
    TimedOut {
        /// The time allowed.
        after: Duration,
    },
}
