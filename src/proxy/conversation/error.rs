//! The end of an attempt by an error, out of the way of the ordinary request.

use crate::exchange::ExchangeError;
use crate::net::NetError;
use crate::proxy::{ClientError, ProxyError};

/// The error that ends an attempt; in a box, since there mostly is none.
pub(super) type Error = Box<ProxyError>;

#[cold]
pub(super) fn not_ajp(error: impl Into<ExchangeError>) -> Error {
    Box::new(ProxyError::Protocol(error.into()))
}

#[cold]
pub(super) fn client_failed(error: ClientError) -> Error {
    Box::new(ProxyError::Client(error))
}

#[cold]
pub(super) fn sending(error: NetError) -> Error {
    Box::new(match error {
        NetError::TimedOut { after } => ProxyError::SendTimedOut { after },
        other => ProxyError::ConnectionClosed(Some(other)),
    })
}

#[cold]
pub(super) fn receiving(error: NetError) -> Error {
    Box::new(match error {
        NetError::TimedOut { after } => ProxyError::TimedOut { after },
        other => ProxyError::ConnectionClosed(Some(other)),
    })
}
