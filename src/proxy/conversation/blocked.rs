//! An attempt that does not get on: no room to send, a send that fails, a wait whose time is over.

use super::attempt::{Attempt, State};
use super::error::{Error, receiving, sending};
use super::step::Context;
use crate::backend::AjpConnection;
use crate::net::{NetError, Ready};
use crate::proxy::{Client, ProxyError, Traffic};

impl<L: AjpConnection> Attempt<L> {
    /// A receive that brought nothing to act on, or a look at what the container says.
    #[cold]
    pub(super) fn looked<C: Client>(
        &mut self,
        received: Result<usize, NetError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        match self.state {
            State::Receive { has_begun, .. } => Err(match received {
                _ if self.send_failed.is_some() => self.receive_failed(NetError::Closed),
                Err(NetError::TimedOut { after }) if has_begun => {
                    Box::new(ProxyError::PartialPacket { after })
                }
                Err(error) => receiving(error),
                Ok(_) => Box::new(ProxyError::ConnectionClosed(None)),
            }),
            State::HearMeanwhile { .. } => self.heard_meanwhile(received, context, traffic),
            State::Hear { .. } if self.outgoing.has_sent_request() => match received {
                Ok(count) if count > 0 => self.act_on_heard(context, traffic),
                // The kernel thought better of it.
                Err(NetError::TimedOut { .. }) => {
                    self.wait_for_room(context);
                    Ok(false)
                }
                // The send will fail, too, or the next receive.
                _ => {
                    self.wait_for_room(context);
                    self.listen(false);
                    Ok(false)
                }
            },
            State::Hear { since } => {
                if self.lease.holds_end() {
                    return self.not_sent(NetError::Answered, context, traffic);
                }
                let listens = match received {
                    Ok(count) => count > 0 && self.listens(),
                    Err(NetError::TimedOut { .. }) => true,
                    Err(_) => false,
                };
                let waited = (context.now)().saturating_duration_since(since);
                let left = context.settings.timeout.saturating_sub(waited);
                self.state = State::Room { since, left, listens };
                Ok(false)
            }
            // What goes wrong here goes wrong again at the next receive.
            State::LastLook(error) => self.answered_or(error, context, traffic),
            _ => Ok(false),
        }
    }

    /// The socket has no room, or the send has failed.
    #[cold]
    pub(super) fn not_taken<C: Client>(
        &mut self,
        sent: Result<usize, NetError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        match (self.state, sent) {
            (State::Send, Err(error)) => self.not_sent(error, context, traffic),
            // A container may write all of its answer before it reads on: what has come of that is passed on
            // first, so that there is room to hear the rest.
            (State::Send, Ok(_)) if self.outgoing.has_sent_request() && self.lease.unread() > 0 => {
                self.act_on_heard(context, traffic)
            }
            (State::Send, Ok(_)) => {
                self.wait_for_room(context);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Takes the end of a wait.
    #[cold]
    pub(super) fn waited<C: Client>(
        &mut self,
        ready: Result<Ready, NetError>,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        match (self.state, ready) {
            (State::MoreComing(_), ready) => {
                let flush = !ready.map_err(receiving)?.readable;
                self.state = State::Pass { flush };
            }
            (State::Room { .. }, Err(error)) => return self.not_sent(error, context, traffic),
            (State::Room { since, left, .. }, Ok(ready)) => {
                self.state = match ready {
                    Ready { writable: true, .. } => State::Send,
                    Ready { readable: true, .. } => State::Hear { since },
                    // It has not asked for what it does not take, and owes an answer.
                    _ if self.is_sending_ahead() => {
                        return Err(receiving(NetError::TimedOut { after: left }));
                    }
                    _ => {
                        let after = context.settings.timeout;
                        return self.not_sent(NetError::TimedOut { after }, context, traffic);
                    }
                };
            }
            _ => {}
        }
        Ok(false)
    }

    /// Waits until the rest of what is being sent has room. Meanwhile the container is heard: it may have an
    /// answer to write before it reads.
    #[cold]
    pub(super) fn wait_for_room<C>(&mut self, context: &Context<'_, C>) {
        let is_ahead = self.is_sending_ahead();
        let left = if is_ahead { context.own.reply_timeout } else { context.settings.timeout };
        self.state = State::Room { since: (context.now)(), left, listens: self.listens() };
    }

    fn listen(&mut self, on: bool) {
        if let State::Room { listens, .. } = &mut self.state {
            *listens = on;
        }
    }

    /// Whether the container has not asked for the packet that is being sent.
    fn is_sending_ahead(&self) -> bool {
        let unasked = self.exchange.unasked();
        unasked > 0 && unasked >= self.outgoing.packets_left()
    }

    /// Acts on what has been heard while a body packet is due, or being sent.
    #[cold]
    pub(super) fn act_on_heard<C: Client>(
        &mut self,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        self.exchange.heard();
        if self.lease.holds_end() {
            self.exchange.body_withheld();
        } else if self.asked_again.is_some() && self.exchange.is_due() {
            return self.upload(context, traffic);
        }
        self.take_packets(context, traffic)
    }

    /// The send has ended early. Where that was in a body packet, an answer that is whole is the answer
    /// all the same.
    #[cold]
    pub(super) fn not_sent<C: Client>(
        &mut self,
        error: NetError,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if !self.outgoing.has_sent_request() {
            return Err(sending(error));
        }
        if self.lease.holds_end() {
            return self.answered_or(error, context, traffic);
        }
        if self.exchange.unasked() > 0 && !matches!(error, NetError::TimedOut { .. }) {
            // A container that stops reading closes with packets unread, behind its answer.
            self.exchange.body_withheld();
            self.send_failed = Some(error);
            return self.go_on(context, traffic);
        }
        self.state = State::LastLook(error);
        Ok(false)
    }

    /// Nothing more comes. Where a send has failed before, that is the reason.
    #[cold]
    pub(super) fn receive_failed(&mut self, error: NetError) -> Error {
        match self.send_failed.take() {
            Some(sent) => sending(sent),
            None => receiving(error),
        }
    }

    #[cold]
    pub(super) fn answered_or<C: Client>(
        &mut self,
        error: NetError,
        context: &mut Context<'_, C>,
        traffic: &mut Traffic,
    ) -> Result<bool, Error> {
        if !self.lease.holds_end() {
            return Err(sending(error));
        }
        self.exchange.body_withheld();
        self.take_packets(context, traffic)
    }
}
