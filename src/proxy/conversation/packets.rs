//! The packets of an attempt, and what of them goes to the client.

use super::attempt::{Attempt, Moment, State};
use super::error::{Error, client_failed, not_ajp};
use super::step::Context;
use crate::backend::AjpConnection;
use crate::exchange::Event;
use crate::protocol::{BufferSlice, GetBodyChunk, SendHeaders};
use crate::proxy::{Client, Flush, ProxyError, Traffic};

impl<L: AjpConnection> Attempt<L> {
    /// Acts on what has come already, if anything has; else waits for it.
    pub(super) fn go_on<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if self.lease.unread() > 0 || self.asked_again.is_some() {
            return self.take_packets(context, traffic);
        }
        self.settle(context, traffic)
    }

    /// Acts on the packets that are there, up to one that takes more than that.
    pub(super) fn take_packets<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if let Some(ask) = self.asked_again.take() {
            self.ask_again(ask, context)?;
            if self.exchange.is_due() && !context.sends_ahead() {
                return self.settle(context, traffic);
            }
        }
        loop {
            let payload = match self.lease.next_packet() {
                Ok(Some(payload)) => payload,
                Ok(None) => break,
                Err(error) => return Err(not_ajp(error)),
            };
            if self.exchange.is_due() && self.defers(&payload) {
                break;
            }
            let event = match self.exchange.receive(payload) {
                Ok(event) => event,
                Err(error) => return Err(not_ajp(error)),
            };
            // The client's member is there.
            context.client.heard();
            match event {
                Event::Headers(head) => self.headers(head, context, traffic)?,
                Event::Interim(_) => {}
                Event::Body(data) => {
                    self.tell_client(context)?;
                    traffic.downloaded += data.len() as u64;
                    context.client.append(data);
                    self.pending = true;
                }
                Event::Flush => {
                    if self.exchange.has_headers() {
                        self.tell_client(context)?;
                        context.client.append_flush();
                        self.pending = true;
                    }
                }
                Event::WantBody { at_most } => {
                    self.asked_for(at_most, context);
                    // Where the client is not waited for blindly, what follows is acted on first: it may
                    // be the answer.
                    if self.exchange.is_due() && !context.sends_ahead() {
                        break;
                    }
                }
                Event::End { reuse } => {
                    context.note_packet_size(reuse, traffic.status, &self.exchange);
                    self.tell_client(context)?;
                    context.client.append_end(self.is_early(context));
                    self.state = State::Ended;
                    return Ok(true);
                }
            }
        }
        self.settle(context, traffic)
    }

    /// All that has come and can be acted on has been: what is to be sent now, else what is waited for.
    fn settle<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if self.asked > 0 {
            return self.upload(context, traffic);
        }
        self.hand_over(context);
        Ok(false)
    }

    /// A container that asks for a packet while another one is due gets both, one after the other; nothing
    /// behind it is acted on before.
    #[cold]
    fn defers(&mut self, payload: &BufferSlice) -> bool {
        let is_ask = GetBodyChunk::is_payload(payload);
        if is_ask {
            self.asked_again = Some(payload.clone());
        }
        is_ask
    }

    #[cold]
    fn ask_again<C>(&mut self, ask: BufferSlice, context: &Context<'_, C>) -> Result<(), Error> {
        if let Event::WantBody { at_most } = self.exchange.receive(ask).map_err(not_ajp)? {
            self.asked_for(at_most, context);
        }
        Ok(())
    }

    pub(super) fn headers<C: Client>(
        &mut self,
        head: SendHeaders,
        context: &Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<(), Error> {
        if head.status < 400 {
            context.backend.request_answered(context.request.packet.len());
        }
        traffic.status = Some(head.status);
        let start = self.start;
        let moment = self.moment.get_or_insert_with(|| Moment::of(start, context));
        traffic.first_byte = Some(moment.after);
        self.judge_status(head.status, context)?;
        self.head = Some(head);
        Ok(())
    }

    /// Tells the client of the headers, once.
    pub(super) fn tell_client<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
    ) -> Result<(), Error> {
        if let Some(head) = self.head.take() {
            self.exchange.client_told();
            context.client.begin(&head).map_err(client_failed)?;
        }
        Ok(())
    }

    /// Before the container is waited for, what has come goes on to the client.
    pub(super) fn hand_over<C>(&mut self, context: &Context<'_, C>) {
        if !self.pending {
            return self.receive(context);
        }
        self.state = match context.settings.flush {
            Flush::Off => State::Pass { flush: false },
            Flush::On => State::Pass { flush: true },
            Flush::Auto(wait) => State::MoreComing(wait),
        };
    }

    /// Waits for the next packet, or for the rest of one that has begun.
    pub(super) fn receive<C>(&mut self, context: &Context<'_, C>) {
        if self.exchange.is_unfinished() {
            return self.wait_for_room(context);
        }
        let has_begun = self.lease.unread() > 0;
        let wait = if has_begun { context.settings.timeout } else { context.own.reply_timeout };
        self.state = State::Receive { wait, has_begun };
    }

    /// `failstatus`: an answer that counts as a failure of the backend is another's to give, if the
    /// request may be sent to another; else the client gets it, and the member bears the rest.
    pub(super) fn judge_status<C>(
        &mut self,
        status: u16,
        context: &Context<'_, C>,
    ) -> Result<(), Error> {
        let Some(failure) = context.fails(status) else { return Ok(()) };
        let is_safe = context.own.resend.after_send.unwrap_or(context.request.is_idempotent);
        if is_safe && self.body_is_kept(context) {
            return Err(Box::new(ProxyError::FailStatus { status, failure }));
        }
        self.failed_status = Some(failure);
        Ok(())
    }
}
