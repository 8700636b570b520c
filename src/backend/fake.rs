//! A connection without a socket, for tests of the machines: they are told what was sent and received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::incoming::{Incoming, RetiredBuffer};
use super::{AjpConnection, Usage};
use crate::exchange::Reusable;
use crate::net::Address;
use crate::pool::{Liveness, Pooled};
use crate::protocol::{BufferSlice, CodecError};

/// Keeps what was sent over it, and is given what comes.
#[derive(Debug)]
pub(crate) struct FakeConnection {
    /// As the test counts them.
    pub(crate) number: usize,
    /// Everything sent for the present request.
    pub(crate) sent: Vec<u8>,
    /// Everything that came for the present request.
    pub(crate) received: Vec<u8>,
    /// Counts the connections that are to be reset when they are closed.
    pub(crate) resets: Arc<AtomicUsize>,
    /// Its container is found to have closed it while it was idle.
    pub(crate) is_dead: bool,
    incoming: Incoming,
    usage: Usage,
    peer: Address,
}

impl FakeConnection {
    pub(crate) fn new(number: usize, now: Instant) -> Self {
        Self {
            number,
            sent: Vec::new(),
            received: Vec::new(),
            resets: Arc::default(),
            is_dead: false,
            incoming: Incoming::new(Arc::default()),
            usage: Usage { opened: now, requests: 0, sent: 0, received: 0 },
            peer: Address::Unix("/nowhere".into()),
        }
    }

    /// The socket takes the first `most` bytes of these slices; returns how many that were.
    pub(crate) fn take(&mut self, slices: &[&[u8]], most: usize) -> usize {
        let all = slices.concat();
        let count = all.len().min(most);
        self.sent.extend(&all[..count]);
        count
    }

    /// These bytes have come; returns how many.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> usize {
        self.received.extend(bytes);
        let filled = self.incoming.fill(|space| {
            space.extend(bytes);
            Ok::<_, ()>(())
        });
        filled.expect("it is as the line above says")
    }
}

impl Pooled for FakeConnection {
    type Proof = Reusable;

    fn check(&mut self) -> Liveness {
        if self.is_dead { Liveness::Closed } else { Liveness::Usable }
    }
}

impl AjpConnection for FakeConnection {
    fn begin_request(&mut self) {
        self.usage.requests += 1;
        self.sent.clear();
        self.received.clear();
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
        self.resets.fetch_add(1, Ordering::Relaxed);
    }

    fn peer(&self) -> &Address {
        &self.peer
    }
}
