//! A socket that peers connect to, and a way to wake the threads that wait for it.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, accept_with, bind, getsockname, listen,
    shutdown, socket_with, sockopt,
};

use super::{NetError, Stream};

/// A listening TCP socket: close-on-exec and non-blocking; dropping it closes it.
///
/// Its connections have SO_KEEPALIVE from the beginning, also while they wait to be accepted: a peer that
/// disappears is noticed two minutes later.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Listens on an address; at most `backlog` connections wait in the kernel (which has its own limit,
    /// `somaxconn`).
    ///
    /// # Errors
    /// The address is in use, or is not one of this machine.
    pub fn bind(address: SocketAddr, backlog: u16) -> Result<Self, NetError> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, KEEPALIVE_IDLE)?;
        sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_PROBES)?;
        bind(&socket, &address)?;
        let listener = Self(socket);
        listener.listen(backlog)?;
        Ok(listener)
    }

    /// Takes over a socket that is already listening.
    #[must_use]
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Sets the length of the queue of a socket that is already listening.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn listen(&self, backlog: u16) -> Result<(), NetError> {
        Ok(listen(&self.0, backlog.into())?)
    }

    /// Accepts the connection that has waited longest, if there is one. Never blocks.
    ///
    /// A connection that was closed while it waited may be returned; a check finds it closed. One that
    /// the kernel reports as an error is skipped.
    ///
    /// # Errors
    /// No descriptor or memory is left, or the socket is no longer listening.
    pub fn accept(&self) -> Result<Option<Stream>, NetError> {
        loop {
            match accept_with(&self.0, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => match Stream::from_fd(socket) {
                    Ok(stream) => return Ok(Some(stream)),
                    // It no longer has a peer.
                    Err(_) => continue,
                },
                Err(Errno::AGAIN) => return Ok(None),
                // accept(2): these are errors of the connection, and do not affect others.
                Err(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::NETDOWN
                    | Errno::PROTO
                    | Errno::NOPROTOOPT
                    | Errno::HOSTDOWN
                    | Errno::HOSTUNREACH
                    | Errno::NETUNREACH
                    | Errno::OPNOTSUPP,
                ) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Returns the address it listens on; `None` if it is not a listening TCP socket after all.
    #[must_use]
    pub fn listens_at(&self) -> Option<SocketAddr> {
        let is_one = sockopt::socket_acceptconn(&self.0) == Ok(true);
        self.local_addr().ok().filter(|_| is_one)
    }

    /// Stops listening in every process that has this socket, and closes it here.
    pub fn end(self) {
        let _ = shutdown(&self.0, Shutdown::Both);
    }

    /// Returns the address it listens on.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn local_addr(&self) -> Result<SocketAddr, NetError> {
        Ok(SocketAddr::try_from(getsockname(&self.0)?)?)
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.0
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Wakes threads that [wait](super::wait_any) for a connection, one for each call.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Waker {
    /// Makes a waker.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new() -> Result<Self, NetError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
        Ok(Self(eventfd(0, flags)?))
    }

    /// Wakes one thread. Never blocks.
    pub fn wake(&self) {
        // EAGAIN: 2^64 calls are pending, which is enough.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Takes one pending wake-up; returns whether there was one.
    pub fn take_wake_up(&self) -> bool {
        rustix::io::read(&self.0, &mut [0_u8; 8]).is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

#[cfg(test)]
mod tests {
    use super::super::wait_any;
    use super::*;
    use std::net::TcpStream;

    const LONG: Duration = Duration::from_secs(30);

    fn listener() -> (Listener, SocketAddr) {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), 8).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn connections_are_accepted_in_their_order_and_nothing_is_waited_for() {
        let (listener, address) = listener();
        assert!(listener.accept().unwrap().is_none());
        let waker = Waker::new().unwrap();
        let peers = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        for peer in &peers {
            wait_any(&[listener.as_fd(), waker.as_fd()], LONG).unwrap();
            let stream = listener.accept().unwrap().expect("it is there");
            assert_eq!(stream.peer().to_string(), peer.local_addr().unwrap().to_string());
        }
        assert!(listener.accept().unwrap().is_none());
    }

    #[test]
    fn a_ring_ends_the_wait_of_one_listener() {
        let (listener, _) = listener();
        let waker = Waker::new().unwrap();
        assert!(!waker.take_wake_up());
        waker.wake();
        wait_any(&[listener.as_fd(), waker.as_fd()], LONG).unwrap();
        assert!(waker.take_wake_up());
        assert!(!waker.take_wake_up(), "a wake-up is for one");
        wait_any(&[listener.as_fd(), waker.as_fd()], Duration::from_millis(1)).unwrap();
    }

    #[test]
    fn a_socket_that_does_not_listen_is_not_taken_for_a_listener() {
        let (listener, address) = listener();
        assert_eq!(listener.listens_at(), Some(address));
        let copy = Listener::from_fd(listener.as_fd().try_clone_to_owned().unwrap());
        copy.end();
        assert_eq!(listener.listens_at(), None, "ended for all");
        assert!(TcpStream::connect(address).is_err());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Listener::from_fd(file.into()).listens_at(), None);
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let (_held, address) = listener();
        let error = Listener::bind(address, 8).unwrap_err();
        assert_eq!(error, NetError::Io(Errno::ADDRINUSE));
    }
}
