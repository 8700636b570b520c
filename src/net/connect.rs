//! Opens a connection within a time limit.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getpeername,
    getsockname, socket_with, sockopt,
};

use super::io::limit_of_socket;
use super::{Address, ConnectError, Deadline, NetError, wait_writable};

/// Options for connecting: mod_proxy's worker parameters, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// For one address: `connecttimeout`, `connectiontimeout`, `timeout`, whichever is set first.
    pub timeout: Duration,
    /// `keepalive`: probe the peer when the connection is quiet (SO_KEEPALIVE). TCP only.
    pub keepalive: bool,
    /// `receivebuffersize` in bytes (SO_RCVBUF); `None`: the system's default.
    pub receive_buffer: Option<usize>,
    /// ProxySourceAddress; not used if it is of another family than the address.
    pub source: Option<SocketAddr>,
}

impl Default for ConnectOptions {
    /// 60 s, httpd's own `Timeout`; nothing else.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            keepalive: false,
            receive_buffer: None,
            source: None,
        }
    }
}

/// Opens a connection; see [`Stream::connect`](super::Stream::connect).
pub(super) fn open(address: &Address, options: &ConnectOptions) -> Result<OwnedFd, ConnectError> {
    match address {
        Address::Inet(address) => open_inet(*address, options),
        Address::Unix(path) => open_unix(path, options),
    }
}

fn open_inet(address: SocketAddr, options: &ConnectOptions) -> Result<OwnedFd, ConnectError> {
    let (socket, is_connected) = start_inet(address, options)?;
    if !is_connected {
        match wait_writable(&socket, options.timeout) {
            Ok(true) => {}
            Ok(false) => return Err(ConnectError::TimedOut { after: options.timeout }),
            Err(NetError::Io(errno)) => return Err(errno.into()),
            Err(_) => return Err(ConnectError::Io(Errno::IO)),
        }
        finish_inet(&socket, options.timeout)?;
    }
    refuse_self_connection(&socket, address.port())?;
    Ok(socket)
}

/// Begins to connect; `true`: that was all.
fn start_inet(
    address: SocketAddr,
    options: &ConnectOptions,
) -> Result<(OwnedFd, bool), ConnectError> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = new_socket(family, options)?;
    // AJP packets are whole messages: waiting for more to send only delays them.
    sockopt::set_tcp_nodelay(&socket, true)?;
    if options.keepalive {
        sockopt::set_socket_keepalive(&socket, true)?;
    }
    if let Some(source) = options.source.filter(|source| source.is_ipv4() == address.is_ipv4()) {
        bind(&socket, &source)?;
    }
    match connect(&socket, &address) {
        Ok(()) => Ok((socket, true)),
        // After a signal too, the attempt continues in the background (POSIX, connect).
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, false)),
        Err(errno) => Err(errno.into()),
    }
}

/// Says how connecting has ended, once the socket is writable.
fn finish_inet(socket: &OwnedFd, timeout: Duration) -> Result<(), ConnectError> {
    sockopt::socket_error(socket)?.map_err(|errno| match errno {
        Errno::TIMEDOUT => ConnectError::TimedOut { after: timeout },
        other => other.into(),
    })
}

/// Begins to connect to any address; see [`PendingStream::start`](super::PendingStream::start).
pub(super) fn start(address: &Address, options: &ConnectOptions) -> Result<OwnedFd, ConnectError> {
    match address {
        Address::Inet(address) => Ok(start_inet(*address, options)?.0),
        Address::Unix(path) => {
            let address = SocketAddrUnix::new(&**path)?;
            let socket = new_socket(AddressFamily::UNIX, options)?;
            connect(&socket, &address)?;
            Ok(socket)
        }
    }
}

/// Says how connecting to this address has ended, once the socket is writable.
pub(super) fn finish(
    socket: &OwnedFd,
    address: &Address,
    timeout: Duration,
) -> Result<(), ConnectError> {
    if let Address::Inet(address) = address {
        finish_inet(socket, timeout)?;
        refuse_self_connection(socket, address.port())?;
    }
    Ok(())
}

/// Refuses a socket that the kernel has connected to itself.
///
/// On loopback, the source port that the kernel picks may be the port that we connect to, if no process
/// listens there; TCP takes that for a simultaneous open. We would read our own request as the response,
/// and the port would be taken when the backend comes back to bind it.
fn refuse_self_connection(socket: &OwnedFd, port: u16) -> Result<(), ConnectError> {
    let own = SocketAddr::try_from(getsockname(socket)?)?;
    if own.port() != port {
        return Ok(());
    }
    // Compared with the peer and not with the address asked for: 0.0.0.0 is another name of loopback.
    let peer = getpeername(socket)?.and_then(|peer| SocketAddr::try_from(peer).ok());
    if peer.is_some_and(|peer| peer == own) {
        // Closed as usual it would leave a TIME_WAIT, and the port taken for another minute.
        sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
        return Err(ConnectError::SelfConnection);
    }
    Ok(())
}

fn open_unix(path: &Path, options: &ConnectOptions) -> Result<OwnedFd, ConnectError> {
    let address = SocketAddrUnix::new(path)?;
    let socket = new_socket(AddressFamily::UNIX, options)?;
    match connect(&socket, &address) {
        Ok(()) => Ok(socket),
        // The listener's backlog is full. No poll tells when there is room, so a blocking connect waits
        // for it: Linux bounds that by the send timeout (unix_stream_connect).
        Err(Errno::AGAIN | Errno::INTR) => {
            ioctl_fionbio(&socket, false)?;
            connect_unix_blocking(&socket, &address, options.timeout)?;
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, None)?;
            ioctl_fionbio(&socket, true)?;
            Ok(socket)
        }
        Err(errno) => Err(errno.into()),
    }
}

fn connect_unix_blocking(
    socket: &OwnedFd,
    address: &SocketAddrUnix,
    timeout: Duration,
) -> Result<(), ConnectError> {
    let deadline = Deadline::after(Instant::now(), timeout);
    loop {
        let left = deadline.remaining(Instant::now());
        if left.is_zero() {
            return Err(ConnectError::TimedOut { after: timeout });
        }
        let limit = limit_of_socket(left);
        sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, limit)?;
        match connect(socket, address) {
            Ok(()) => return Ok(()),
            // Timed out, or interrupted by a signal: the deadline tells which.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn new_socket(family: AddressFamily, options: &ConnectOptions) -> Result<OwnedFd, ConnectError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(bytes) = options.receive_buffer {
        // Before connecting: the TCP window scale is agreed on in the handshake.
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    Ok(socket)
}
