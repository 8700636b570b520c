//! The stages of the way to a connection that the container opens, and what leads from one to the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::need::{Accepted, Got};
use super::ping_time::{first_half, rest};
use super::pinged::{Answer, End, PROOF_TIME, Pooled};
use super::port_wait::{Held, PortWait, Turn};
use super::surroundings::Surroundings;
use super::task::Task;
use crate::backend::reverse::Reverse;
use crate::backend::{AcquireFailure, AjpConnection, NoListener};
use crate::config::Pings;
use crate::net::Waker;
use crate::pool::{Acquired, CloseReason, Lease, Limits, Vacancy, Wait};

/// The part of a way that lasts from stage to stage.
#[derive(Debug)]
pub(super) struct Request {
    reverse: Arc<Reverse>,
    /// When the request began to ask for a connection, and how long it may wait in all.
    since: Instant,
    pub(super) wait: Duration,
    /// The pings as they hold from now on: a pooled connection that was asked has used some of the time.
    pub(super) pings: Pings,
    proof: Proof,
    /// Made before the first wait.
    pub(super) waker: Option<Arc<Waker>>,
}

/// Which connection must prove itself with CPING, since no new one can be had at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    None,
    /// One out of the pool that the backend may be closing at this moment.
    Doubtful,
    Any,
}

/// Which connection a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One that comes back, or a new one.
    Any,
    New,
}

#[derive(Debug)]
pub(super) enum Stage<L: AjpConnection> {
    /// To find a place, with an idle connection if there is one.
    Place,
    /// To find a place alone.
    FreshPlace,
    /// A connection out of the pool is sent CPING.
    Asked(Pooled<L>, Reason),
    /// The first look for a new connection, with the beginning of the wait and its longest time.
    First(Vacancy<L>, Wanted, Instant, Duration),
    /// Looks and waits, in turn.
    Wait(Held<L>, Wanted, PortWait),
}

/// Why a connection is sent CPING.
#[derive(Debug)]
pub(super) enum Reason {
    /// It was idle, and has half of the time.
    Idle,
    /// It came back during this wait, which goes on if it is dead.
    Returned(PortWait),
    /// It is to prove itself.
    Proof,
}

/// The next stage, or the end.
pub(super) type Next<L> = Result<Stage<L>, End<L>>;

impl Request {
    /// Begins with the first stage.
    pub(super) fn begin<L: AjpConnection>(
        task: Task<L>,
        reverse: &Arc<Reverse>,
        with: &Surroundings<'_>,
    ) -> (Self, Stage<L>) {
        let now = (with.now)();
        let wait = longest_wait(&with.settings.limits);
        let (stage, proof) = match task {
            Task::Any { certain: false } => (Stage::Place, Proof::None),
            Task::Any { certain: true } => (Stage::Place, Proof::Doubtful),
            Task::Own => (Stage::Place, Proof::Any),
            Task::New => (Stage::FreshPlace, Proof::None),
            Task::Replace(failed) => {
                let vacancy = failed.discard(CloseReason::Broken);
                (Stage::First(vacancy, Wanted::New, now, wait), Proof::None)
            }
            Task::Proof(lease) => {
                (Stage::Asked(Pooled::asked(lease, PROOF_TIME, with), Reason::Proof), Proof::None)
            }
        };
        let (reverse, pings) = (Arc::clone(reverse), with.settings.pings);
        (Self { reverse, since: now, wait, pings, proof, waker: None }, stage)
    }

    /// An idle connection: with `prepost` it is asked first.
    pub(super) fn idle<L: AjpConnection>(
        &mut self,
        lease: Lease<L>,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        let Some(time) = self.pings.prepost else { return self.came(lease, with) };
        let half = first_half(time);
        // Those that may come in its place have what is left of the one time for CPONG.
        self.pings.connect = self.pings.connect.map(|time| rest(time, half));
        self.pings.prepost = Some(half);
        Ok(Stage::Asked(Pooled::asked(lease, half, with), Reason::Idle))
    }

