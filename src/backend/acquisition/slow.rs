//! The ways to a connection that take more than a look at an idle one: connecting, and CPING.

use std::time::{Duration, Instant};

use super::need::{Got, Need, Which};
use super::opening::Opening;
use super::ping::Ping;
use super::ping_time::{first_half, rest};
use super::pinged::{Answer, End, Fresh, Pooled, need, pinged};
use super::race::{Race, RaceStep};
use super::reverse::{ReverseStep, ReverseWay};
use super::surroundings::Surroundings;
use crate::backend::{AcquireFailure, AjpConnection};
use crate::net::ConnectError;
use crate::pool::{Lease, Vacancy};

/// A way that is not over.
#[derive(Debug)]
pub(super) enum Slow<L: AjpConnection> {
    /// The container opens the connections.
    Reverse(ReverseWay<L>),
    /// A new connection for a place, which has so long to answer CPING, if it has to.
    Open(Opening, Vacancy<L>, Option<Duration>),
    /// A new connection for a place, and its CPING.
    Fresh(Fresh<L>),
    /// A pooled connection, and when it was asked.
    Pooled(Pooled<L>, Instant),
    /// A new connection beside a pooled one that was silent for half of its time.
    Beside(Opening, Pooled<L>, Option<Duration>),
    /// Both of them, each with a CPING.
    Race(Race<L>),
    /// The pooled one again: there is no new one, for this reason.
    Last(Pooled<L>, AcquireFailure),
    /// A connection that is to prove itself.
    Proof(Pooled<L>),
}

/// The consequence of an answer.
pub(super) enum Step<L: AjpConnection> {
    Go(Box<Slow<L>>),
    End(End<L>),
}

impl<L: AjpConnection> Slow<L> {
    /// Opens a connection for this place. `ping`: what it has of the time for CPONG, where that is not
    /// all of it.
    pub(super) fn open(
        vacancy: Vacancy<L>,
        ping: Option<Duration>,
        with: &Surroundings<'_>,
    ) -> Box<Self> {
        let ping = ping.or(with.settings.pings.connect);
        Box::new(Self::Open(Opening::new(with.backend.key()), vacancy, ping))
    }

    /// Asks a pooled connection whether it is alive, in its half of the time.
    pub(super) fn ask(lease: Lease<L>, time: Duration, with: &Surroundings<'_>) -> Box<Self> {
        let pooled = Pooled::asked(lease, first_half(time), with);
        Box::new(Self::Pooled(pooled, (with.now)()))
    }

    pub(super) fn next(&self) -> Need {
        match self {
            Self::Reverse(way) => way.next(),
            Self::Open(opening, ..) | Self::Beside(opening, ..) => opening.next(),
            Self::Fresh(fresh) => need(&fresh.ping, Which::New),
            Self::Pooled(pooled, _) | Self::Last(pooled, _) | Self::Proof(pooled) => {
                need(&pooled.ping, Which::Pooled)
            }
            Self::Race(race) => race.next(),
        }
    }

    pub(super) fn connection(&mut self, which: Which) -> Option<&mut L> {
        match (self, which) {
            (Self::Fresh(fresh), Which::New) => Some(&mut fresh.connection),
            (
                Self::Pooled(pooled, _) | Self::Last(pooled, _) | Self::Proof(pooled),
                Which::Pooled,
            ) => Some(&mut pooled.lease),
            (Self::Race(race), which) => Some(race.connection(which)),
            (Self::Reverse(way), which) => way.connection(which),
            _ => None,
        }
    }

    pub(super) fn pair(&self) -> Option<[&L; 2]> {
        match self {
            Self::Race(race) => Some(race.pair()),
            _ => None,
        }
    }

