//! One attempt of one request over one connection, packet by packet.

use std::time::{Duration, Instant};

use super::error::{Error, client_failed, not_ajp};
use super::outgoing::{Outgoing, Piece};
use super::step::{Context, Do};
use crate::backend::AjpConnection;
use crate::config::StatusFailure;
use crate::exchange::{Exchange, RequestBody};
use crate::net::NetError;
use crate::pool::Lease;
use crate::protocol::{BufferSlice, SendHeaders};
use crate::proxy::{Client, ClientError, Traffic};

/// One attempt over one connection.
#[derive(Debug)]
pub(super) struct Attempt<L: AjpConnection> {
    pub(super) lease: Lease<L>,
    pub(super) exchange: Exchange,
    pub(super) state: State,
    pub(super) outgoing: Outgoing,
    /// When the request began, with its first attempt.
    pub(super) start: Instant,
    /// Kept back until something of the response follows: until then it can still be another's.
    pub(super) head: Option<SendHeaders>,
    /// Pieces of the request body read from the client, the prepared one included.
    pub(super) pieces: u32,
    /// The size that the container asked for last.
    pub(super) asked: usize,
    /// The client had less than there is room for when it was last looked at, and the container has asked
    /// for nothing since.
    pub(super) client_is_drained: bool,
    /// The client's body was at its end, or had failed, when it was last looked at.
    pub(super) client_is_settled: bool,
    /// A GET_BODY_CHUNK that came while the packet for another one was due.
    pub(super) asked_again: Option<BufferSlice>,
    /// Packets ahead could not be sent: the answer may come all the same.
    pub(super) send_failed: Option<NetError>,
    /// The rest of the prepared piece that is still to be sent.
    pub(super) first_piece: Option<Piece>,
    /// The time of the answer that is being acted on, once it has been asked for.
    pub(super) moment: Option<Moment>,
    /// Something has been appended since the last pass.
    pub(super) pending: bool,
    pub(super) failed_status: Option<StatusFailure>,
}

/// The thing the driver has been asked for, and its purpose. Looked at in every step, so the tag is a byte of
/// its own.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum State {
    /// The rest of `outgoing` is to be sent.
    Send,
    /// The socket has no room; what the container says meanwhile is heard, if `listens`.
    Room { since: Instant, left: Duration, listens: bool },
    /// The container has said something while the socket had no room.
    Hear { since: Instant },
    /// A body packet could not be sent: the answer may be there all the same.
    LastLook(NetError),
    /// A body packet was asked for; what has been appended is handed over first.
    PassBeforePiece,
    /// A piece is read from the client.
    Piece { has_passed: bool },
    /// What there is of the next piece is read from the client; `since`: it is waited for since then.
    PieceNow { has_passed: bool, since: Option<Instant> },
    /// The client has nothing of the next piece yet.
    BodyWait { since: Instant, has_passed: bool },
    /// The container has said something while the client had nothing.
    HearMeanwhile { since: Instant, has_passed: bool },
    /// END_RESPONSE may have come while this piece was waited for.
    EndLook { piece: Piece },
    /// The next piece is fetched while the container reads this one.
    ReadAhead,
    /// What the container will ask for is fetched while it reads the request.
    Gather { at_most: usize },
    /// Whether more is on its way (`flushpackets=auto`).
    MoreComing(Duration),
    /// The bytes received go on to the client before the container is waited for.
    Pass { flush: bool },
    /// The next packet, or the rest of one.
    Receive { wait: Duration, has_begun: bool },
    /// END_RESPONSE has been seen.
    Ended,
}

/// A time, and how long after the beginning of the request that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Instant,
    pub(super) after: Duration,
}

impl Moment {
    /// The present one, of a request that began at `start`.
    pub(super) fn of<C>(start: Instant, context: &Context<'_, C>) -> Self {
        let now = (context.now)();
        Self { now, after: now.saturating_duration_since(start) }
    }
}

impl<L: AjpConnection> Attempt<L> {
    /// Stands where FORWARD_REQUEST is about to be sent.
    pub(super) fn new<C>(mut lease: Lease<L>, start: Instant, context: &Context<'_, C>) -> Self {
        lease.begin_request();
        let request = context.request;
        Self {
            lease,
            exchange: Exchange::with_window(request.facts, context.window(start)),
            state: State::Send,
            outgoing: Outgoing::request(request),
            start,
            head: None,
            pieces: u32::from(request.first_piece.is_some()),
            asked: 0,
            client_is_drained: false,
            client_is_settled: false,
            asked_again: None,
            send_failed: None,
            first_piece: request.first_piece.map(|end| Piece { start: 0, end }),
            moment: None,
            pending: false,
            failed_status: None,
        }
    }

