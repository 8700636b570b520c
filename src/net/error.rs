//! Errors of sockets.

use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;

/// Why bytes did not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NetError {
    /// Nothing moved for this long.
    #[error("no data was transferred for {after:?}")]
    TimedOut {
        /// The timeout of the call.
        after: Duration,
    },
    /// The peer no longer reads (EPIPE). The end of what it sends is not an error, but
    /// [`Received::End`](super::Received::End).
    #[error("the peer has closed the connection")]
    Closed,
    /// The peer, or the network on its behalf, cut the connection (ECONNRESET, ECONNABORTED).
    #[error("the peer has reset the connection")]
    Reset,
    /// The peer has answered before it had all, so the rest was not sent.
    #[error("the peer has answered before it received everything")]
    Answered,
    /// Anything else.
    #[error("{0}")]
    Io(Errno),
}

impl NetError {
    /// Whether it timed out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, NetError::TimedOut { .. })
    }

    /// Whether the peer has closed the connection.
    pub fn is_peer_closed(&self) -> bool {
        matches!(self, NetError::Closed | NetError::Reset)
    }
}

impl From<Errno> for NetError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE => NetError::Closed,
            Errno::CONNRESET | Errno::CONNABORTED => NetError::Reset,
            other => NetError::Io(other),
        }
    }
}

/// A send that ended early, and how far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{source} after {written} bytes were sent")]
pub struct SendError {
    /// Bytes that the kernel accepted. How many of them the peer has received is unknown.
    pub written: usize,
    /// The error that ended it.
    pub source: NetError,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// No answer for this long, or for as long as the system tries (tcp_syn_retries) if less.
    #[error("no answer within {after:?}")]
    TimedOut {
        /// The timeout of the call.
        after: Duration,
    },
    /// No process listens there (ECONNREFUSED).
    #[error("connection refused")]
    Refused,
    /// There is no file at the path of a unix socket, so no process listens there (ENOENT).
    #[error("no such file")]
    NoFile,
    /// No process listens there, and the kernel connected the socket to itself.
    #[error("connection refused (the socket had connected to itself)")]
    SelfConnection,
    /// Anything else: no route, no permission, no descriptor left.
    #[error("{0}")]
    Io(Errno),
}

impl ConnectError {
    /// Whether it timed out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, ConnectError::TimedOut { .. })
    }

    /// Whether no process listens there.
    pub fn is_refused(&self) -> bool {
        matches!(self, ConnectError::Refused | ConnectError::NoFile | ConnectError::SelfConnection)
    }
}

impl From<Errno> for ConnectError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::CONNREFUSED => ConnectError::Refused,
            Errno::NOENT => ConnectError::NoFile,
            other => ConnectError::Io(other),
        }
    }
}