    pub(super) fn outgoing(&mut self) -> Option<(&mut L, &[u8])> {
        match self {
            Self::Fresh(fresh) => Some((&mut fresh.connection, fresh.ping.rest())),
            Self::Pooled(pooled, _) | Self::Last(pooled, _) | Self::Proof(pooled) => {
                Some((&mut pooled.lease, pooled.ping.rest()))
            }
            Self::Race(race) => Some(race.outgoing()),
            Self::Reverse(way) => way.outgoing(),
            Self::Open(..) | Self::Beside(..) => None,
        }
    }

    /// Takes an answer; an error is this way as it was, which the answer was none for.
    pub(super) fn got(self, got: Got<L>, with: &Surroundings<'_>) -> Result<Step<L>, Box<Self>> {
        let key = with.backend.key();
        match (self, got) {
            (Self::Reverse(way), got) => match way.got(got, with) {
                ReverseStep::Same(way) => Err(Box::new(Self::Reverse(way))),
                ReverseStep::Go(way) => Ok(Self::Reverse(way).go()),
                ReverseStep::End(end) => Ok(Step::End(end)),
            },
            (Self::Open(mut opening, vacancy, ping), Got::Addresses(found)) => {
                Ok(match opening.resolved(found, key) {
                    Ok(()) => Self::Open(opening, vacancy, ping).go(),
                    Err(failure) => Step::End(Err(failure)),
                })
            }
            (Self::Open(opening, vacancy, ping), Got::Connected(connected)) => {
                Ok(opened(opening, vacancy, ping, connected, with))
            }
            (Self::Beside(mut opening, pooled, wait), Got::Addresses(found)) => {
                Ok(match opening.resolved(found, key) {
                    Ok(()) => Self::Beside(opening, pooled, wait).go(),
                    Err(failure) => pooled_or(pooled, wait, failure, with),
                })
            }
            (Self::Beside(opening, pooled, wait), Got::Connected(connected)) => {
                Ok(opened_beside(opening, pooled, wait, connected, with))
            }
            (Self::Fresh(mut fresh), got) => {
                match pinged(&mut fresh.ping, &mut fresh.connection, got, with) {
                    None => Err(Box::new(Self::Fresh(fresh))),
                    Some(answer) => Ok(fresh_answered(fresh, answer, with)),
                }
            }
            (Self::Pooled(mut pooled, since), got) => {
                match pinged(&mut pooled.ping, &mut *pooled.lease, got, with) {
                    None => Err(Box::new(Self::Pooled(pooled, since))),
                    Some(answer) => Ok(pooled_answered(pooled, since, answer, with)),
                }
            }
            (Self::Last(mut pooled, failure), got) => {
                match pinged(&mut pooled.ping, &mut *pooled.lease, got, with) {
                    None | Some(Answer::NotYet) => Err(Box::new(Self::Last(pooled, failure))),
                    Some(Answer::Alive) => Ok(Step::End(Ok(pooled.lease))),
                    Some(Answer::Silent(_) | Answer::Dead(_)) => {
                        drop(pooled.give_up(with));
                        Ok(Step::End(Err(failure)))
                    }
                }
            }
            (Self::Proof(mut pooled), got) => {
                match pinged(&mut pooled.ping, &mut *pooled.lease, got, with) {
                    None | Some(Answer::NotYet) => Err(Box::new(Self::Proof(pooled))),
                    Some(Answer::Alive) => Ok(Step::End(Ok(pooled.lease))),
                    Some(Answer::Silent(error) | Answer::Dead(error)) => {
                        with.backend.count_ping_failed();
                        Ok(Step::End(Err(AcquireFailure::Ping(error))))
                    }
                }
            }
            (Self::Race(race), got) => match race.got(got, with) {
                RaceStep::Same(race) => Err(Box::new(Self::Race(race))),
                RaceStep::Go(race) => Ok(Self::Race(race).go()),
                RaceStep::End(end) => Ok(Step::End(end)),
                RaceStep::New(fresh) => Ok(Self::Fresh(fresh).go()),
                RaceStep::Pooled(pooled, left, failure) => {
                    Ok(pooled_or(pooled, Some(left), failure, with))
                }
            },
            (same, _) => Err(Box::new(same)),
        }
    }

