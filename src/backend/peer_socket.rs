//! The sockets of a port, as its handshakes use them. Nothing here waits; tests have sockets of their own.

use std::fmt;
use std::net::IpAddr;

use crate::net::{
    Address, IdleState, Listener, NetError, Received, Stream, Watch, receive_now, send_now,
};

/// A socket that a peer has opened.
pub(super) trait PeerSocket: fmt::Debug {
    /// The set that reports which of these sockets are ready.
    type Set: SocketSet<Self>;

    /// Receives what is there, no more than the spare capacity; `None`: nothing.
    fn receive(&self, buffer: &mut Vec<u8>) -> Result<Option<Received>, NetError>;

    /// Sends what there is room for; returns how many bytes that was.
    fn send(&self, bytes: &[u8]) -> Result<usize, NetError>;

    /// Returns the state of the socket, on which there should be nothing to read.
    fn idle_state(&self) -> IdleState;

    /// Returns the address of the peer.
    fn peer_address(&self) -> Option<IpAddr>;

    /// Returns the port to which the peer has connected; `None`: the connection is dead.
    fn local_port(&self) -> Option<u16>;
}

/// A set of sockets, each with a number.
pub(super) trait SocketSet<S: ?Sized>: fmt::Debug + Sized {
    /// Makes an empty set.
    fn new() -> Result<Self, NetError>;

    /// Adds a socket, to be reported while there is something to read on it. Closing it removes it.
    fn add(&self, socket: &S, number: u64) -> Result<(), NetError>;

    /// Reports a socket of the set while there is room to send on it, and not while there is something to
    /// read; with `room` false, the other way round again.
    fn report_room(&self, socket: &S, number: u64, room: bool) -> Result<(), NetError>;

    /// Removes a socket.
    fn remove(&self, socket: &S);

    /// Returns the numbers of the sockets that are ready.
    fn ready(&self) -> Result<Vec<u64>, NetError>;
}

/// The queue of the connections that peers have opened.
pub(super) trait Port {
    type Socket: PeerSocket;

    /// Takes the one that has waited longest, if there is one.
    fn accept(&self) -> Result<Option<Self::Socket>, NetError>;
}

impl PeerSocket for Stream {
    type Set = Watch;

    fn receive(&self, buffer: &mut Vec<u8>) -> Result<Option<Received>, NetError> {
        receive_now(self, buffer)
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, NetError> {
        send_now(self, &[bytes])
    }

    fn idle_state(&self) -> IdleState {
        Stream::idle_state(self)
    }

    fn peer_address(&self) -> Option<IpAddr> {
        match self.peer() {
            Address::Inet(peer) => Some(peer.ip().to_canonical()),
            Address::Unix(_) => None,
        }
    }

    fn local_port(&self) -> Option<u16> {
        self.local_addr().ok().flatten().map(|address| address.port())
    }
}

impl SocketSet<Stream> for Watch {
    fn new() -> Result<Self, NetError> {
        Watch::new()
    }

    fn add(&self, socket: &Stream, number: u64) -> Result<(), NetError> {
        Watch::add(self, socket, number)
    }

    fn report_room(&self, socket: &Stream, number: u64, room: bool) -> Result<(), NetError> {
        Watch::report_room(self, socket, number, room)
    }

    fn remove(&self, socket: &Stream) {
        Watch::remove(self, socket);
    }

    fn ready(&self) -> Result<Vec<u64>, NetError> {
        Watch::ready(self)
    }
}

impl Port for Listener {
    type Socket = Stream;

    fn accept(&self) -> Result<Option<Stream>, NetError> {
        Listener::accept(self)
    }
}