    /// A connection out of the pool has answered CPING, or has not.
    pub(super) fn answered<L: AjpConnection>(
        &mut self,
        pooled: Pooled<L>,
        reason: Reason,
        answer: &Answer,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        match (answer, reason) {
            (Answer::NotYet, reason) => Ok(Stage::Asked(pooled, reason)),
            (Answer::Alive, Reason::Proof) => Err(Ok(pooled.lease)),
            (Answer::Alive, _) => self.came(pooled.lease, with),
            (Answer::Silent(_), Reason::Idle) => {
                // As long again; a container that connects meanwhile takes its place.
                let half = self.pings.prepost.unwrap_or_default();
                let port = PortWait::beside((with.now)(), half);
                Ok(Stage::Wait(Held::Silent(pooled), Wanted::Any, port))
            }
            (Answer::Dead(_), Reason::Idle) => self.place_alone(pooled.give_up(with), with),
            (Answer::Silent(_) | Answer::Dead(_), Reason::Returned(port)) => {
                self.join_queue(pooled.give_up(with), port, with)
            }
            (Answer::Silent(_) | Answer::Dead(_), Reason::Proof) => {
                with.backend.count_ping_failed();
                self.place_alone(pooled.lease.discard(CloseReason::Suspect), with)
            }
        }
    }

    /// A place alone, for any connection, within what is left of the time.
    pub(super) fn place_alone<L: AjpConnection>(
        &mut self,
        vacancy: Vacancy<L>,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        let now = (with.now)();
        let left = self.wait.saturating_sub(now.saturating_duration_since(self.since));
        Ok(Stage::First(vacancy, Wanted::Any, now, left))
    }

    pub(super) fn first_look<L: AjpConnection>(
        &mut self,
        vacancy: Vacancy<L>,
        wanted: Wanted,
        (start, left): (Instant, Duration),
        accepted: Result<Accepted<L>, NoListener>,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        let is_any_asked = match accepted {
            Err(failure) => return Err(Err(failure.into())),
            Ok(Accepted { connection: Some(connection), .. }) => {
                return self.came(vacancy.fill(*connection), with);
            }
            Ok(Accepted { connection: None, is_any_asked }) => is_any_asked,
        };
        let has_open = with.backend.has_open();
        let patience = self.reverse.patience(has_open, is_any_asked, self.wait, start);
        let port = PortWait::after_look(start, left, patience, is_any_asked);
        match wanted {
            Wanted::New => self.wait(Held::Place(vacancy), Wanted::New, port, with),
            Wanted::Any if port.has_no_time() => Err(Err(port.failure(&self.reverse))),
            Wanted::Any => self.join_queue(vacancy, port, with),
        }
    }

    /// Enters the queue for connections that come back, once there is a waker.
    fn join_queue<L: AjpConnection>(
        &mut self,
        vacancy: Vacancy<L>,
        port: PortWait,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        let Some(waker) = &self.waker else {
            return Ok(Stage::Wait(Held::Place(vacancy), Wanted::Any, port.to(Turn::Waker)));
        };
        let waker = Arc::clone(waker);
        let pending = vacancy.wait_for_release(move || waker.wake());
        self.look_again(Held::Pending(pending), Wanted::Any, port, with)
    }

    /// Looks whether a connection has come back, and then whether there is a new one.
    fn look_again<L: AjpConnection>(
        &mut self,
        held: Held<L>,
        wanted: Wanted,
        port: PortWait,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        let held = match held {
            Held::Pending(pending) => match pending.take() {
                Ok(lease) => return self.returned(lease, port, with),
                Err(pending) => Held::Pending(pending),
            },
            held => held,
        };
        Ok(Stage::Wait(held, wanted, port.to(Turn::Look)))
    }

