//! The wait at the port of a container that opens the connections: a look, and a wait until there may be
//! something to find, in turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::need::{Inbound, Need, Which};
use super::pinged::Pooled;
use crate::backend::line::LinePosition;
use crate::backend::reverse::{Patience, Reverse, time_left};
use crate::backend::{AcquireFailure, AjpConnection};
use crate::net::Waker;
use crate::pool::{PendingVacancy, Vacancy};

/// The connection or place that a request has while it waits.
#[derive(Debug)]
pub(super) enum Held<L: AjpConnection> {
    /// A connection out of the pool that has not answered CPING so far, and may answer yet.
    Silent(Pooled<L>),
    /// A place, for a new connection only.
    Place(Vacancy<L>),
    /// A place, for a new connection or one that comes back.
    Pending(PendingVacancy<L>),
}

/// How far the wait has come.
#[derive(Debug)]
pub(super) struct PortWait {
    start: Instant,
    deadline: Instant,
    turn: Turn,
    is_any_asked: bool,
    /// The position in the line, while it waits.
    line: Option<LinePosition>,
    patience: Option<Patience>,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A look at the port.
    Look,
    /// A look at the silent connection.
    Hear,
    /// A waker, before the wait.
    Waker,
    /// The wait, up to so long.
    Wait(Duration),
}

impl PortWait {
    /// Begins with a look at the port. A silent connection has `time` to answer.
    pub(super) fn beside(now: Instant, time: Duration) -> Self {
        Self {
            start: now,
            deadline: now + time,
            turn: Turn::Look,
            is_any_asked: false,
            line: None,
            patience: None,
        }
    }

    /// Begins after a look that has found nothing, with `left` of the request's time. `is_any_asked`: but a
    /// peer that may answer yet.
    pub(super) fn after_look(
        start: Instant,
        left: Duration,
        patience: Patience,
        is_any_asked: bool,
    ) -> Self {
        Self {
            start,
            deadline: start + patience.time.min(left),
            turn: Turn::Look,
            is_any_asked,
            line: None,
            patience: Some(patience),
        }
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// Turns to this step.
    pub(super) fn to(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// Leaves the line, for as long as a connection that came back is asked.
    pub(super) fn out_of_line(self) -> Self {
        Self { line: None, turn: Turn::Look, ..self }
    }

    /// Notes that a look has found nothing.
    pub(super) fn looked(self, is_any_asked: bool) -> Self {
        Self { is_any_asked, ..self }
    }

    /// Turns to the wait.
    ///
    /// # Errors
    /// The time is over.
    pub(super) fn wait(
        self,
        now: Instant,
        reverse: &Reverse,
        waker: Option<&Arc<Waker>>,
    ) -> Result<Self, Self> {
        let left = time_left(self.deadline, self.start, self.is_any_asked, now);
        if left.is_zero() {
            return Err(self);
        }
        let Some(waker) = waker else { return Ok(self.to(Turn::Waker)) };
        let line = self.line.unwrap_or_else(|| reverse.line().enter(Arc::clone(waker)));
        Ok(Self { line: Some(line), turn: Turn::Wait(left), ..self })
    }

    /// Whether the time was over when the wait began.
    pub(super) fn has_no_time(&self) -> bool {
        time_left(self.deadline, self.start, self.is_any_asked, self.start).is_zero()
    }

    /// The next need. `ping`: what a new connection has to answer CPING.
    pub(super) fn next(
        &self,
        ping: Option<Duration>,
        waker: Option<&Arc<Waker>>,
        beside: Option<Which>,
    ) -> Need {
        match (self.turn, waker, &self.line) {
            (Turn::Look, ..) => Need::Accept { ping },
            (Turn::Hear, ..) => Need::Receive(Which::Pooled, Duration::ZERO),
            (Turn::Wait(time), Some(waker), Some(line)) => {
                let (waker, is_at_front) = (Arc::clone(waker), line.is_at_front());
                Need::Inbound(Box::new(Inbound { waker, beside, time, is_at_front }))
            }
            (Turn::Waker | Turn::Wait(_), ..) => Need::Waker,
        }
    }

    /// The failure of a wait that has found nothing. It names what a request waits in all, whatever of that was
    /// left for the port.
    pub(super) fn failure(&self, reverse: &Reverse) -> AcquireFailure {
        let (waited, is_gone) =
            self.patience.as_ref().map_or((Duration::ZERO, false), |p| (p.time, p.is_gone));
        AcquireFailure::NoInboundConnection { listener: reverse.to_string(), waited, is_gone }
    }
}
