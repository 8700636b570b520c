//! The way to a connection where the container opens them: one that comes back to the pool, or a new one,
//! whichever is first.

use std::sync::Arc;

use super::need::{Got, Need, Which};
use super::pinged::{End, Pooled, need, pinged};
use super::port_wait::Held;
use super::reverse_stage::{Request, Stage, Wanted};
use super::surroundings::Surroundings;
use super::task::Task;
use crate::backend::AjpConnection;
use crate::backend::reverse::Reverse;
use crate::pool::Acquired;

/// The way of one request to a connection that its container opens.
#[derive(Debug)]
pub(super) struct ReverseWay<L: AjpConnection> {
    stage: Stage<L>,
    request: Request,
}

/// The consequence of an answer.
pub(super) enum ReverseStep<L: AjpConnection> {
    /// The way goes on.
    Go(ReverseWay<L>),
    /// The answer does not fit.
    Same(ReverseWay<L>),
    End(End<L>),
}

impl<L: AjpConnection> ReverseWay<L> {
    pub(super) fn new(task: Task<L>, reverse: &Arc<Reverse>, with: &Surroundings<'_>) -> Self {
        let (request, stage) = Request::begin(task, reverse, with);
        Self { stage, request }
    }

    pub(super) fn next(&self) -> Need {
        let Request { wait, pings, waker, .. } = &self.request;
        match &self.stage {
            Stage::Place => Need::PlaceWithin(*wait),
            Stage::FreshPlace => Need::FreshPlace,
            Stage::Asked(pooled, _) => need(&pooled.ping, Which::Pooled),
            Stage::First(..) => Need::Accept { ping: pings.connect },
            Stage::Wait(held, _, port) => {
                let beside = matches!(held, Held::Silent(_)).then_some(Which::Pooled);
                port.next(pings.connect, waker.as_ref(), beside)
            }
        }
    }

    fn pooled(&mut self) -> Option<&mut Pooled<L>> {
        match &mut self.stage {
            Stage::Asked(pooled, _) | Stage::Wait(Held::Silent(pooled), ..) => Some(pooled),
            Stage::Place | Stage::FreshPlace | Stage::First(..) | Stage::Wait(..) => None,
        }
    }

    pub(super) fn connection(&mut self, which: Which) -> Option<&mut L> {
        match which {
            Which::Pooled => self.pooled().map(|pooled| &mut *pooled.lease),
            Which::New => None,
        }
    }

    pub(super) fn outgoing(&mut self) -> Option<(&mut L, &[u8])> {
        self.pooled().map(|pooled| (&mut *pooled.lease, pooled.ping.rest()))
    }

    pub(super) fn got(self, got: Got<L>, with: &Surroundings<'_>) -> ReverseStep<L> {
        let Self { stage, mut request } = self;
        let next = match (stage, got) {
            (Stage::Place, Got::Place(Ok(Acquired::Reused(lease)))) => request.idle(lease, with),
            (Stage::Place, Got::Place(Ok(Acquired::Vacant(vacancy)))) => {
                request.place_alone(vacancy, with)
            }
            (Stage::FreshPlace, Got::Place(Ok(Acquired::Vacant(vacancy)))) => {
                Ok(Stage::First(vacancy, Wanted::New, (with.now)(), request.wait))
            }
            (Stage::Place | Stage::FreshPlace, Got::Place(Err(busy))) => Err(Err(busy.into())),
            (Stage::First(vacancy, wanted, start, time), Got::Accepted(accepted)) => {
                request.first_look(vacancy, wanted, (start, time), accepted, with)
            }
            (Stage::Wait(held, wanted, port), got) => {
                match request.waited(held, wanted, port, got, with) {
                    Ok(next) => next,
                    Err(stage) => return ReverseStep::Same(Self { stage: *stage, request }),
                }
            }
            (Stage::Asked(mut pooled, why), got) => {
                match pinged(&mut pooled.ping, &mut *pooled.lease, got, with) {
                    None => {
                        let stage = Stage::Asked(pooled, why);
                        return ReverseStep::Same(Self { stage, request });
                    }
                    Some(answer) => request.answered(pooled, why, &answer, with),
                }
            }
            (stage, _) => return ReverseStep::Same(Self { stage, request }),
        };
        match next {
            Ok(stage) => ReverseStep::Go(Self { stage, request }),
            Err(end) => ReverseStep::End(end),
        }
    }
}