    /// Takes an answer while waiting at the port; an error is the stage as it was, which it was none for.
    pub(super) fn waited<L: AjpConnection>(
        &mut self,
        held: Held<L>,
        wanted: Wanted,
        port: PortWait,
        got: Got<L>,
        with: &Surroundings<'_>,
    ) -> Result<Next<L>, Box<Stage<L>>> {
        Ok(match (port.turn(), got, held) {
            (Turn::Look, Got::Accepted(Err(failure)), _) => Err(Err(failure.into())),
            (Turn::Look, Got::Accepted(Ok(Accepted { connection, is_any_asked })), held) => {
                match connection {
                    Some(connection) => self.connected(*connection, held, port, with),
                    None => self.none_connected(held, wanted, port.looked(is_any_asked), with),
                }
            }
            (Turn::Hear, Got::Received(received), Held::Silent(mut pooled)) => {
                let Pooled { lease, ping } = &mut pooled;
                match ping.received(&mut **lease, received, (with.now)()) {
                    Ok(true) => self.came(pooled.lease, with),
                    Ok(false) => self.wait(Held::Silent(pooled), wanted, port, with),
                    Err(_) => self.place_alone(pooled.give_up(with), with),
                }
            }
            (Turn::Waker, Got::Waker(Err(error)), _) => Err(Err(AcquireFailure::NoWaker(error))),
            (Turn::Waker, Got::Waker(Ok(waker)), held) => {
                self.waker = Some(waker);
                match (held, wanted) {
                    (Held::Place(vacancy), Wanted::Any) => self.join_queue(vacancy, port, with),
                    (held, wanted) => self.wait(held, wanted, port, with),
                }
            }
            (Turn::Wait(_), Got::Waited(Err(error)), _) => {
                Err(Err(NoListener::Accept(error).into()))
            }
            (Turn::Wait(_), Got::Waited(Ok(())), held) => self.look_again(held, wanted, port, with),
            (_, _, held) => return Err(Box::new(Stage::Wait(held, wanted, port))),
        })
    }

    fn connected<L: AjpConnection>(
        &mut self,
        connection: L,
        held: Held<L>,
        port: PortWait,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        let lease = match held {
            Held::Silent(pooled) => pooled.give_up(with).fill(connection),
            Held::Place(vacancy) => vacancy.fill(connection),
            Held::Pending(pending) => pending.fill(connection, (with.now)()),
        };
        // One that came back in the same moment is used before the new one.
        if lease.is_reused() { self.returned(lease, port, with) } else { self.came(lease, with) }
    }

    fn none_connected<L: AjpConnection>(
        &mut self,
        held: Held<L>,
        wanted: Wanted,
        port: PortWait,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        match held {
            Held::Silent(_) => Ok(Stage::Wait(held, wanted, port.to(Turn::Hear))),
            held => self.wait(held, wanted, port, with),
        }
    }

    /// Waits until there may be something, if there is time left.
    fn wait<L: AjpConnection>(
        &mut self,
        held: Held<L>,
        wanted: Wanted,
        port: PortWait,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        match (port.wait((with.now)(), &self.reverse, self.waker.as_ref()), held) {
            (Ok(port), held) => Ok(Stage::Wait(held, wanted, port)),
            (Err(_), Held::Silent(pooled)) => self.place_alone(pooled.give_up(with), with),
            (Err(port), Held::Place(_)) => Err(Err(port.failure(&self.reverse))),
            (Err(port), Held::Pending(pending)) => match pending.stop() {
                Acquired::Reused(lease) => self.returned(lease, port, with),
                Acquired::Vacant(_) => Err(Err(port.failure(&self.reverse))),
            },
        }
    }

    /// A connection has come back: with `prepost` it is asked first.
    fn returned<L: AjpConnection>(
        &mut self,
        lease: Lease<L>,
        port: PortWait,
        with: &Surroundings<'_>,
    ) -> Next<L> {
        let Some(time) = self.pings.prepost else { return self.came(lease, with) };
        let reason = Reason::Returned(port.out_of_line());
        Ok(Stage::Asked(Pooled::asked(lease, time, with), reason))
    }

    /// A connection that is good, but may have to prove itself.
    fn came<L: AjpConnection>(&mut self, lease: Lease<L>, with: &Surroundings<'_>) -> Next<L> {
        let proves = match self.proof {
            Proof::None => false,
            Proof::Doubtful => with.backend.is_doubtful(&lease, with.settings, (with.now)()),
            Proof::Any => true,
        };
        if !proves {
            return Err(Ok(lease));
        }
        // The one that may come in its place proves nothing more, and has all of the time for CPONG.
        (self.proof, self.pings) = (Proof::None, with.settings.pings);
        Ok(Stage::Asked(Pooled::asked(lease, PROOF_TIME, with), Reason::Proof))
    }
}

/// `acquire`, and a second where it is not set: here it is a wait for another process to act.
fn longest_wait(limits: &Limits) -> Duration {
    match limits.wait {
        Wait::For(wait) => wait.min(LONGEST),
        Wait::Forever | Wait::AtMost(_) => UNSET,
    }
}

const UNSET: Duration = Duration::from_secs(1);
/// Deadlines are sums.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
