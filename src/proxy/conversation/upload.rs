//! The request body of an attempt: a packet for each GET_BODY_CHUNK, and those that go ahead.
//!
//! [`Exchange`](crate::exchange::Exchange) says what may be sent. Here it is fetched from the client: what is
//! there, without a wait, as long as no packet is due; a packet that is due is waited for, together with
//! the container where the client's side can be polled, so that an answer that comes first is passed on.

use super::attempt::{Attempt, State};
use super::error::{Error, client_failed, not_ajp, receiving};
use super::outgoing::{Outgoing, Piece};
use super::step::{BodyWait, Context};
use crate::backend::AjpConnection;
use crate::exchange::RequestBody;
use crate::net::NetError;
use crate::proxy::{BodyPiece, Client, ClientError, ReadyPiece, Traffic};
use std::time::{Duration, Instant};

impl<L: AjpConnection> Attempt<L> {
    /// All of it has been taken by the socket.
    pub(super) fn all_sent<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        self.exchange.packets_written();
        if self.outgoing.is_request() {
            let at_most = self.foreseen(context);
            if at_most == 0 {
                return self.go_on(context, traffic);
            }
            self.state = State::Gather { at_most };
            return Ok(false);
        }
        // While the container reads this piece we fetch the next one, if nobody can want this one
        // again. Where packets go ahead that is done when there is room for them; but a failure behind this
        // piece, of which the client may have been told, ends the request now.
        let is_last = self.outgoing.data_len() == 0 || self.is_uploaded(context);
        let looks_on = match context.sends_ahead() {
            true => self.client_is_settled,
            false => !self.body_is_kept(context),
        };
        if !is_last && looks_on {
            self.state = State::ReadAhead;
            return Ok(false);
        }
        self.go_on(context, traffic)
    }

    /// The bytes that the container will ask for first and those that may go ahead then, by what it has shown,
    /// as far as the body has more than the packet that leaves with the request.
    fn foreseen<C>(&self, context: &Context<'_, C>) -> usize {
        match self.is_uploaded(context) {
            true => 0,
            false => self.exchange.foreseen(self.outgoing.data_len()),
        }
    }

    /// The bytes from the container below which there is nothing to act on.
    pub(super) fn least_to_act_on<C>(&self, context: &Context<'_, C>) -> usize {
        if self.lease.unread() > 0 || self.send_failed.is_some() {
            return 1;
        }
        self.exchange.least_to_act_on(self.is_uploaded(context))
    }

    /// Notes GET_BODY_CHUNK.
    pub(super) fn asked_for<C>(&mut self, at_most: usize, context: &Context<'_, C>) {
        let length = context.request.length;
        let left = length.map(|length| length.saturating_sub(self.exchange.uploaded()));
        context.backend.packet_limit().body_asked_for(at_most, left);
        self.asked = at_most;
        self.client_is_drained = false;
    }

    /// Sends the packet that is due, empty at the end of the body, or what may go ahead; else waits for the
    /// container.
    #[cold]
    pub(super) fn upload<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if self.exchange.is_unfinished() {
            self.hand_over(context);
            return Ok(false);
        }
        if self.exchange.is_due() {
            if self.pending {
                // Whoever waits for more of the request may be waiting because of what we hold back.
                self.state = State::PassBeforePiece;
                return Ok(false);
            }
            return self.next_piece(false, context, traffic);
        }
        let may_go_ahead = self.first_piece.is_none() && self.exchange.room() > 0;
        if may_go_ahead && !self.client_is_drained && !self.is_uploaded(context) {
            self.pieces += 1;
            self.state = State::PieceNow { has_passed: false, since: None };
            return Ok(false);
        }
        self.hand_over(context);
        Ok(false)
    }

    /// The rest of the prepared piece, else one read now.
    pub(super) fn next_piece<C: Client>(
        &mut self,
        has_passed: bool,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        let piece = if let Some(Piece { start, end }) = self.first_piece.take() {
            let middle = end.min(start + self.asked);
            self.first_piece = (middle < end).then_some(Piece { start: middle, end });
            Piece { start, end: middle }
        } else if context.request.facts.body == RequestBody::None {
            Piece { start: 0, end: 0 }
        } else {
            self.pieces += 1;
            self.state = match context.sends_ahead() {
                true => State::PieceNow { has_passed, since: None },
                false => State::Piece { has_passed },
            };
            return Ok(false);
        };
        self.piece(piece, has_passed, context, traffic)
    }

    /// Takes a piece of the request body.
    pub(super) fn read<C: Client>(
        &mut self,
        piece: Result<BodyPiece, ClientError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        let State::Piece { has_passed } = self.state else { return Ok(false) };
        let piece = piece.map_err(client_failed)?;
        let range = Piece { start: 0, end: piece.len };
        self.piece(range, has_passed || piece.was_awaited, context, traffic)
    }

    /// Takes what there was of the next piece.
    #[cold]
    pub(super) fn read_now<C: Client>(
        &mut self,
        ready: Result<ReadyPiece, ClientError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        let State::PieceNow { has_passed, since } = self.state else { return Ok(false) };
        let ready = ready.map_err(client_failed)?;
        self.client_is_drained = ready.len < self.exchange.room();
        self.client_is_settled = ready.is_settled;
        if ready.len > 0 {
            let range = Piece { start: 0, end: ready.len };
            return self.piece(range, has_passed, context, traffic);
        }
        if !self.exchange.is_due() {
            return self.go_on(context, traffic);
        }
        if self.lease.holds_end() {
            self.exchange.body_withheld();
            return self.take_packets(context, traffic);
        }
        self.state = match ready.is_settled || !context.client.can_be_polled() {
            true => State::Piece { has_passed },
            false => {
                let since = since.unwrap_or_else(|| (context.now)());
                State::BodyWait { since, has_passed }
            }
        };
        Ok(false)
    }

    /// The next thing to do while the client is waited for.
    pub(super) fn body_wait<C: Client>(
        &self,
        since: Instant,
        context: &Context<'_, C>,
    ) -> (bool, Duration) {
        let waited = (context.now)().saturating_duration_since(since);
        let left = context.client.patience().saturating_sub(waited);
        (self.listens(), left.min(GLANCE))
    }

    /// Takes the end of a wait for the client and the container.
    #[cold]
    pub(super) fn body_waited<C: Client>(
        &mut self,
        ready: Result<BodyWait, NetError>,
        context: &mut Context<'_, C>,
    ) -> Result<bool, Error> {
        let State::BodyWait { since, has_passed } = self.state else { return Ok(false) };
        let ready = ready.map_err(receiving)?;
        let waited = (context.now)().saturating_duration_since(since);
        self.state = match ready {
            BodyWait { backend: true, .. } => State::HearMeanwhile { since, has_passed },
            BodyWait { client: true, .. } => State::PieceNow { has_passed, since: None },
            _ if waited < context.client.patience() => {
                State::PieceNow { has_passed, since: Some(since) }
            }
            _ => return Err(client_failed(ClientError::BodyRefused { status: 408 })),
        };
        Ok(false)
    }

    /// Takes what the container has said while the client was waited for.
    #[cold]
    pub(super) fn heard_meanwhile<C: Client>(
        &mut self,
        received: Result<usize, NetError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        let State::HearMeanwhile { since, has_passed } = self.state else { return Ok(false) };
        match received {
            Ok(0) => Err(self.receive_failed(NetError::Closed)),
            Err(NetError::TimedOut { .. }) => {
                self.state = State::PieceNow { has_passed, since: Some(since) };
                Ok(false)
            }
            Err(error) => Err(self.receive_failed(error)),
            Ok(_) => self.act_on_heard(context, traffic),
        }
    }

    /// A piece is there. Behind END_RESPONSE its packet would be read as the next request; where the
    /// client may have taken its time, that may have come meanwhile.
    fn piece<C: Client>(
        &mut self,
        piece: Piece,
        took_time: bool,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
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
        let packets = match piece.len() {
            0 => Some(self.exchange.due_packet(0).map_err(not_ajp)?),
            len => {
                let read = self.exchange.uploaded() + len as u64;
                self.exchange.packets(len, context.request.length == Some(read))
            }
        };
        let sent = packets.map_or(0, |packets| packets.data_len());
        // Never cut so that a short packet goes ahead: the rest is read again, with what follows it.
        context.client.put_back(piece.len() - sent);
        let Some(packets) = packets else {
            self.client_is_drained = true;
            if self.client_is_settled {
                self.state = State::ReadAhead;
                return Ok(false);
            }
            return self.go_on(context, traffic);
        };
        self.outgoing = Outgoing::body(packets, piece.start);
        self.state = State::Send;
        Ok(false)
    }

    /// Whether the response has ended before all of the request body has been read from the client.
    pub(super) fn is_early<C: Client>(&self, context: &Context<'_, C>) -> bool {
        match context.request.facts.body {
            RequestBody::None => false,
            _ if !context.sends_ahead() => false,
            RequestBody::Announced => !self.is_uploaded(context),
            RequestBody::OnRequest => !self.exchange.is_body_ended(),
        }
    }

    /// Whether all of a body of known length has been sent.
    fn is_uploaded<C>(&self, context: &Context<'_, C>) -> bool {
        context.request.length == Some(self.exchange.uploaded())
    }
}

/// How long a client is waited for before it is looked at again: httpd's input filters have time limits of
/// their own, of which a poll knows nothing.
const GLANCE: Duration = Duration::from_secs(1);
