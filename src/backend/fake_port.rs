//! A port without sockets, for tests of reverse connections: the test is the peers.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::peer_socket::{PeerSocket, Port, SocketSet};
use crate::net::{IdleState, NetError, Received};
use crate::protocol::handshake::{Container, Hello, Key};

/// The queue of what has connected to port 9100.
#[derive(Debug, Default)]
pub(crate) struct FakePort(Mutex<(usize, VecDeque<FakeSocket>)>);

/// Our end of a connection.
#[derive(Debug)]
pub(crate) struct FakeSocket {
    /// Counted from 1 for each port.
    pub(crate) number: usize,
    wire: Arc<Mutex<Wire>>,
}

/// The peer's end of it.
#[derive(Debug)]
pub(crate) struct FakePeer(Arc<Mutex<Wire>>);

#[derive(Debug)]
struct Wire {
    to_us: Vec<u8>,
    from_us: Vec<u8>,
    /// How many bytes our end takes to send.
    room: usize,
    closed_by_peer: bool,
    closed_by_us: bool,
}

/// The sockets of a set.
#[derive(Debug, Default)]
pub(crate) struct FakeSet(Mutex<Vec<Watched>>);

#[derive(Debug)]
struct Watched {
    number: u64,
    wire: Arc<Mutex<Wire>>,
    /// Room is reported, and not something to read.
    room: bool,
}

pub(crate) const PORT: u16 = 9100;

impl FakePort {
    /// A peer connects; number 1 is the first.
    pub(crate) fn connect(&self) -> FakePeer {
        let wire = Arc::new(Mutex::new(Wire {
            to_us: Vec::new(),
            from_us: Vec::new(),
            room: usize::MAX,
            closed_by_peer: false,
            closed_by_us: false,
        }));
        let (count, queue) = &mut *self.0.lock();
        *count += 1;
        queue.push_back(FakeSocket { number: *count, wire: Arc::clone(&wire) });
        FakePeer(wire)
    }
}

impl FakePeer {
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.0.lock().to_us.extend(bytes);
    }

    /// Takes what it has been sent.
    pub(crate) fn receive(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().from_us)
    }

    /// Our end takes so many bytes to send, and no more.
    pub(crate) fn room(&self, room: usize) {
        self.0.lock().room = room;
    }

    pub(crate) fn close(&self) {
        self.0.lock().closed_by_peer = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.lock().closed_by_us
    }

    /// Says hello, as a container that has this key; returns what proves that.
    pub(crate) fn hello(&self, key: &Key) -> Container {
        let container = Container::new(key, PORT, Hello::new([7; 16], b"node1").expect("short"));
        self.send(&container.hello());
        container
    }

    /// Answers the challenge that it has been sent.
    pub(crate) fn prove(&self, container: &Container) {
        let challenge = self.receive();
        let proof = container.proof(&challenge[4..]).expect("a challenge");
        self.send(&proof);
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        self.wire.lock().closed_by_us = true;
    }
}

impl PeerSocket for FakeSocket {
    type Set = FakeSet;

    fn receive(&self, buffer: &mut Vec<u8>) -> Result<Option<Received>, NetError> {
        let wire = &mut *self.wire.lock();
        let space = buffer.spare_capacity_mut().len();
        let count = wire.to_us.len().min(space);
        buffer.extend(wire.to_us.drain(..count));
        Ok(match count {
            0 if wire.closed_by_peer => Some(Received::End),
            0 => None,
            count => Some(Received::Bytes(count)),
        })
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, NetError> {
        let wire = &mut *self.wire.lock();
        let count = bytes.len().min(wire.room);
        wire.from_us.extend(&bytes[..count]);
        wire.room -= count;
        Ok(count)
    }

    fn idle_state(&self) -> IdleState {
        let wire = self.wire.lock();
        match (wire.to_us.is_empty(), wire.closed_by_peer) {
            (false, _) => IdleState::Unread,
            (true, true) => IdleState::Closed,
            (true, false) => IdleState::Quiet,
        }
    }

    fn peer_address(&self) -> Option<IpAddr> {
        Some(IpAddr::from([127, 0, 0, 1]))
    }

    fn local_port(&self) -> Option<u16> {
        Some(PORT)
    }
}

impl SocketSet<FakeSocket> for FakeSet {
    fn new() -> Result<Self, NetError> {
        Ok(Self::default())
    }

    fn add(&self, socket: &FakeSocket, number: u64) -> Result<(), NetError> {
        let wire = Arc::clone(&socket.wire);
        self.0.lock().push(Watched { number, wire, room: false });
        Ok(())
    }

    fn report_room(&self, _: &FakeSocket, number: u64, room: bool) -> Result<(), NetError> {
        let mut sockets = self.0.lock();
        let watched = sockets.iter_mut().find(|watched| watched.number == number);
        watched.expect("it is in the set").room = room;
        Ok(())
    }

    fn remove(&self, socket: &FakeSocket) {
        self.0.lock().retain(|watched| !Arc::ptr_eq(&watched.wire, &socket.wire));
    }

    fn ready(&self) -> Result<Vec<u64>, NetError> {
        let is_ready = |watched: &&Watched| {
            let wire = watched.wire.lock();
            let is_readable = !wire.to_us.is_empty() || wire.closed_by_peer;
            !wire.closed_by_us && if watched.room { wire.room > 0 } else { is_readable }
        };
        Ok(self.0.lock().iter().filter(is_ready).map(|watched| watched.number).collect())
    }
}

impl Port for FakePort {
    type Socket = FakeSocket;

    fn accept(&self) -> Result<Option<FakeSocket>, NetError> {
        Ok(self.0.lock().1.pop_front())
    }
}
