//! Asking the container whether it takes a packet of some size, as a machine without I/O.
//!
//! A CPING whose payload is padded with zeros to N bytes in all is answered with CPONG by Tomcat
//! exactly when N is within its packetSize, and the connection goes on; else the answer is an error
//! page and END_RESPONSE with reuse = 0 (`AjpMessage.processHeader`, `AjpProcessor.service`).

use std::sync::Arc;
use std::time::Duration;

use super::acquisition::{
    Acquisition, Answer, Connections, Got, Need, Opening, Ping, Surroundings, Task, Which, need,
    pinged,
};
use super::packet_limit::Admission;
use super::packet_question::{NotAdmitted, Question, Turn};
use super::{AcquireFailure, AjpConnection, PingError};
use crate::net::NetError;
use crate::pool::Lease;
use crate::protocol::{PacketSize, padded_cping};

/// Makes sure that the container takes a FORWARD_REQUEST of some size: asks it where that is larger than
/// what is configured, every container takes, or is proven.
///
/// The question takes a connection of its own, which is closed afterwards and counts against nothing;
/// of a container that opens the connections, one that is there. Each CPING waits for `ping`, else two
/// seconds. One request asks at a time; others wait for its answer.
#[derive(Debug)]
pub struct SizeQuestion<L: AjpConnection> {
    packet: usize,
    /// The size was answered, but since then the backend has closed connections.
    was_proven: bool,
    state: State<L>,
}

#[derive(Debug)]
enum State<L: AjpConnection> {
    /// Another request asks.
    Waiting(Arc<Question>),
    /// This one asks.
    Asking(Turn, Box<Asking<L>>),
    Over,
}

/// Up to three connections, one after the other.
#[derive(Debug)]
struct Asking<L: AjpConnection> {
    /// The subject of the question.
    size: usize,
    stage: Stage,
    /// Connections that the backend had closed when the question began.
    closes: u64,
    line: Line<L>,
}

/// Which size one connection is asked for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The size.
    First,
    /// The smallest one, since the size has not been taken.
    Smallest {
        /// The answer about the size.
        first: Said,
    },
    /// The size again: the container was silent for once.
    Again,
}

/// The connection that is asked.
#[derive(Debug)]
enum Line<L: AjpConnection> {
    Opening(Opening),
    /// The container opens the connections: the way to one of them.
    Way(Acquisition<L>),
    /// A plain CPING first shows that the container is there: a failure of that one is the
    /// backend's, whatever the size. Then come the padded one, and a plain one behind it.
    Pinging(Own<L>, Ping, Round),
}

/// A connection that nothing else will be asked on.
#[derive(Debug)]
enum Own<L: AjpConnection> {
    New(L),
    Leased(Lease<L>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Before,
    Padded,
    Behind,
}

/// The answer of one connection about a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The padded CPING was answered with CPONG, and the plain one behind it.
    Taken,
    /// Something else came, or the connection was closed.
    NotTaken,
    /// Nothing came in time.
    Silence,
}

/// Whether the request may be sent.
type End = Result<(), NotAdmitted>;

impl<L: AjpConnection> SizeQuestion<L> {
    /// Begins with a look at what is known.
    ///
    /// # Errors
    /// It is known already: whether the request may be sent.
    pub fn new(packet: usize, with: &Surroundings<'_>) -> Result<Self, End> {
        let mut question = Self { packet, was_proven: false, state: State::Over };
        match question.look(with) {
            Some(end) => Err(end),
            None => Ok(question),
        }
    }

