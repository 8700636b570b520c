//! One AJP connection: what the pool keeps.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ajp_connection::{AjpConnection, Usage};
use super::buffers::Buffers;
use super::cping::{self, Ping};
use super::error::PingError;
use super::incoming::{Incoming, RetiredBuffer};
use crate::exchange::Reusable;
use crate::net::{
    Address, IdleState, NetError, Ready, Stream, are_quiet, send_now, wait_either_readable,
    wait_for_room,
};
use crate::pool::{Liveness, Pooled};
use crate::protocol::{BufferSlice, CodecError};

/// A socket to a container, its receive buffer, and what it has been through.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    incoming: Incoming,
    usage: Usage,
    pinged: Option<Instant>,
}

impl Connection {
    /// Wraps a socket that has just been opened.
    pub(super) fn new(stream: Stream, now: Instant, buffers: Arc<Buffers>) -> Self {
        let usage = Usage { opened: now, requests: 0, sent: 0, received: 0 };
        Self { stream, incoming: Incoming::new(buffers), usage, pinged: None }
    }

    /// Sends of these slices what the socket has room for; returns how many bytes that was.
    ///
    /// # Errors
    /// As [`send_now`].
    pub fn send(&mut self, slices: &[&[u8]]) -> Result<usize, NetError> {
        let sent = send_now(&self.stream, slices)?;
        self.usage.sent += sent as u64;
        Ok(sent)
    }

    /// Waits up to `timeout` for bytes and takes as many as are there; 0: the peer closed. Without
    /// a timeout it does not wait.
    ///
    /// # Errors
    /// Timeouts, resets.
    pub fn receive(&mut self, timeout: Duration) -> Result<usize, NetError> {
        self.receive_at_least(1, timeout)
    }

    /// As [`receive`](Self::receive); fewer bytes than `at_least` may lie unseen for a moment, as
    /// [`Stream::receive_at_least`] says.
    ///
    /// # Errors
    /// As of [`receive`](Self::receive).
    pub fn receive_at_least(
        &mut self,
        at_least: usize,
        timeout: Duration,
    ) -> Result<usize, NetError> {
        let count = self.incoming.receive(&mut self.stream, at_least, timeout)?;
        self.usage.received += count as u64;
        Ok(count)
    }

    /// Takes as many bytes as are there, without waiting; 0: the peer closed. Where there are none and none
    /// are unread, it parts with its buffer: what waits without a thread holds no memory to wait with.
    ///
    /// # Errors
    /// [`NetError::TimedOut`], which names `after`: nothing is there. Resets.
    pub fn receive_or_rest(&mut self, after: Duration) -> Result<usize, NetError> {
        let received = self.receive(Duration::ZERO);
        if let Err(NetError::TimedOut { .. }) = received {
            self.incoming.rest();
            return Err(NetError::TimedOut { after });
        }
        received
    }

    /// Waits up to `timeout` for something to receive.
    ///
    /// # Errors
    /// As poll().
    pub fn wait_readable(&self, timeout: Duration) -> Result<bool, NetError> {
        self.stream.wait_readable(timeout)
    }

    /// Waits up to `timeout` for room to send; with `readable`, also for something to receive.
    ///
    /// # Errors
    /// As poll().
    pub fn wait_for_room(&self, readable: bool, timeout: Duration) -> Result<Ready, NetError> {
        wait_for_room(&self.stream, readable, timeout)
    }

    /// Waits up to `timeout` for something to receive here or on another socket; says on which.
    ///
    /// # Errors
    /// As poll().
    pub fn wait_readable_or(
        &self,
        other: BorrowedFd<'_>,
        timeout: Duration,
    ) -> Result<[bool; 2], NetError> {
        wait_either_readable([self.stream.as_fd(), other], timeout)
    }

    /// Sends CPING and waits for CPONG, both within `timeout`.
    ///
    /// # Errors
    /// Anything but a CPONG and nothing behind it.
    pub fn cping(&self, timeout: Duration) -> Result<(), PingError> {
        cping::cping(&self.stream, timeout)
    }

    /// Its socket, to wait for.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends CPING. The caller has to receive the answer.
    ///
    /// # Errors
    /// The socket does not take it at once.
    pub(super) fn start_ping(&self) -> Result<Ping, PingError> {
        Ping::send(&self.stream)
    }

    /// Whether CPONG has come. Waits up to `wait`.
    ///
    /// # Errors
    /// Anything but a CPONG and nothing behind it.
    pub(super) fn ping_answered(
        &mut self,
        ping: &mut Ping,
        wait: Duration,
        now: Instant,
    ) -> Result<bool, PingError> {
        let answered = ping.poll(&self.stream, wait)?;
        if answered {
            self.pinged = Some(now);
        }
        Ok(answered)
    }

    /// When it last answered a CPING of the housekeeper.
    pub(super) fn last_ping(&self) -> Option<Instant> {
        self.pinged
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Pooled for Connection {
    type Proof = Reusable;

    fn check(&mut self) -> Liveness {
        match self.stream.idle_state() {
            IdleState::Quiet => Liveness::Usable,
            IdleState::Unread => Liveness::Unread,
            IdleState::Closed => Liveness::Closed,
            IdleState::Broken(_) => Liveness::Broken,
        }
    }

    fn are_quiet(connections: &[&Self]) -> Vec<bool> {
        let streams: Vec<&Stream> =
            connections.iter().map(|connection| &connection.stream).collect();
        are_quiet(&streams)
    }
}

impl AjpConnection for Connection {
    fn begin_request(&mut self) {
        self.usage.requests += 1;
        self.usage.sent = 0;
        self.usage.received = 0;
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn next_packet(&mut self) -> Result<Option<BufferSlice>, CodecError> {
        self.incoming.next_packet()
    }

    fn unread(&self) -> usize {
        self.incoming.unread()
    }

    fn holds_end(&self) -> bool {
        self.incoming.holds_end()
    }

    fn retire(&mut self) -> RetiredBuffer {
        self.incoming.retire()
    }

    fn reset_when_closed(&self) {
        self.stream.reset_when_closed();
    }

    fn peer(&self) -> &Address {
        self.stream.peer()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::net::ConnectOptions;
    use crate::pool::bytes_when_idle;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn an_idle_connection_takes_less_than_1_kib_and_has_no_buffer_of_its_own() {
        const LONGEST_SOCKET_PATH: usize = 107;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().into();
        let stream = Stream::connect(&address, &ConnectOptions::default()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut connection = Connection::new(stream, Instant::now(), Arc::default());
        assert_eq!(connection.incoming.held(), 0, "none before the first byte");

        peer.write_all(&[0x41, 0x42, 0, 2, b'h', b'i']).unwrap();
        connection.receive(LONG).unwrap();
        let packet = connection.next_packet().unwrap().unwrap();
        assert!(connection.incoming.held() > 0);
        let spent = connection.retire();

        assert_eq!(packet, b"hi"[..], "and yet what was received is there until it is handed on");
        drop((packet, spent));
        assert_eq!(connection.incoming.held(), 0);
        assert!(bytes_when_idle::<Connection>() + LONGEST_SOCKET_PATH < 1024);
    }
}