    /// Sends the first piece of an announced body with FORWARD_REQUEST, in one system call.
    pub(super) fn begin<C>(&mut self, context: &Context<'_, C>) -> Result<(), Error> {
        if context.request.facts.body == RequestBody::Announced {
            if let Some(piece) = self.first_piece.take() {
                let packet = self.exchange.due_packet(piece.len()).map_err(not_ajp)?;
                self.outgoing = Outgoing::request_with(context.request, packet);
            }
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn next<C: Client>(&self, context: &Context<'_, C>) -> Do {
        match self.state {
            State::Send => Do::Send,
            State::Room { left, listens, .. } => {
                Do::Wait { readable: listens, writable: true, time: left }
            }
            State::Hear { .. }
            | State::LastLook(_)
            | State::EndLook { .. }
            | State::HearMeanwhile { .. } => Do::Receive { time: Duration::ZERO, at_least: 1 },
            State::PassBeforePiece => Do::Pass { flush: false },
            State::Piece { .. } => Do::Piece { at_most: self.exchange.room() },
            State::PieceNow { .. } => Do::PieceNow { at_most: self.exchange.room() },
            State::BodyWait { since, .. } => {
                let (backend, time) = self.body_wait(since, context);
                Do::BodyWait { backend, time }
            }
            State::ReadAhead => Do::ReadAhead { at_most: self.asked },
            State::Gather { at_most } => Do::Gather { at_most },
            State::MoreComing(time) => Do::Wait { readable: true, writable: false, time },
            State::Pass { flush } => Do::Pass { flush },
            State::Receive { wait, .. } => {
                Do::Receive { time: wait, at_least: self.least_to_act_on(context) }
            }
            State::Ended => Do::Done,
        }
    }

    /// Lends the connection, and what is to be sent on it.
    pub(super) fn send<C: Client, T>(
        &mut self,
        context: &Context<'_, C>,
        send: impl FnOnce(&mut L, &[&[u8]]) -> T,
    ) -> T {
        let lease = &mut *self.lease;
        self.outgoing.with_slices(context.request, context.client, |slices| send(lease, slices))
    }

    /// Takes what a receive brought. Here and below: `true`: END_RESPONSE has been seen; anything that is
    /// no answer to [`next`](Self::next) changes nothing.
    pub(super) fn received<C: Client>(
        &mut self,
        received: Result<usize, NetError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        match (&self.state, received) {
            (State::Receive { .. }, Ok(count)) if count > 0 => {
                self.exchange.heard();
                self.take_packets(context, traffic)
            }
            (State::EndLook { piece }, _) => {
                let piece = *piece;
                self.send_piece(piece, context, traffic)
            }
            (_, received) => self.looked(received, context, traffic),
        }
    }

    /// Takes how much the socket took.
    pub(super) fn sent<C: Client>(
        &mut self,
        sent: Result<usize, NetError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        match (&self.state, sent) {
            (State::Send, Ok(count)) if count > 0 => {
                let is_all = self.outgoing.advance(count);
                if self.outgoing.has_sent_request() {
                    self.exchange.request_sent();
                }
                if is_all { self.all_sent(context, traffic) } else { Ok(false) }
            }
            (_, sent) => self.not_taken(sent, context, traffic),
        }
    }

    /// Takes that what there is of the next piece has been taken in.
    pub(super) fn read_ahead<C: Client>(
        &mut self,
        ahead: Result<(), ClientError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        let (State::ReadAhead | State::Gather { .. }) = self.state else { return Ok(false) };
        ahead.map_err(client_failed)?;
        self.go_on(context, traffic)
    }

    /// Takes that the client is gone.
    #[cold]
    pub(super) fn client_gone(&self) -> Error {
        client_failed(ClientError::Gone)
    }

    /// Takes that what has been appended has been handed over.
    pub(super) fn passed<C: Client>(
        &mut self,
        passed: Result<(), ClientError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        match self.state {
            State::Pass { .. } => {
                passed.map_err(client_failed)?;
                self.pending = false;
                self.receive(context);
                Ok(false)
            }
            State::PassBeforePiece => {
                passed.map_err(client_failed)?;
                self.pending = false;
                self.next_piece(true, context, traffic)
            }
            _ => Ok(false),
        }
    }

    /// Whether more of what the container says is taken in. A peer that talks and talks, and does not take
    /// what is sent to it, is not listened to any more.
    pub(super) fn listens(&self) -> bool {
        self.lease.unread() < MOST_HEARD
    }

    /// Every byte of the body that was read is still in memory.
    pub(super) fn body_is_kept<C>(&self, context: &Context<'_, C>) -> bool {
        self.pieces <= u32::from(context.request.first_piece.is_some())
    }
}

/// Bytes heard and not acted on, at most, while something is to be sent.
const MOST_HEARD: usize = 128 * 1024;
