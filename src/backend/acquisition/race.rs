//! A pooled connection that is silent, and a new one beside it: the first to answer CPING is used.

use std::time::Duration;

use super::need::{Got, Need, Which};
use super::ping::Ping;
use super::pinged::{End, Fresh, Pooled};
use super::surroundings::Surroundings;
use crate::backend::{AcquireFailure, AjpConnection, PingError};
use crate::net::NetError;

/// Two connections of which the first to answer is used.
#[derive(Debug)]
pub(super) struct Race<L: AjpConnection> {
    // Declared, so dropped, before the place, which is the pooled one's.
    new: L,
    ping: Ping,
    pooled: Pooled<L>,
    turn: Turn,
}

/// The present state of the race.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The new connection is sent CPING.
    Send,
    /// Either is to say something.
    Either(Duration),
    /// The state of the new connection.
    New(Duration),
    /// The state of the pooled connection.
    Pooled(Duration),
}

/// The consequence of an answer.
pub(super) enum RaceStep<L: AjpConnection> {
    /// The race goes on.
    Go(Race<L>),
    /// The answer does not fit.
    Same(Race<L>),
    End(End<L>),
    /// The pooled connection is dead: the new one alone.
    New(Fresh<L>),
    /// The new connection is of no use, for this reason: the pooled one alone, for so long.
    Pooled(Pooled<L>, Duration, AcquireFailure),
}

impl<L: AjpConnection> Race<L> {
    pub(super) fn new(pooled: Pooled<L>, new: L, ping: Ping) -> Self {
        Self { new, ping, pooled, turn: Turn::Send }
    }

    pub(super) fn next(&self) -> Need {
        match self.turn {
            Turn::Send => Need::Send,
            Turn::Either(left) => Need::Either(left),
            Turn::New(_) => Need::Receive(Which::New, Duration::ZERO),
            Turn::Pooled(_) => Need::Receive(Which::Pooled, Duration::ZERO),
        }
    }

    pub(super) fn connection(&mut self, which: Which) -> &mut L {
        match which {
            Which::New => &mut self.new,
            Which::Pooled => &mut self.pooled.lease,
        }
    }

    pub(super) fn pair(&self) -> [&L; 2] {
        [&self.new, &self.pooled.lease]
    }

    pub(super) fn outgoing(&mut self) -> (&mut L, &[u8]) {
        (&mut self.new, self.ping.rest())
    }

    pub(super) fn got(mut self, got: Got<L>, with: &Surroundings<'_>) -> RaceStep<L> {
        let now = (with.now)();
        match (self.turn, got) {
            (Turn::Send, Got::Sent(sent)) => {
                let sent = self.ping.sent(sent, now);
                match sent {
                    Ok(()) if self.ping.rest().is_empty() => self.wait(with),
                    // A socket that has no room for five bytes is stuck.
                    Ok(()) => self.without_new(PingError::Net(STUCK), with),
                    Err(error) => self.without_new(error, with),
                }
            }
            (Turn::Either(_), Got::Waited(Err(error))) => {
                self.without_new(PingError::Net(error), with)
            }
            (Turn::Either(left), Got::Waited(Ok(()))) => self.turn(Turn::New(left)),
            (Turn::New(left), Got::Received(received)) => {
                match self.ping.received(&mut self.new, received, now) {
                    Ok(true) => RaceStep::End(Ok(self.pooled.give_up(with).fill(self.new))),
                    Ok(false) => self.turn(Turn::Pooled(left)),
                    Err(error) => self.without_new(error, with),
                }
            }
            (Turn::Pooled(left), Got::Received(received)) => {
                let Pooled { lease, ping } = &mut self.pooled;
                match ping.received(&mut **lease, received, now) {
                    Ok(true) => RaceStep::End(Ok(self.pooled.lease)),
                    Ok(false) if left.is_zero() => {
                        with.backend.count_ping_failed();
                        drop(self.pooled.give_up(with));
                        RaceStep::End(Err(AcquireFailure::Ping(self.ping.timed_out())))
                    }
                    Ok(false) => self.wait(with),
                    Err(_) => {
                        let vacancy = self.pooled.give_up(with);
                        RaceStep::New(Fresh { connection: self.new, ping: self.ping, vacancy })
                    }
                }
            }
            (_, _) => RaceStep::Same(self),
        }
    }

    fn wait(mut self, with: &Surroundings<'_>) -> RaceStep<L> {
        let left = self.ping.left_at((with.now)());
        self.turn(Turn::Either(left))
    }

    fn turn(self, turn: Turn) -> RaceStep<L> {
        RaceStep::Go(Self { turn, ..self })
    }

    /// The new connection is of no use.
    fn without_new(mut self, error: PingError, with: &Surroundings<'_>) -> RaceStep<L> {
        with.backend.count_ping_failed();
        let left = self.ping.left_at((with.now)());
        drop(self.new);
        RaceStep::Pooled(self.pooled, left, AcquireFailure::Ping(error))
    }
}

const STUCK: NetError = NetError::TimedOut { after: Duration::ZERO };
