//! One attempt to connect, without blocking.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, getpeername, getsockname,
    socket_with, sockopt,
};

use super::names::Names;
use super::settings::ContainerAddress;

/// The pause before another attempt at a unix socket whose backlog is full: it returns EAGAIN, and no
/// `poll` reports when there is room.
const BACKLOG_FULL: Duration = Duration::from_millis(20);

/// A dead peer is noticed after 60 + 4 * 15 seconds rather than the kernel's two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_COUNT: u32 = 4;

/// An attempt to connect to a host, one address after the other, or to a unix socket.
#[derive(Debug)]
pub(super) struct Attempt {
    target: ContainerAddress,
    begun: Instant,
    timeout: Duration,
    stage: Stage,
    /// When this stage times out.
    deadline: Instant,
    why: String,
}

#[derive(Debug)]
enum Stage {
    /// The resolver looks the name up.
    Name,
    /// The kernel connects.
    Address { socket: OwnedFd, address: SocketAddr, left: VecDeque<IpAddr> },
    /// The unix socket is tried at this time.
    Unix { next: Instant },
}

/// The result of a step.
#[derive(Debug)]
pub(super) enum Step {
    Waiting,
    /// Non-blocking, close-on-exec; on TCP with TCP_NODELAY and keep-alive.
    Connected(OwnedFd),
    Failed(String),
}

impl Attempt {
    /// Begins an attempt; `timeout` applies to each address. Call [`Attempt::step`] next.
    pub(super) fn new(target: ContainerAddress, timeout: Duration, now: Instant) -> Attempt {
        let stage = match target {
            ContainerAddress::Inet { .. } => Stage::Name,
            ContainerAddress::Unix(_) => Stage::Unix { next: now },
        };
        Attempt { target, begun: now, timeout, stage, deadline: now + timeout, why: String::new() }
    }

    /// The descriptor that becomes writable when [`Attempt::step`] is due.
    pub(super) fn writable(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Address { socket, .. } => Some(socket.as_fd()),
            _ => None,
        }
    }

    /// When [`Attempt::step`] is due even if the descriptor is not ready.
    pub(super) fn wake_at(&self) -> Instant {
        match self.stage {
            Stage::Unix { next } => next.min(self.deadline),
            _ => self.deadline,
        }
    }

    /// Continues as far as possible without waiting.
    pub(super) fn step(&mut self, names: &mut Names, now: Instant) -> Step {
        loop {
            let outcome = match (&self.target, &mut self.stage) {
                (ContainerAddress::Unix(path), Stage::Unix { next }) => match unix(path) {
                    Ok(socket) => return Step::Connected(socket),
                    Err(Errno::AGAIN) if now < self.deadline => {
                        *next = now + BACKLOG_FULL;
                        return Step::Waiting;
                    }
                    Err(errno) => return Step::Failed(errno.to_string()),
                },
                (ContainerAddress::Inet { host, .. }, Stage::Name) => {
                    match names.get(host, self.begun, now) {
                        Some(Ok(addresses)) => Ok(VecDeque::from(addresses)),
                        Some(Err(why)) => return Step::Failed(why),
                        None if now < self.deadline => return Step::Waiting,
                        None => return Step::Failed("its name was not resolved in time".into()),
                    }
                }
                (_, Stage::Address { socket, address, left }) => {
                    match established(socket, *address) {
                        Ok(true) => Err(address.ip()),
                        Ok(false) if now < self.deadline => return Step::Waiting,
                        Ok(false) => {
                            self.why = format!("no answer within {} ms", self.timeout.as_millis());
                            Ok(std::mem::take(left))
                        }
                        Err(errno) => {
                            self.why = errno.to_string();
                            Ok(std::mem::take(left))
                        }
                    }
                }
                // The stage was made for the target.
                _ => return Step::Failed("no way to connect".into()),
            };
            match outcome {
                Ok(left) => {
                    if !self.next_address(left, now) {
                        return Step::Failed(std::mem::take(&mut self.why));
                    }
                }
                Err(good) => {
                    if let ContainerAddress::Inet { host, .. } = &self.target {
                        names.prefer(host, good);
                    }
                    match std::mem::replace(&mut self.stage, Stage::Name) {
                        Stage::Address { socket, .. } => return Step::Connected(socket),
                        _ => return Step::Failed("no way to connect".into()),
                    }
                }
            }
        }
    }

    /// Starts to connect to the next address that allows it; `false` if none does.
    fn next_address(&mut self, mut left: VecDeque<IpAddr>, now: Instant) -> bool {
        let ContainerAddress::Inet { port, .. } = self.target else { return false };
        while let Some(ip) = left.pop_front() {
            let address = SocketAddr::new(ip, port);
            match begin(address) {
                Ok(socket) => {
                    self.stage = Stage::Address { socket, address, left };
                    self.deadline = now + self.timeout;
                    return true;
                }
                Err(errno) => self.why = errno.to_string(),
            }
        }
        false
    }
}

fn begin(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = new_socket(family)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_COUNT)?;
    match connect(&socket, &address) {
        // After a signal too the attempt goes on in the background (POSIX, connect).
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Whether the kernel has connected the socket.
fn established(socket: &OwnedFd, address: SocketAddr) -> Result<bool, Errno> {
    sockopt::socket_error(socket)??;
    let peer = match getpeername(socket) {
        Ok(peer) => peer,
        Err(Errno::NOTCONN) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    // Where nobody listens, the port the kernel picks may be the very one that is dialled; TCP takes
    // that for a simultaneous open, and the port would stay taken.
    let own = SocketAddr::try_from(getsockname(socket)?)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    if own.port() == address.port() && peer == Some(own) {
        sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
        return Err(Errno::CONNREFUSED);
    }
    Ok(true)
}

fn unix(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = new_socket(AddressFamily::UNIX)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn new_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, SocketType::STREAM, flags, None)
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