    /// Whether this request is the one that asks, for whose answer others may wait.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking(..))
    }

    /// The next thing to do.
    #[must_use]
    pub fn next(&self) -> Need {
        match &self.state {
            State::Waiting(question) => Need::Question(Arc::clone(question)),
            State::Asking(_, asking) => match &asking.line {
                Line::Opening(opening) => opening.next(),
                Line::Way(way) => way.next(),
                Line::Pinging(_, ping, _) => need(ping, Which::New),
            },
            State::Over => Need::Nothing,
        }
    }

    /// Takes the answer to [`next`](Self::next). Returns whether the request may be sent, once that is
    /// known.
    pub fn got(&mut self, got: Got<L>, with: &Surroundings<'_>) -> Option<End> {
        match (&mut self.state, got) {
            (State::Waiting(_), Got::Answer(failure)) => {
                self.answered(failure.map(|failure| *failure), with)
            }
            (State::Asking(_, asking), got) => {
                let asked = asking.got(got, with)?;
                let state = std::mem::replace(&mut self.state, State::Over);
                let State::Asking(mut turn, _) = state else { return None };
                turn.failure = asked.err();
                let failure = turn.failure.clone();
                drop(turn);
                self.answered(failure, with)
            }
            _ => None,
        }
    }

    fn answered(
        &mut self,
        failure: Option<AcquireFailure>,
        with: &Surroundings<'_>,
    ) -> Option<End> {
        match failure {
            // As a container that was not asked: the request finds out what is wrong.
            Some(_) if self.was_proven => Some(Ok(())),
            Some(failure) => Some(Err(failure.into())),
            None => self.look(with),
        }
    }

    /// Decides by what is known, or begins the question.
    fn look(&mut self, with: &Surroundings<'_>) -> Option<End> {
        let mut turn = None;
        loop {
            match admission(self.packet, with) {
                Admission::Send => return Some(Ok(())),
                Admission::TooLarge { limit } => {
                    return Some(Err(NotAdmitted::TooLarge { packet: self.packet, limit }));
                }
                Admission::Ask { was_proven } => self.was_proven = was_proven,
            }
            if let Some(turn) = turn {
                self.state = State::Asking(turn, Box::new(Asking::new(self.packet, with)));
                return None;
            }
            // The last one to ask may have ended between the look and the turn: looks again.
            turn = match with.backend.questions.turn() {
                Ok(turn) => Some(turn),
                Err(question) => {
                    self.state = State::Waiting(question);
                    return None;
                }
            };
        }
    }
}

impl<L: AjpConnection> Connections<L> for SizeQuestion<L> {
    fn connection(&mut self, which: Which) -> Option<&mut L> {
        match self.line()? {
            Line::Pinging(own, ..) => Some(own.connection()),
            Line::Way(way) => way.connection(which),
            Line::Opening(_) => None,
        }
    }

    fn pair(&self) -> Option<[&L; 2]> {
        None
    }

    fn outgoing(&mut self) -> Option<(&mut L, &[u8])> {
        match self.line()? {
            Line::Pinging(own, ping, _) => Some((own.connection(), ping.rest())),
            Line::Way(way) => way.outgoing(),
            Line::Opening(_) => None,
        }
    }
}

impl<L: AjpConnection> SizeQuestion<L> {
    fn line(&mut self) -> Option<&mut Line<L>> {
        match &mut self.state {
            State::Asking(_, asking) => Some(&mut asking.line),
            State::Waiting(_) | State::Over => None,
        }
    }
}

impl<L: AjpConnection> Own<L> {
    fn connection(&mut self) -> &mut L {
        match self {
            Self::New(connection) => connection,
            Self::Leased(lease) => lease,
        }
    }
}

impl<L: AjpConnection> Asking<L> {
    fn new(size: usize, with: &Surroundings<'_>) -> Self {
        let closes = with.backend.closes();
        Self { size, stage: Stage::First, closes, line: Line::new(with) }
    }

    /// Takes an answer; returns once the question is answered, and has noted the answer.
    fn got(&mut self, got: Got<L>, with: &Surroundings<'_>) -> Option<Result<(), AcquireFailure>> {
        let said = match (&mut self.line, got) {
            (Line::Opening(opening), Got::Addresses(found)) => {
                return opening.resolved(found, with.backend.key()).err().map(Err);
            }
            (Line::Opening(opening), Got::Connected(Err(error))) => {
                return opening.refused(error, with.backend.key()).err().map(Err);
            }
            (Line::Opening(_), Got::Connected(Ok(connection))) => {
                self.ask_on(Own::New(*connection), Round::Before, with);
                return None;
            }
            (Line::Way(way), got) => match way.got(got, with)? {
                Err(failure) => return Some(Err(failure)),
                Ok(lease) => {
                    self.ask_on(Own::Leased(lease), Round::Before, with);
                    return None;
                }
            },
            (Line::Pinging(own, ping, _), got) => pinged(ping, own.connection(), got, with)?,
            _ => return None,
        };
        let Line::Pinging(_, _, round) = &self.line else { return None };
        match (said, *round) {
            (Answer::NotYet, _) => None,
            (Answer::Alive, Round::Before) => self.next_round(Round::Padded, with),
            (Answer::Alive, Round::Padded) => self.next_round(Round::Behind, with),
            (Answer::Alive, Round::Behind) => self.said(Said::Taken, with),
            (Answer::Silent(error) | Answer::Dead(error), Round::Before) => {
                Some(Err(AcquireFailure::Ping(error)))
            }
            (Answer::Silent(error) | Answer::Dead(error), Round::Padded | Round::Behind) => {
                self.said(without_cpong(&error), with)
            }
        }
    }

