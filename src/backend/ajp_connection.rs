//! A connection without its socket: what has been received over it, and what it has been through.

use std::fmt;
use std::time::Instant;

use super::incoming::RetiredBuffer;
use crate::exchange::Reusable;
use crate::net::Address;
use crate::pool::Pooled;
use crate::protocol::{BufferSlice, CodecError};

/// The numbers of a connection for the log.
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

/// A connection as the machine of a request knows it. Nothing here moves bytes or waits: that is what
/// the machine's driver does, and what a test does without a socket.
pub trait AjpConnection: Pooled<Proof = Reusable> + fmt::Debug {
    /// Starts a request: the counters of bytes begin again at 0.
    fn begin_request(&mut self);

    /// The numbers of the connection.
    fn usage(&self) -> Usage;

    /// Takes the payload of the next packet, if a whole one has been received.
    ///
    /// # Errors
    /// The bytes received cannot be the start of an AJP packet.
    fn next_packet(&mut self) -> Result<Option<BufferSlice>, CodecError>;

    /// Bytes received that belong to no packet taken so far.
    fn unread(&self) -> usize;

    /// Whether END_RESPONSE is among what has been received and not taken.
    fn holds_end(&self) -> bool;

    /// Parts with the memory that an idle connection does not need. The result is to be kept until
    /// what was received has been handed on.
    fn retire(&mut self) -> RetiredBuffer;

    /// Makes the close a reset: whatever the container still sends fails at once.
    fn reset_when_closed(&self);

    /// The address the connection leads to.
    fn peer(&self) -> &Address;
}
