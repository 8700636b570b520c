//! Connections that are sent CPING, and what comes of it.

use std::time::Duration;

use super::need::{Got, Need, Which};
use super::ping::{Ping, PingStep};
use super::surroundings::Surroundings;
use crate::backend::{AcquireFailure, AjpConnection, PingError};
use crate::pool::{CloseReason, Lease, Vacancy};

/// The end of the way.
pub(super) type End<L> = Result<Lease<L>, AcquireFailure>;

/// A new connection that is sent CPING.
#[derive(Debug)]
pub(super) struct Fresh<L: AjpConnection> {
    // Declared, so dropped, before the place: a place is free only once its connection is closed.
    pub(super) connection: L,
    pub(super) ping: Ping,
    pub(super) vacancy: Vacancy<L>,
}

/// A leased connection that is sent CPING.
#[derive(Debug)]
pub(super) struct Pooled<L: AjpConnection> {
    pub(super) lease: Lease<L>,
    pub(super) ping: Ping,
}

impl<L: AjpConnection> Pooled<L> {
    /// Begins a CPING that is to be answered within `time`.
    pub(super) fn asked(lease: Lease<L>, time: Duration, with: &Surroundings<'_>) -> Self {
        with.backend.count_ping_sent();
        Self { lease, ping: Ping::plain((with.now)(), time) }
    }

    /// Closes it for want of an answer, and all that have been idle longer.
    pub(super) fn give_up(self, with: &Surroundings<'_>) -> Vacancy<L> {
        with.backend.count_ping_failed();
        self.lease.drop_older_idle();
        self.lease.discard(CloseReason::Broken)
    }
}

/// The result of a CPING so far.
pub(in crate::backend) enum Answer {
    /// CPONG.
    Alive,
    /// Nothing, and there is time left.
    NotYet,
    /// Nothing in time.
    Silent(PingError),
    /// Anything else.
    Dead(PingError),
}

/// The next need of a ping, on this connection.
pub(in crate::backend) fn need(ping: &Ping, which: Which) -> Need {
    match ping.next() {
        PingStep::Send => Need::Send,
        PingStep::Room(time) => Need::Room(which, time),
        PingStep::Receive(time) => Need::Receive(which, time),
    }
}

/// Takes an answer to what a ping needed; `None`: it is none.
pub(in crate::backend) fn pinged<L: AjpConnection>(
    ping: &mut Ping,
    connection: &mut L,
    got: Got<L>,
    with: &Surroundings<'_>,
) -> Option<Answer> {
    let now = (with.now)();
    let answered = match (ping.next(), got) {
        (PingStep::Send, Got::Sent(sent)) => ping.sent(sent, now).map(|()| false),
        (PingStep::Room(_), Got::Waited(Err(error))) => Err(PingError::Net(error)),
        (PingStep::Room(_), Got::Waited(Ok(()))) => ping.room(now).map(|()| false),
        (PingStep::Receive(left), Got::Received(received)) => {
            match ping.received(connection, received, now) {
                Ok(false) if left.is_zero() => return Some(Answer::Silent(ping.timed_out())),
                answered => answered,
            }
        }
        _ => return None,
    };
    Some(match answered {
        Ok(true) => Answer::Alive,
        Ok(false) => Answer::NotYet,
        Err(error) => Answer::Dead(error),
    })
}

/// The time in which a connection has to answer to be proven.
pub(in crate::backend) const PROOF_TIME: Duration = Duration::from_secs(1);
