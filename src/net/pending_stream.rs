//! Connecting without waiting for it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::{Address, ConnectError, ConnectOptions, Stream, connect};

/// A connection that is being opened, for a caller that does not wait for it here.
#[derive(Debug)]
pub struct PendingStream {
    socket: OwnedFd,
    address: Address,
    timeout: Duration,
}

impl PendingStream {
    /// Begins to connect, as [`Stream::connect`](super::Stream::connect) does, without waiting. The
    /// descriptor becomes writable once [`finish`](Self::finish) can tell how it has ended; the caller
    /// watches the time.
    ///
    /// # Errors
    /// What can be said at once. [`ConnectError::Io`] with `EAGAIN`: the backlog of a unix socket is
    /// full, and no poll tells when there is room, so it is to be begun again later.
    pub fn start(address: &Address, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let socket = connect::start(address, options)?;
        Ok(Self { socket, address: address.clone(), timeout: options.timeout })
    }

    /// The connection, once the descriptor is writable.
    ///
    /// # Errors
    /// As [`Stream::connect`](super::Stream::connect).
    pub fn finish(self) -> Result<Stream, ConnectError> {
        connect::finish(&self.socket, &self.address, self.timeout)?;
        Ok(Stream::connected(self.socket, self.address)?)
    }
}

impl AsFd for PendingStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
