//! The packet being sent: FORWARD_REQUEST with the first piece of an announced body, or one body packet.

use super::error::Error;
use crate::exchange::ExchangeError;
use crate::protocol::{EMPTY_BODY, data_header};
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
    /// Bytes of FORWARD_REQUEST in front; 0 for a body packet.
    packet: usize,
    /// The body packet, with its header; `None`: FORWARD_REQUEST alone.
    piece: Option<([u8; 6], Piece)>,
    written: usize,
}

impl Outgoing {
    /// FORWARD_REQUEST alone.
    pub(super) fn request(request: &Prepared) -> Self {
        Self { packet: request.packet.len(), piece: None, written: 0 }
    }

    /// FORWARD_REQUEST with the first body packet behind it, to leave in one system call.
    pub(super) fn request_with(request: &Prepared, piece: Piece) -> Result<Self, Error> {
        Ok(Self { packet: request.packet.len(), ..Self::body(piece)? })
    }

    /// One body packet; an empty one ends the body.
    pub(super) fn body(piece: Piece) -> Result<Self, Error> {
        let length = piece.len();
        let header = data_header(length).map_err(|_| too_long(length))?;
        Ok(Self { packet: 0, piece: Some((header, piece)), written: 0 })
    }

    /// The bytes of the body in it.
    pub(super) fn piece(&self) -> Option<Piece> {
        self.piece.map(|(_, piece)| piece)
    }

    /// Whether FORWARD_REQUEST is part of this.
    pub(super) fn is_request(&self) -> bool {
        self.packet > 0
    }

    /// Whether FORWARD_REQUEST has been taken to its end, if it is part of this.
    pub(super) fn has_sent_request(&self) -> bool {
        self.written >= self.packet
    }

    /// Notes that the socket took so many bytes; `true`: that was all.
    pub(super) fn advance(&mut self, written: usize) -> bool {
        self.written += written;
        self.written >= self.len()
    }

    fn len(&self) -> usize {
        let body = |(header, piece): ([u8; 6], Piece)| match piece.len() {
            0 => EMPTY_BODY.len(),
            length => header.len() + length,
        };
        self.packet + self.piece.map_or(0, body)
    }

    /// Lends the slices that are still to be sent.
    pub(super) fn with_slices<T>(
        &self,
        request: &Prepared,
        client: &impl Client,
        send: impl FnOnce(&[&[u8]]) -> T,
    ) -> T {
        let Some((header, piece)) = &self.piece else {
            return send(&[&request.packet[self.written.min(self.packet)..]]);
        };
        let pieces = if piece.len() == 0 { Vec::new() } else { client.body() };
        let mut slices: Vec<&[u8]> = Vec::with_capacity(pieces.len() + 2);
        if self.packet > 0 {
            slices.push(&request.packet);
        }
        if piece.len() == 0 {
            slices.push(&EMPTY_BODY);
        } else {
            slices.push(header);
            slices.extend(part(pieces, *piece));
        }
        if self.written > 0 {
            skip(&mut slices, self.written);
        }
        send(&slices)
    }
}

#[cold]
fn too_long(length: usize) -> Error {
    Box::new(ExchangeError::BodyNotAskedFor { length }.into())
}

/// The bytes of these slices that lie in the piece, counted over all of them.
fn part(slices: Vec<&[u8]>, piece: Piece) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    slices.into_iter().map(move |slice| {
        let within = |at: usize| at.saturating_sub(start).min(slice.len());
        let part = &slice[within(piece.start)..within(piece.end)];
        start += slice.len();
        part
    })
}

/// Takes so many bytes off the front.
#[cold]
fn skip(slices: &mut Vec<&[u8]>, mut count: usize) {
    slices.retain_mut(|slice| {
        let taken = count.min(slice.len());
        count -= taken;
        *slice = &slice[taken..];
        !slice.is_empty()
    });
}
