//! The receive buffer of a connection: filled as much as is there, read packet by packet.

use std::time::Duration;

use bytes::Bytes;

use crate::net::{NetError, Received, Stream};
use crate::protocol::{CodecError, Direction, packet_len, split_packet};

/// Bytes received and not yet read as packets.
///
/// Packets are slices of the buffer, not copies. While a slice lives (in a bucket on its way to
/// the client) its buffer lives too, and the next receive starts a new one; once all are gone the
/// buffer is used again.
#[derive(Debug)]
pub(super) struct Incoming {
    unread: Bytes,
    /// The whole last buffer, to be used again when nobody else holds a slice of it.
    buffer: Option<Bytes>,
    /// How much to ask the socket for; grows while reads fill it.
    capacity: usize,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self { unread: Bytes::new(), buffer: None, capacity: SMALLEST }
    }

    /// The next whole packet's payload, if it has arrived.
    pub(super) fn next_packet(&mut self) -> Result<Option<Bytes>, CodecError> {
        split_packet(&mut self.unread, Direction::FromContainer)
    }

    /// Bytes received but not read.
    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Waits up to `timeout` for bytes and takes as many as are there. `Ok(0)`: the peer closed.
    pub(super) fn receive(
        &mut self,
        stream: &Stream,
        timeout: Duration,
    ) -> Result<usize, NetError> {
        let mut space = self.space();
        let before = space.len();
        let received = stream.receive(&mut space, timeout);
        if space.len() == space.capacity() {
            self.capacity = (self.capacity * 2).min(LARGEST);
        }
        let count = space.len() - before;
        let whole = Bytes::from(space);
        self.unread = whole.clone();
        self.buffer = Some(whole);
        received.map(|outcome| match outcome {
            Received::Bytes(_) => count,
            Received::End => 0,
        })
    }

    /// Gives the memory back: an idle connection keeps none.
    pub(super) fn shrink(&mut self) {
        *self = Self::new();
    }

    /// A buffer that starts with the unread bytes, with room for more: at least for the rest of
    /// the packet they begin.
    fn space(&mut self) -> Vec<u8> {
        let unread = std::mem::take(&mut self.unread);
        let whole_packet = match packet_len(&unread, Direction::FromContainer) {
            Ok(Some(len)) => len,
            _ => 0,
        };
        let wanted = self.capacity.max(whole_packet);
        let mut space = if unread.is_empty() {
            match self.buffer.take() {
                Some(buffer) if buffer.is_unique() => {
                    let mut space = Vec::from(buffer);
                    space.clear();
                    space
                }
                _ => Vec::new(),
            }
        } else {
            // Drop our second handle first: then a buffer nobody else holds is moved, not copied.
            self.buffer = None;
            Vec::from(unread)
        };
        if space.capacity() < wanted {
            space.reserve_exact(wanted - space.len());
        }
        space
    }
}

/// One AJP packet of the default size, which is what most answers fit in.
const SMALLEST: usize = 8192;

/// Four packets of the largest size: more saves no system calls worth mentioning.
const LARGEST: usize = 256 * 1024;
