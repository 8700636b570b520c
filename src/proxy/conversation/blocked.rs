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
                Err(NetError::TimedOut { after }) if has_begun => {
                    Box::new(ProxyError::PartialPacket { after })
                }
                Err(error) => receiving(error),
                Ok(_) => Box::new(ProxyError::ConnectionClosed(None)),
            }),
            State::Hear { since } => {
                if self.lease.holds_end() {
                    return self.not_sent(NetError::Answered, context, traffic);
                }
                let listens = match received {
                    // A peer that talks and talks, and does not take what is sent to it, is not
                    // listened to any more.
                    Ok(count) => count > 0 && self.lease.unread() < MOST_HEARD,
                    // The kernel thought better of it.
                    Err(NetError::TimedOut { .. }) => true,
                    // The send will fail, too, or the next receive.
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
            (State::Send, Ok(_)) => {
                let left = context.settings.timeout;
                self.state = State::Room { since: (context.now)(), left, listens: true };
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
            (State::Room { since, listens, .. }, Ok(ready)) => {
                self.state = match ready {
                    Ready { writable: true, .. } => State::Send,
                    Ready { readable: true, .. } if listens => State::Hear { since },
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
        self.state = State::LastLook(error);
        Ok(false)
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

/// Bytes heard and not acted on, at most, while something is being sent.
const MOST_HEARD: usize = 128 * 1024;
