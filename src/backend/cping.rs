//! CPING and CPONG: is there a container behind the socket that answers?

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::error::PingError;
use crate::net::{self, Deadline, Received};
use crate::protocol::{BufferSlice, CPING, Direction, Response, split_packet};

/// As [`cping`], over a descriptor that the caller owns (mod_proxy_hcheck).
///
/// # Errors
/// As [`cping`].
pub fn cping_descriptor(descriptor: BorrowedFd<'_>, timeout: Duration) -> Result<(), PingError> {
    cping(descriptor, timeout)
}

/// Sends CPING and reads CPONG, both together within `timeout`.
///
/// # Errors
/// [`PingError::TimedOut`], [`PingError::Net`] when the connection is gone, and
/// [`PingError::NotCPong`] for any other answer or for bytes behind it: such a connection is out
/// of step and of no use.
pub(super) fn cping(socket: impl AsFd, timeout: Duration) -> Result<(), PingError> {
    let start = Instant::now();
    let deadline = Deadline::after(start, timeout);
    net::send_all(&socket, &[&CPING], timeout).map_err(|error| PingError::Net(error.source))?;
    let mut answer = Vec::with_capacity(ANSWER_ROOM);
    loop {
        let left = deadline.remaining(Instant::now());
        if left.is_zero() {
            return Err(PingError::TimedOut { after: timeout });
        }
        match net::receive(&socket, &mut answer, left) {
            Ok(Received::Bytes(_)) => {}
            Ok(Received::End) => return Err(PingError::Closed),
            Err(net::NetError::TimedOut { .. }) => {
                return Err(PingError::TimedOut { after: timeout });
            }
            Err(error) => return Err(PingError::Net(error)),
        }
        if is_whole_cpong(&answer)? {
            return Ok(());
        }
    }
}

/// Whether it is CPONG; `false`: only a part of a packet so far.
pub(super) fn is_whole_cpong(answer: &[u8]) -> Result<bool, PingError> {
    let mut received = BufferSlice::from(answer);
    match split_packet(&mut received, Direction::FromContainer)? {
        None if answer.len() >= ANSWER_ROOM => Err(PingError::NotCPong),
        None => Ok(false),
        Some(payload) => match Response::decode(payload)? {
            Response::CPong if received.is_empty() => Ok(true),
            _ => Err(PingError::NotCPong),
        },
    }
}

/// A CPING on its way: sent, and not answered yet.
#[derive(Debug)]
pub(super) struct Ping {
    answer: Vec<u8>,
}

impl Ping {
    /// Sends CPING, without waiting: a socket that has no room for five bytes is stuck.
    pub(super) fn send(socket: impl AsFd) -> Result<Self, PingError> {
        net::send_all(&socket, &[&CPING], Duration::ZERO)
            .map_err(|error| PingError::Net(error.source))?;
        Ok(Self { answer: Vec::with_capacity(ANSWER_ROOM) })
    }

    /// Whether CPONG has come. Waits up to `wait` for it to begin.
    pub(super) fn poll(&mut self, socket: impl AsFd, wait: Duration) -> Result<bool, PingError> {
        if !net::wait_readable(&socket, wait).map_err(PingError::Net)? {
            return Ok(false);
        }
        match net::receive_now(&socket, &mut self.answer).map_err(PingError::Net)? {
            Some(Received::End) => Err(PingError::Closed),
            Some(Received::Bytes(_)) => is_whole_cpong(&self.answer),
            None => Ok(false),
        }
    }
}

/// CPONG has 5 bytes; room for more shows what else there is.
pub(super) const ANSWER_ROOM: usize = 64;
