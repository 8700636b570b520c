//! The failure of a request: the error, how far the request had come, and over which connection.

use std::time::Duration;

use super::{ClientError, RequestError};
use crate::backend::{AcquireFailure, Usage};
use crate::config::StatusFailure;
use crate::exchange::{ExchangeError, Phase};
use crate::net::NetError;
use crate::shared::AtLimit;

/// Why a request could not be answered by the backend.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// No connection.
    #[error(transparent)]
    Acquire(#[from] AcquireFailure),
    /// The member has as many requests in flight as `busylimit` allows.
    #[error(transparent)]
    AtLimit(#[from] AtLimit),
    /// The client's side failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The backend closed or reset the connection.
    #[error("the backend closed the connection{}", cause(.0.as_ref()))]
    ConnectionClosed(Option<NetError>),
    /// The backend sends nothing.
    #[error("no packet from the backend within {after:?}")]
    TimedOut {
        /// The time allowed between two packets.
        after: Duration,
    },
    /// The backend accepts nothing more.
    #[error("the backend accepted no more of the request within {after:?}")]
    SendTimedOut {
        /// The time allowed without progress.
        after: Duration,
    },
    /// The backend's answer is one of `failstatus`, and another member may give another answer.
    #[error("status {status}, which failstatus lists")]
    FailStatus {
        /// The answer's status.
        status: u16,
        /// The listed status.
        failure: StatusFailure,
    },
    /// A packet has begun and does not continue.
    #[error("the rest of a packet did not arrive within {after:?}")]
    PartialPacket {
        /// The time allowed.
        after: Duration,
    },
    /// The backend sent something that is not AJP, or in the wrong order.
    #[error("not AJP: {0}")]
    Protocol(#[from] ExchangeError),
    /// The backend was asked, and accepts no packet as large as this request.
    #[error(
        "a request packet of {packet} bytes is too large for the backend, which accepts {limit}, as \
         CPING has shown (packetSize there)"
    )]
    RequestTooLarge {
        /// The size of FORWARD_REQUEST.
        packet: usize,
        /// The largest size that is proven.
        limit: usize,
        /// For the client: 414 or 431.
        status: u16,
    },
    /// The request itself is at fault: nothing of it is sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// An error in this module.
    #[error("an internal error of this module")]
    Internal,
}

fn cause(error: Option<&NetError>) -> String {
    error.map(|e| format!(": {e}")).unwrap_or_default()
}

/// An error with the facts that decide its consequences.
#[derive(Debug)]
pub struct Failure {
    /// The error.
    pub error: ProxyError,
    /// How far the request had come.
    pub phase: Phase,
    /// The connection it happened on; `None`: there was none.
    pub usage: Option<Usage>,
    /// Whether that connection was an idle one of the pool.
    pub reused: bool,
    /// Whether the request may go to another member of the balancer all the same.
    pub may_go_elsewhere: bool,
}

impl Failure {
    /// A failure before there was a connection.
    #[must_use]
    pub fn before_connection(error: impl Into<ProxyError>) -> Self {
        Self {
            error: error.into(),
            phase: Phase::Connect,
            usage: None,
            reused: false,
            may_go_elsewhere: false,
        }
    }
}
