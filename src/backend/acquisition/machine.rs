//! The steps of an idle and healthy connection; the others are in `slow`.

use std::time::Instant;

use super::need::{Connections, Got, Need, Which};
use super::pinged::{End, PROOF_TIME, Pooled};
use super::reverse::ReverseWay;
use super::slow::{Slow, Step};
use super::surroundings::Surroundings;
use super::task::Task;
use crate::backend::AjpConnection;
use crate::pool::{Acquired, CloseReason, Lease};

/// The way of one request to a connection.
#[derive(Debug)]
pub struct Acquisition<L: AjpConnection> {
    state: State<L>,
    certain: bool,
    at_once: bool,
}

/// An idle and healthy connection needs little; all that takes longer is in a box.
#[derive(Debug)]
enum State<L: AjpConnection> {
    /// To find a place, with an idle connection if there is one.
    Place {
        since: Instant,
    },
    /// To find a place alone.
    FreshPlace,
    Slow(Box<Slow<L>>),
    Over,
}

impl<L: AjpConnection> Acquisition<L> {
    /// Begins; nothing has been done yet.
    pub fn new(task: Task<L>, with: &Surroundings<'_>) -> Self {
        let reverse = with.backend.source.reverse();
        let mut certain = false;
        let state = match (task, reverse) {
            (Task::Proof(lease), _) => {
                State::Slow(Box::new(Slow::Proof(Pooled::asked(lease, PROOF_TIME, with))))
            }
            (Task::Any { certain: is_certain }, None) => {
                certain = is_certain;
                State::Place { since: (with.now)() }
            }
            (task, Some(reverse)) => {
                State::Slow(Box::new(Slow::Reverse(ReverseWay::new(task, reverse, with))))
            }
            (Task::New | Task::Own, None) => State::FreshPlace,
            (Task::Replace(failed), None) => {
                State::Slow(Slow::open(failed.discard(CloseReason::Broken), None, with))
            }
        };
        Self { state, certain, at_once: false }
    }

    /// The next thing to do; the same as long as there is no answer to it.
    #[must_use]
    pub fn next(&self) -> Need {
        match &self.state {
            State::Place { since } => Need::Place { since: *since },
            State::FreshPlace => Need::FreshPlace,
            State::Slow(slow) => slow.next(),
            State::Over => Need::Nothing,
        }
    }

    /// Whether it has ended with an idle connection for which nothing was waited for.
    #[must_use]
    pub fn ended_at_once(&self) -> bool {
        self.at_once
    }

    /// Takes the answer to [`next`](Self::next). Returns the connection, or why there is none, once
    /// that is known. Anything that is no answer changes nothing.
    pub fn got(&mut self, got: Got<L>, with: &Surroundings<'_>) -> Option<End<L>> {
        let step = match (&self.state, got) {
            (State::Place { .. }, Got::Place(Ok(Acquired::Reused(lease)))) => {
                self.reused(lease, with)
            }
            (
                State::Place { .. } | State::FreshPlace,
                Got::Place(Ok(Acquired::Vacant(vacancy))),
            ) => Step::Go(Slow::open(vacancy, None, with)),
            (State::Place { .. } | State::FreshPlace, Got::Place(Err(busy))) => {
                Step::End(Err(busy.into()))
            }
            (State::Slow(_), got) => self.slowly(got, with)?,
            _ => return None,
        };
        match step {
            Step::Go(slow) => {
                self.state = State::Slow(slow);
                None
            }
            Step::End(end) => {
                self.state = State::Over;
                Some(end)
            }
        }
    }

    /// An idle connection that looks alive.
    fn reused(&mut self, lease: Lease<L>, with: &Surroundings<'_>) -> Step<L> {
        if let Some(time) = with.settings.pings.prepost {
            return Step::Go(Slow::ask(lease, time, with));
        }
        if self.certain && with.backend.is_doubtful(&lease, with.settings, (with.now)()) {
            return Step::Go(Slow::open(lease.discard(CloseReason::Suspect), None, with));
        }
        self.at_once = lease.was_at_once();
        Step::End(Ok(lease))
    }

    #[cold]
    fn slowly(&mut self, got: Got<L>, with: &Surroundings<'_>) -> Option<Step<L>> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let State::Slow(slow) = state else { return None };
        match slow.got(got, with) {
            Ok(step) => Some(step),
            Err(same) => {
                self.state = State::Slow(same);
                None
            }
        }
    }
}

impl<L: AjpConnection> Connections<L> for Acquisition<L> {
    fn connection(&mut self, which: Which) -> Option<&mut L> {
        match &mut self.state {
            State::Slow(slow) => slow.connection(which),
            _ => None,
        }
    }

    fn pair(&self) -> Option<[&L; 2]> {
        match &self.state {
            State::Slow(slow) => slow.pair(),
            _ => None,
        }
    }

    fn outgoing(&mut self) -> Option<(&mut L, &[u8])> {
        match &mut self.state {
            State::Slow(slow) => slow.outgoing(),
            _ => None,
        }
    }
}
