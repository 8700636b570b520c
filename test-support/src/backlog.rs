//! Listeners whose backlog is full, so that a connect to them does not end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, addr::SocketAddrArg, connect, listen,
    socket_with,
};

/// A listener, and the connections that fill its backlog.
#[derive(Debug)]
pub struct FullBacklog<L> {
    listener: L,
    filling: Vec<rustix::fd::OwnedFd>,
}

impl FullBacklog<TcpListener> {
    /// Listens on a free port of 127.0.0.1.
    pub fn tcp() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        Self::fill(listener, AddressFamily::INET, &address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().as_ref().map_or(0, SocketAddr::port)
    }
}

impl FullBacklog<UnixListener> {
    /// Listens on a unix socket; the path must not exist yet.
    pub fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("the path is free");
        let address = SocketAddrUnix::new(path).expect("a short path");
        Self::fill(listener, AddressFamily::UNIX, &address)
    }
}

impl<L: AsFd> FullBacklog<L> {
    fn fill(listener: L, family: AddressFamily, address: &impl SocketAddrArg) -> Self {
        listen(&listener, 0).expect("it listens already");
        let mut filling = Vec::new();
        let mut timeouts = 0;
        // One alone may be due to a machine that is busy.
        while timeouts < 2 {
            let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .expect("descriptors are left");
            // A connect that takes as long has met a full backlog.
            set_socket_timeout(&socket, Timeout::Send, Some(Duration::from_millis(200)))
                .expect("a socket");
            match connect(&socket, address) {
                Ok(()) => {
                    filling.push(socket);
                    timeouts = 0;
                }
                Err(_) => timeouts += 1,
            }
        }
        Self { listener, filling }
    }

    /// Returns the listener, whose backlog takes connections like any other's from here on. Those that have filled
    /// it are closed.
    pub fn give_room(self) -> io::Result<L> {
        drop(self.filling);
        listen(&self.listener, 128)?;
        Ok(self.listener)
    }
}
