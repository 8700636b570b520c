//! The packets being sent: FORWARD_REQUEST with the first piece of an announced body, or body packets.

use smallvec::SmallVec;

use crate::exchange::BodyPackets;
use crate::protocol::EMPTY_BODY;
use crate::proxy::{Client, Prepared};

/// A range of the piece of the request body that was read last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Piece {
    /// Its length in bytes.
    pub(super) fn len(self) -> usize {
        self.end - self.start
    }
}

/// Bytes on their way to the container. The bytes themselves lie in the request and with the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    /// Bytes of FORWARD_REQUEST in front; 0 for body packets.
    packet: usize,
    /// The body packets, and where their data begins in the piece; `None`: FORWARD_REQUEST alone.
    body: Option<(BodyPackets, usize)>,
    written: usize,
}

impl Outgoing {
    /// FORWARD_REQUEST alone.
    pub(super) fn request(request: &Prepared) -> Self {
        Self { packet: request.packet.len(), body: None, written: 0 }
    }

    /// FORWARD_REQUEST with the first body packet behind it, to leave in one system call.
    pub(super) fn request_with(request: &Prepared, packet: BodyPackets) -> Self {
        Self { packet: request.packet.len(), ..Self::body(packet, 0) }
    }

    /// Body packets whose data begins at `start` of the piece; an empty one ends the body.
    pub(super) fn body(packets: BodyPackets, start: usize) -> Self {
        Self { packet: 0, body: Some((packets, start)), written: 0 }
    }

    /// Bytes of the body in it.
    pub(super) fn data_len(&self) -> usize {
        self.body.map_or(0, |(packets, _)| packets.data_len())
    }

    /// Whether FORWARD_REQUEST is part of this.
    pub(super) fn is_request(&self) -> bool {
        self.packet > 0
    }

    /// Whether FORWARD_REQUEST has been taken to its end, if it is part of this.
    pub(super) fn has_sent_request(&self) -> bool {
        self.written >= self.packet
    }

    /// Body packets that are still to be completed.
    pub(super) fn packets_left(&self) -> u64 {
        let written = self.written.saturating_sub(self.packet);
        self.body.map_or(0, |(packets, _)| packets.left(written) as u64)
    }

    /// Notes that the socket took so many bytes; `true`: that was all.
    pub(super) fn advance(&mut self, written: usize) -> bool {
        self.written += written;
        self.written >= self.len()
    }

    fn len(&self) -> usize {
        self.packet + self.body.map_or(0, |(packets, _)| packets.wire_len())
    }

    /// Lends the slices that are still to be sent.
    pub(super) fn with_slices<T>(
        &self,
        request: &Prepared,
        client: &impl Client,
        send: impl FnOnce(&[&[u8]]) -> T,
    ) -> T {
        let Some((packets, start)) = &self.body else {
            return send(&[&request.packet[self.written.min(self.packet)..]]);
        };
        let mut slices = Slices::new();
        if self.packet > 0 {
            slices.push(&request.packet);
        }
        if packets.data_len() == 0 {
            slices.push(&EMPTY_BODY);
        } else {
            let pieces = client.body();
            slices.reserve(pieces.len() + packets.count() * 2);
            let mut data = Data { pieces, rest: &[] };
            data.take(*start, |_| ());
            for (header, len) in packets.each() {
                slices.push(header);
                data.take(len, |slice| slices.push(slice));
            }
        }
        if self.written > 0 {
            skip(&mut slices, self.written);
        }
        send(&slices)
    }
}

/// What is sent at once. A request with a small body is three slices, for which nothing is allocated.
type Slices<'a> = SmallVec<[&'a [u8]; 6]>;

/// The data that is still to be put into packets.
struct Data<'a, I> {
    pieces: I,
    rest: &'a [u8],
}

impl<'a, I: Iterator<Item = &'a [u8]>> Data<'a, I> {
    /// Takes the next `len` bytes, which may lie in several slices.
    fn take(&mut self, mut len: usize, mut taken: impl FnMut(&'a [u8])) {
        while len > 0 {
            if self.rest.is_empty() {
                let Some(next) = self.pieces.next() else { return };
                self.rest = next;
            }
            let (slice, rest) = self.rest.split_at(len.min(self.rest.len()));
            if !slice.is_empty() {
                taken(slice);
            }
            len -= slice.len();
            self.rest = rest;
        }
    }
}

/// Takes so many bytes off the front.
#[cold]
fn skip(slices: &mut Slices<'_>, mut count: usize) {
    slices.retain(|slice| {
        let taken = count.min(slice.len());
        count -= taken;
        *slice = &slice[taken..];
        !slice.is_empty()
    });
}
