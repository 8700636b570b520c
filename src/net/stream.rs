//! A connected socket.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{SocketAddrAny, SocketAddrUnix, getpeername, getsockname, sockopt};

use super::{
    Address, ConnectError, ConnectOptions, Deadline, IdleState, NetError, Received, SendError,
    connect, io, low_water,
};

/// A connected stream socket, TCP or unix; dropping it closes it.
///
/// Close-on-exec, and blocking: a receive waits for the peer and takes its bytes in one system call,
/// within the socket's own timeout (SO_RCVTIMEO). Nothing else here waits in the kernel without a `poll`.
/// See the [module](super) for what a timeout means.
#[derive(Debug)]
pub struct Stream {
    socket: OwnedFd,
    peer: Address,
    /// The receive timeout that the kernel was last told; `MAX` is forever.
    receive_timeout: Duration,
}

impl Stream {
    /// Connects to one address, within `options.timeout`.
    ///
    /// TCP_NODELAY is set on TCP. If the backlog of a unix socket is full, this waits as long for room.
    ///
    /// # Errors
    /// [`ConnectError::TimedOut`]; [`ConnectError::Refused`] if no process listens;
    /// [`ConnectError::SelfConnection`] if the kernel connected the socket to itself;
    /// [`ConnectError::Io`] for anything else, such as an unusable source address.
    pub fn connect(address: &Address, options: &ConnectOptions) -> Result<Stream, ConnectError> {
        let socket = connect::open(address, options)?;
        Ok(Self::connected(socket, address.clone())?)
    }

    /// Takes over a socket that has been connected to this address.
    pub(super) fn connected(socket: OwnedFd, peer: Address) -> Result<Stream, Errno> {
        ioctl_fionbio(&socket, false)?;
        Ok(Stream { socket, peer, receive_timeout: Duration::MAX })
    }

    /// Takes over a connected socket, such as an accepted one.
    ///
    /// Makes it close-on-exec and blocking, without a timeout of its own, and sets TCP_NODELAY on TCP.
    ///
    /// # Errors
    /// [`NetError::Io`] if it is not a connected TCP or unix socket.
    pub fn from_fd(socket: OwnedFd) -> Result<Stream, NetError> {
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        ioctl_fionbio(&socket, false)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, None)?;
        // An unnamed unix peer has an address too; `None` is no address at all.
        let peer = match getpeername(&socket)? {
            Some(peer) => describe(peer)?,
            None => Address::Unix(PathBuf::new()),
        };
        if matches!(peer, Address::Inet(_)) {
            sockopt::set_tcp_nodelay(&socket, true)?;
        }
        Ok(Stream { socket, peer, receive_timeout: Duration::MAX })
    }

    /// Returns the state of this idle connection. See [`idle_state`](super::idle_state).
    pub fn idle_state(&self) -> IdleState {
        io::idle_state(self)
    }

    /// Sends all of these slices; `timeout` bounds each wait for the peer to make room.
    ///
    /// # Errors
    /// [`SendError`] with the bytes that were sent before; the connection cannot be used any more.
    pub fn send_all(&self, slices: &[&[u8]], timeout: Duration) -> Result<(), SendError> {
        io::send_all(self, slices, timeout)
    }

    /// Waits for bytes and appends them to the buffer, as many as it has room for.
    ///
    /// One `recv`, and no `poll` unless a signal interrupts it. Uses the buffer's spare capacity as it is,
    /// and reserves 8192 bytes only if there is none.
    ///
    /// # Errors
    /// [`NetError::TimedOut`] if nothing was received; the end of the stream is [`Received::End`].
    pub fn receive(
        &mut self,
        buffer: &mut Vec<u8>,
        timeout: Duration,
    ) -> Result<Received, NetError> {
        if timeout.is_zero() {
            let received = self.receive_now(buffer)?;
            return received.ok_or(NetError::TimedOut { after: timeout });
        }
        self.wait_at_most(timeout)?;
        let deadline = Deadline::after(Instant::now(), timeout);
        if let Some(received) = io::receive_blocking(&*self, buffer)? {
            return Ok(received);
        }
        // Interrupted, or timed out. The kernel counts in ticks, and the first one may be nearly over
        // when the wait begins.
        let left = deadline.remaining(Instant::now());
        io::receive(&*self, buffer, left).map_err(|error| match error {
            NetError::TimedOut { .. } => NetError::TimedOut { after: timeout },
            error => error,
        })
    }

    /// As [`receive`](Self::receive), for a peer that sends a few bytes at a time which mean nothing: where fewer
    /// than `at_least` come they may lie unseen for a moment ([`low_water`](super::low_water)), which
    /// `timeout` does not count.
    ///
    /// # Errors
    /// As of [`receive`](Self::receive).
    pub fn receive_at_least(
        &mut self,
        at_least: usize,
        buffer: &mut Vec<u8>,
        timeout: Duration,
    ) -> Result<Received, NetError> {
        if at_least > 1 && !timeout.is_zero() && matches!(self.peer, Address::Inet(_)) {
            low_water::wait(&self.socket, at_least)?;
            if let Some(received) = self.receive_now(buffer)? {
                return Ok(received);
            }
        }
        self.receive(buffer, timeout)
    }

    /// Sets the receive timeout, unless the kernel knows it already.
    fn wait_at_most(&mut self, timeout: Duration) -> Result<(), NetError> {
        if self.receive_timeout != timeout {
            let limit = io::limit_of_socket(timeout);
            sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, limit)?;
            self.receive_timeout = timeout;
        }
        Ok(())
    }

    /// Appends the bytes that are there now; `None` if there are none. Never blocks.
    ///
    /// # Errors
    /// [`NetError`], never a timeout.
    pub fn receive_now(&self, buffer: &mut Vec<u8>) -> Result<Option<Received>, NetError> {
        io::receive_now(self, buffer)
    }

    /// Waits until a receive would not block; `false` if that timed out.
    ///
    /// # Errors
    /// [`NetError::Io`] if the system cannot poll.
    pub fn wait_readable(&self, timeout: Duration) -> Result<bool, NetError> {
        io::wait_readable(self, timeout)
    }

    /// Makes the close of this socket a reset (SO_LINGER 0), so that the peer's next write fails.
    ///
    /// If that cannot be set, the socket is closed as usual.
    pub fn reset_when_closed(&self) {
        let _ = sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }

    /// Returns the other end: the address connected to, or the peer of an accepted connection.
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// Returns our own end; `None` for a unix socket.
    ///
    /// # Errors
    /// [`NetError::Io`] from the operating system.
    pub fn local_addr(&self) -> Result<Option<SocketAddr>, NetError> {
        Ok(SocketAddr::try_from(getsockname(&self.socket)?).ok())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn describe(address: SocketAddrAny) -> Result<Address, Errno> {
    if let Ok(inet) = SocketAddr::try_from(address.clone()) {
        return Ok(Address::Inet(inet));
    }
    let unix = SocketAddrUnix::try_from(address)?;
    let path = unix.path_bytes().unwrap_or_default();
    Ok(Address::Unix(OsStr::from_bytes(path).into()))
}
