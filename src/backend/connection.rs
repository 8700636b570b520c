//! One AJP connection: what the pool keeps.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::buffers::Buffers;
use super::cping::{self, Ping};
use super::error::PingError;
use super::incoming::{Incoming, RetiredBuffer};
use crate::exchange::Reusable;
use crate::net::{Address, IdleState, NetError, SendError, Stream, are_quiet, send_listening};
use crate::pool::{Liveness, Pooled};
use crate::protocol::CodecError;

/// A socket to a container, its receive buffer, and what it has been through.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    incoming: Incoming,
    usage: Usage,
    pinged: Option<Instant>,
}

/// What the log says of a connection when something happens to it.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// When it was opened.
    pub opened: Instant,
    /// Requests sent over it.
    pub requests: u64,
    /// Bytes sent for the present request.
    pub sent: u64,
    /// Bytes received for the present request.
    pub received: u64,
}

impl Connection {
    /// Wraps a socket that has just been opened.
    pub(super) fn new(stream: Stream, now: Instant, buffers: Arc<Buffers>) -> Self {
        let usage = Usage { opened: now, requests: 0, sent: 0, received: 0 };
        Self { stream, incoming: Incoming::new(buffers), usage, pinged: None }
    }

    /// Starts a request: counters of bytes begin anew.
    pub fn begin_request(&mut self) {
        self.usage.requests += 1;
        self.usage.sent = 0;
        self.usage.received = 0;
    }

    /// What it has been through.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Sends all slices, in one system call where the socket takes them.
    ///
    /// # Errors
    /// Says how much had been taken; `timeout` bounds each wait without progress.
    /// [`NetError::Answered`]: END_RESPONSE came while the peer did not take the rest.
    pub fn send(&mut self, slices: &[&[u8]], timeout: Duration) -> Result<(), SendError> {
        let (incoming, stream, mut heard) = (&mut self.incoming, &self.stream, 0);
        let mut listen = || match incoming.receive_now(stream) {
            Ok(_) if incoming.holds_end() => ControlFlow::Break(()),
            Ok(Some(count)) => {
                heard += count;
                ControlFlow::Continue(count > 0 && incoming.unread() < MOST_HEARD)
            }
            // The kernel thought better of it.
            Ok(None) => ControlFlow::Continue(true),
            // The send will fail, too, or the next receive.
            Err(_) => ControlFlow::Continue(false),
        };
        let result = send_listening(stream, slices, timeout, &mut Some(&mut listen));
        self.usage.received += heard as u64;
        self.usage.sent += match &result {
            Ok(()) => slices.iter().map(|slice| slice.len() as u64).sum(),
            Err(error) => error.written as u64,
        };
        result
    }

    /// The payload of the next packet, if a whole one has been received.
    ///
    /// # Errors
    /// What is there cannot be the start of an AJP packet.
    pub fn next_packet(&mut self) -> Result<Option<Bytes>, CodecError> {
        self.incoming.next_packet()
    }

    /// Waits up to `timeout` for bytes and takes as many as are there; 0: the peer closed.
    ///
    /// # Errors
    /// Timeouts, resets.
    pub fn receive(&mut self, timeout: Duration) -> Result<usize, NetError> {
        let count = self.incoming.receive(&mut self.stream, timeout)?;
        self.usage.received += count as u64;
        Ok(count)
    }

    /// Whether END_RESPONSE is among what has been received and not read as packets; with `look`, also
    /// among what has come since, without waiting for it.
    pub fn has_ended(&mut self, look: bool) -> bool {
        if look && !self.incoming.holds_end() {
            // What goes wrong here goes wrong again at the next receive.
            let count = self.incoming.receive_now(&self.stream).ok().flatten();
            self.usage.received += count.unwrap_or(0) as u64;
        }
        self.incoming.holds_end()
    }

    /// Waits up to `timeout` for something to receive.
    ///
    /// # Errors
    /// As poll().
    pub fn wait_readable(&self, timeout: Duration) -> Result<bool, NetError> {
        self.stream.wait_readable(timeout)
    }

    /// Bytes received that belong to no packet read so far.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.incoming.unread()
    }

    /// Sends CPING and waits for CPONG, both within `timeout`.
    ///
    /// # Errors
    /// Anything but a CPONG and nothing behind it.
    pub fn cping(&self, timeout: Duration) -> Result<(), PingError> {
        cping::cping(&self.stream, timeout)
    }

    /// The same with this packet in place of the plain CPING.
    ///
    /// # Errors
    /// As [`cping`](Self::cping).
    pub(super) fn cping_with(&self, packet: &[u8], timeout: Duration) -> Result<(), PingError> {
        cping::cping_with(&self.stream, packet, timeout)
    }

    /// Makes the close a reset: whatever the container still sends fails at once.
    pub fn reset_when_closed(&self) {
        self.stream.reset_when_closed();
    }

    /// Its socket, to wait for.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Has CPONG come? Waits up to `wait` for it to begin.
    ///
    /// # Errors
    /// Anything but a CPONG and nothing behind it.
    pub(super) fn has_answered(&self, ping: &mut Ping, wait: Duration) -> Result<bool, PingError> {
        ping.poll(&self.stream, wait)
    }

    /// Sends CPING; whoever has sent it collects the answer.
    ///
    /// # Errors
    /// The socket does not take it at once.
    pub(super) fn start_ping(&self) -> Result<Ping, PingError> {
        Ping::send(&self.stream)
    }

    /// Has CPONG come? Waits up to `wait`.
    ///
    /// # Errors
    /// Anything but a CPONG and nothing behind it.
    pub(super) fn ping_answered(
        &mut self,
        ping: &mut Ping,
        wait: Duration,
        now: Instant,
    ) -> Result<bool, PingError> {
        let answered = self.has_answered(ping, wait)?;
        if answered {
            self.pinged = Some(now);
        }
        Ok(answered)
    }

    /// When it last answered a CPING of the housekeeper.
    pub(super) fn last_ping(&self) -> Option<Instant> {
        self.pinged
    }

    /// The address it leads to.
    pub(super) fn peer(&self) -> &Address {
        self.stream.peer()
    }

    /// Parts with the memory an idle connection does not need. Keep the result until what was
    /// received has been handed on.
    pub fn retire(&mut self) -> RetiredBuffer {
        self.incoming.retire()
    }
}

/// A peer that talks and talks, and does not take what is sent to it, is not listened to any more.
const MOST_HEARD: usize = 128 * 1024;

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
