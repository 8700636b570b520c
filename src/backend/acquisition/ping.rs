//! CPING on one connection, up to its CPONG: what is still to be sent, and how long to wait.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::backend::cping::ANSWER_ROOM;
use crate::backend::{AjpConnection, PingError};
use crate::net::{Deadline, NetError};
use crate::protocol::{CPING, Response};

/// A CPING that is being sent, or awaits its answer.
#[derive(Debug)]
pub(in crate::backend) struct Ping {
    packet: Cow<'static, [u8]>,
    written: usize,
    has_room: bool,
    deadline: Deadline,
    left: Duration,
    /// The time allowed, for the error.
    after: Duration,
}

/// The next need of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend) enum PingStep {
    /// The rest of the packet has to be sent.
    Send,
    /// The socket has no room: up to so long until it has.
    Room(Duration),
    /// The answer, up to so long.
    Receive(Duration),
}

impl Ping {
    /// A plain CPING that is to be answered within `time`.
    pub(in crate::backend) fn plain(now: Instant, time: Duration) -> Self {
        Self::with(Cow::Borrowed(&CPING), now, time)
    }

    /// The same with this packet.
    pub(in crate::backend) fn with(
        packet: Cow<'static, [u8]>,
        now: Instant,
        time: Duration,
    ) -> Self {
        let deadline = Deadline::after(now, time);
        Self { packet, written: 0, has_room: true, deadline, left: time, after: time }
    }

    /// The same ping; a wait that ends without an answer names `after`.
    pub(in crate::backend) fn shown_as(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    pub(in crate::backend) fn next(&self) -> PingStep {
        if self.written == self.packet.len() {
            PingStep::Receive(self.left)
        } else if self.has_room {
            PingStep::Send
        } else {
            PingStep::Room(self.left)
        }
    }

    /// The bytes that are still to be sent.
    pub(in crate::backend) fn rest(&self) -> &[u8] {
        &self.packet[self.written..]
    }

    /// The rest of the time at `now`.
    pub(in crate::backend) fn left_at(&mut self, now: Instant) -> Duration {
        self.left = self.deadline.remaining(now);
        self.left
    }

    /// The error of a ping whose time is over.
    pub(in crate::backend) fn timed_out(&self) -> PingError {
        PingError::TimedOut { after: self.after }
    }

    /// Gives the ping so much time again, from `now` on.
    pub(in crate::backend) fn prolong(&mut self, now: Instant, time: Duration) {
        (self.deadline, self.left) = (Deadline::after(now, time), time);
    }

    /// Takes how much the socket took.
    pub(in crate::backend) fn sent(
        &mut self,
        sent: Result<usize, NetError>,
        now: Instant,
    ) -> Result<(), PingError> {
        let sent = sent.map_err(PingError::Net)?;
        self.written += sent;
        self.has_room = sent > 0;
        self.left_at(now);
        Ok(())
    }

    /// Takes the end of a wait for room.
    pub(in crate::backend) fn room(&mut self, now: Instant) -> Result<(), PingError> {
        self.has_room = true;
        if self.left_at(now).is_zero() { Err(self.timed_out()) } else { Ok(()) }
    }

    /// Takes what a receive brought; `true`: CPONG, and nothing behind it. A receive without a result
    /// is no error as long as time is left.
    pub(in crate::backend) fn received(
        &mut self,
        connection: &mut impl AjpConnection,
        received: Result<usize, NetError>,
        now: Instant,
    ) -> Result<bool, PingError> {
        self.left_at(now);
        match received {
            Ok(0) => Err(PingError::Closed),
            Ok(_) => is_cpong(connection),
            Err(NetError::TimedOut { .. }) => Ok(false),
            Err(error) => Err(PingError::Net(error)),
        }
    }
}

/// Whether CPONG has come, alone. `false`: only a part of a packet so far.
fn is_cpong(connection: &mut impl AjpConnection) -> Result<bool, PingError> {
    match connection.next_packet()? {
        None if connection.unread() >= ANSWER_ROOM => Err(PingError::NotCPong),
        None => Ok(false),
        Some(payload) => match Response::decode(payload)? {
            Response::CPong if connection.unread() == 0 => Ok(true),
            _ => Err(PingError::NotCPong),
        },
    }
}