    pub(super) fn go(self) -> Step<L> {
        Step::Go(Box::new(self))
    }
}

fn opened<L: AjpConnection>(
    mut opening: Opening,
    vacancy: Vacancy<L>,
    ping: Option<Duration>,
    connected: Result<Box<L>, ConnectError>,
    with: &Surroundings<'_>,
) -> Step<L> {
    match (connected, ping) {
        (Ok(connection), None) => Step::End(Ok(vacancy.fill(*connection))),
        (Ok(connection), Some(time)) => {
            with.backend.count_ping_sent();
            let ping = new_ping(time, with);
            Slow::Fresh(Fresh { connection: *connection, ping, vacancy }).go()
        }
        (Err(error), ping) => match opening.refused(error, with.backend.key()) {
            Ok(()) => Slow::Open(opening, vacancy, ping).go(),
            Err(failure) => Step::End(Err(failure)),
        },
    }
}

/// A ping of a new connection that has `time`. A failure names what the configuration says, of which
/// that may be the rest.
fn new_ping(time: Duration, with: &Surroundings<'_>) -> Ping {
    let shown = with.settings.pings.connect.unwrap_or(time);
    Ping::plain((with.now)(), time).shown_as(shown)
}

fn fresh_answered<L: AjpConnection>(
    fresh: Fresh<L>,
    answer: Answer,
    with: &Surroundings<'_>,
) -> Step<L> {
    match answer {
        Answer::Alive => Step::End(Ok(fresh.vacancy.fill(fresh.connection))),
        Answer::NotYet => Slow::Fresh(fresh).go(),
        Answer::Silent(error) | Answer::Dead(error) => {
            with.backend.count_ping_failed();
            Step::End(Err(AcquireFailure::Ping(error)))
        }
    }
}

fn pooled_answered<L: AjpConnection>(
    pooled: Pooled<L>,
    since: Instant,
    answer: Answer,
    with: &Surroundings<'_>,
) -> Step<L> {
    let waited = || (with.now)().saturating_duration_since(since);
    let left = || with.settings.pings.connect.map(|time| rest(time, waited()));
    match answer {
        Answer::Alive => Step::End(Ok(pooled.lease)),
        Answer::NotYet => Slow::Pooled(pooled, since).go(),
        Answer::Dead(_) => Step::Go(Slow::open(pooled.give_up(with), left(), with)),
        Answer::Silent(_) => Slow::Beside(Opening::new(with.backend.key()), pooled, left()).go(),
    }
}

fn opened_beside<L: AjpConnection>(
    mut opening: Opening,
    pooled: Pooled<L>,
    wait: Option<Duration>,
    connected: Result<Box<L>, ConnectError>,
    with: &Surroundings<'_>,
) -> Step<L> {
    match (connected, wait) {
        (Ok(new), None) => Step::End(Ok(pooled.give_up(with).fill(*new))),
        (Ok(new), Some(wait)) => {
            with.backend.count_ping_sent();
            Slow::Race(Race::new(pooled, *new, new_ping(wait, with))).go()
        }
        (Err(error), wait) => match opening.refused(error, with.backend.key()) {
            Ok(()) => Slow::Beside(opening, pooled, wait).go(),
            Err(failure) => pooled_or(pooled, wait, failure, with),
        },
    }
}

/// There is no new connection: the pooled one, if it answers after all. `None`: it need not.
fn pooled_or<L: AjpConnection>(
    mut pooled: Pooled<L>,
    wait: Option<Duration>,
    failure: AcquireFailure,
    with: &Surroundings<'_>,
) -> Step<L> {
    let Some(wait) = wait else {
        drop(pooled.give_up(with));
        return Step::End(Err(failure));
    };
    pooled.ping.prolong((with.now)(), wait);
    Slow::Last(pooled, failure).go()
}
