//! The request body of an attempt: a packet for each GET_BODY_CHUNK.

use super::attempt::{Attempt, State};
use super::error::{Error, not_ajp};
use super::outgoing::{Outgoing, Piece};
use super::step::Context;
use crate::backend::AjpConnection;
use crate::exchange::RequestBody;
use crate::proxy::{Client, Traffic};

impl<L: AjpConnection> Attempt<L> {
    /// All of it has been taken by the socket.
    pub(super) fn all_sent<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if self.outgoing.is_request() {
            return self.go_on(context, traffic);
        }
        // While the container reads this piece we fetch the next one, if nobody can want this one
        // again.
        let piece = self.outgoing.piece().map_or(0, Piece::len);
        let is_last = piece == 0 || context.request.length == Some(self.exchange.uploaded());
        if !is_last && !self.body_is_kept(context) {
            self.state = State::ReadAhead { at_most: self.asked };
            return Ok(false);
        }
        self.go_on(context, traffic)
    }

    /// GET_BODY_CHUNK is answered with one packet, empty at the end of the body.
    pub(super) fn want_body<C: Client>(
        &mut self,
        at_most: usize,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        let length = context.request.length;
        let left = length.map(|length| length.saturating_sub(self.exchange.uploaded()));
        context.backend.packet_limit().body_asked_for(at_most, left);
        if self.pending {
            // Whoever waits for more of the request may be waiting because of what we hold back.
            self.state = State::PassBeforePiece { at_most };
            return Ok(false);
        }
        self.next_piece(at_most, false, context, traffic)
    }

    /// The rest of the prepared piece, else one read now.
    pub(super) fn next_piece<C: Client>(
        &mut self,
        at_most: usize,
        has_passed: bool,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        let piece = if let Some(Piece { start, end }) = self.first_piece.take() {
            let middle = end.min(start + at_most);
            self.first_piece = (middle < end).then_some(Piece { start: middle, end });
            Piece { start, end: middle }
        } else if context.request.facts.body == RequestBody::None {
            Piece { start: 0, end: 0 }
        } else {
            self.pieces += 1;
            self.state = State::Piece { at_most, has_passed };
            return Ok(false);
        };
        self.piece(at_most, piece, has_passed, context, traffic)
    }

    /// A piece is there. Behind END_RESPONSE its packet would be read as the next request; where the
    /// client may have taken its time, that may have come meanwhile.
    pub(super) fn piece<C: Client>(
        &mut self,
        at_most: usize,
        piece: Piece,
        took_time: bool,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        self.asked = at_most;
        if took_time && !self.lease.holds_end() {
            self.state = State::EndLook { piece };
            return Ok(false);
        }
        self.send_piece(piece, context, traffic)
    }

    pub(super) fn send_piece<C: Client>(
        &mut self,
        piece: Piece,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if self.lease.holds_end() {
            self.exchange.body_withheld();
            return self.take_packets(context, traffic);
        }
        self.exchange.body_sent(piece.len()).map_err(not_ajp)?;
        self.outgoing = Outgoing::body(piece)?;
        self.state = State::Send;
        Ok(false)
    }
}