    fn next_round(
        &mut self,
        round: Round,
        with: &Surroundings<'_>,
    ) -> Option<Result<(), AcquireFailure>> {
        let next = self.ping(round, with);
        if let Line::Pinging(_, ping, present) = &mut self.line {
            (*ping, *present) = (next, round);
        }
        None
    }

    fn ask_on(&mut self, own: Own<L>, round: Round, with: &Surroundings<'_>) {
        self.line = Line::Pinging(own, self.ping(round, with), round);
    }

    /// The CPING of this round.
    fn ping(&self, round: Round, with: &Surroundings<'_>) -> Ping {
        let pings = with.settings.pings;
        let time = pings.prepost.or(pings.connect).unwrap_or(QUESTION_WAIT);
        let now = (with.now)();
        match round {
            Round::Before | Round::Behind => Ping::plain(now, time),
            Round::Padded => {
                let size = match self.stage {
                    Stage::First | Stage::Again => self.size,
                    Stage::Smallest { .. } => PacketSize::MIN.bytes(),
                };
                Ping::with(padded_cping(size).into(), now, time)
            }
        }
    }

    /// One connection has said what it has to say: notes what that means, or asks another one.
    fn said(&mut self, said: Said, with: &Surroundings<'_>) -> Option<Result<(), AcquireFailure>> {
        let limit = &with.backend.packet_limit;
        match (self.stage, said) {
            (Stage::First | Stage::Again, Said::Taken) => {
                limit.question_answered(self.size, self.closes);
            }
            (Stage::First, first) => return self.another(Stage::Smallest { first }, with),
            // A pause of the container's (garbage collection, say) looks like this once.
            (Stage::Smallest { first: Said::Silence }, Said::Taken) => {
                return self.another(Stage::Again, with);
            }
            (Stage::Smallest { .. }, Said::Taken) | (Stage::Again, _) => {
                limit.question_refused(self.size, self.closes, (with.now)());
            }
            (Stage::Smallest { .. }, _) => {
                limit.cannot_be_asked((with.now)());
                return Some(Ok(()));
            }
        }
        with.backend.publish_packet_size();
        Some(Ok(()))
    }

    fn another(
        &mut self,
        stage: Stage,
        with: &Surroundings<'_>,
    ) -> Option<Result<(), AcquireFailure>> {
        (self.stage, self.line) = (stage, Line::new(with));
        None
    }
}

impl<L: AjpConnection> Line<L> {
    fn new(with: &Surroundings<'_>) -> Self {
        if with.backend.is_reversed() {
            Self::Way(Acquisition::new(Task::Own, with))
        } else {
            Self::Opening(Opening::new(with.backend.key()))
        }
    }
}

/// How long each CPING of a question waits where `ping` is not set.
const QUESTION_WAIT: Duration = Duration::from_secs(2);

/// The meaning for a size when no CPONG came.
fn without_cpong(error: &PingError) -> Said {
    match error {
        PingError::TimedOut { .. } | PingError::Net(NetError::TimedOut { .. }) => Said::Silence,
        PingError::Closed
        | PingError::Codec(_)
        | PingError::NotCPong
        | PingError::Net(
            NetError::Closed | NetError::Reset | NetError::Answered | NetError::Io(_),
        ) => Said::NotTaken,
    }
}

fn admission(packet: usize, with: &Surroundings<'_>) -> Admission {
    with.backend.packet_limit.admission(packet, with.backend.closes(), (with.now)())
}
