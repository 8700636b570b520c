//! Asking the container whether it takes a packet of some size.
//!
//! A CPING whose payload is padded with zeros to N bytes in all is answered with CPONG by Tomcat
//! exactly when N is within its packetSize, and the connection goes on; else the answer is an error
//! page and END_RESPONSE with reuse = 0 (`AjpMessage.processHeader`, `AjpProcessor.service`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::packet_limit::Admission;
use super::{AcquireFailure, Backend, ConnectSettings, Connection, PingError, Source};
use crate::net::NetError;
use crate::pool::CloseReason;
use crate::protocol::{PacketSize, padded_cping};

/// Why a request packet is not sent.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// The container was asked, and takes no packet of this size.
    #[error("the backend was asked, and takes packets of {limit} bytes but not of {packet}")]
    TooLarge {
        /// The size of the packet.
        packet: usize,
        /// The largest size that is proven.
        limit: usize,
    },
    /// The container had to be asked, and is not there.
    #[error(transparent)]
    Acquire(#[from] AcquireFailure),
}

/// The question under way in this child, if there is one.
#[derive(Debug, Default)]
pub(super) struct Questions {
    current: Mutex<Option<Arc<Question>>>,
    /// Connections that died under a request.
    died: AtomicU64,
}

/// A question that one request asks, and others wait for.
#[derive(Debug, Default)]
struct Question {
    /// Set once, at the end: why the container is not there, if it is not.
    end: Mutex<Option<Option<AcquireFailure>>>,
    ended: Condvar,
}

/// The right to ask; dropped, also by a panic, it lets the next one ask.
struct Turn<'q> {
    questions: &'q Questions,
    question: Arc<Question>,
    failure: Option<AcquireFailure>,
}

impl Questions {
    /// The turn to ask; `Err`: another request has just asked, with its failure.
    fn turn(&self) -> Result<Turn<'_>, Option<AcquireFailure>> {
        let mut current = self.current.lock();
        if let Some(question) = current.clone() {
            drop(current);
            return Err(question.wait());
        }
        let question = Arc::<Question>::default();
        *current = Some(Arc::clone(&question));
        Ok(Turn { questions: self, question, failure: None })
    }
}

impl Question {
    /// Waits for whoever asks: at most for as long as its connects and CPINGs may take.
    fn wait(&self) -> Option<AcquireFailure> {
        let mut end = self.end.lock();
        loop {
            match &*end {
                Some(failure) => return failure.clone(),
                None => self.ended.wait(&mut end),
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.questions.current.lock() = None;
        *self.question.end.lock() = Some(self.failure.take());
        self.question.ended.notify_all();
    }
}

/// What one connection says about a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The padded CPING was answered with CPONG, and the plain one behind it.
    Taken,
    /// Something else came, or the connection was closed.
    NotTaken,
    /// Nothing came in time.
    Silence,
}

impl Backend {
    /// Makes sure that the container takes a FORWARD_REQUEST of `packet` bytes. Asks it where it is
    /// larger than what is configured, every container takes, or is proven.
    ///
    /// The question takes a connection of its own, which is closed afterwards and counts against
    /// nothing; of a container that opens the connections, one that is there. Each CPING waits for
    /// `ping`, else two seconds. One request asks at a time; others wait for its answer.
    ///
    /// # Errors
    /// [`NotAdmitted`]; nothing of the request has been sent.
    pub fn admit(&self, packet: usize, settings: &ConnectSettings) -> Result<(), NotAdmitted> {
        if self.packet_limit.depends_on_container(packet) {
            self.admit_large(packet, settings)
        } else {
            Ok(())
        }
    }

    #[cold]
    fn admit_large(&self, packet: usize, settings: &ConnectSettings) -> Result<(), NotAdmitted> {
        loop {
            let was_proven = match self.admission(packet) {
                Admission::Send => return Ok(()),
                Admission::TooLarge { limit } => {
                    return Err(NotAdmitted::TooLarge { packet, limit });
                }
                Admission::Ask { was_proven } => was_proven,
            };
            let failure = match self.questions.turn() {
                Ok(mut turn) => {
                    // The last one to ask may have ended between the look and the turn.
                    if matches!(self.admission(packet), Admission::Ask { .. }) {
                        turn.failure = self.ask_size(packet, settings).err();
                    }
                    turn.failure.clone()
                }
                Err(failure) => failure,
            };
            match failure {
                // As a container that was not asked: the request finds out what is wrong.
                Some(_) if was_proven => return Ok(()),
                Some(failure) => return Err(failure.into()),
                None => {}
            }
        }
    }

    /// Notes that a request packet of this size was answered: below status 400, or with a connection
    /// that the container keeps.
    pub fn request_answered(&self, packet: usize) {
        if self.packet_limit.depends_on_container(packet) {
            self.packet_limit.request_answered(packet, self.closes());
            self.publish_packet_size();
        }
    }

    /// Notes that a request packet of this size got no answer, or an error after which the container
    /// closes: the next large one asks again.
    pub fn request_in_doubt(&self, packet: usize) {
        if self.packet_limit.depends_on_container(packet) {
            self.packet_limit.request_in_doubt(packet);
            self.publish_packet_size();
        }
    }

    /// Tells ajp-status what is known.
    pub(super) fn publish_packet_size(&self) {
        if let Some(stats) = &self.stats {
            stats.set_packet_size(self.packet_limit.known());
        }
    }

    fn admission(&self, packet: usize) -> Admission {
        self.packet_limit.admission(packet, self.closes(), Instant::now())
    }

    /// Notes that the backend closed or reset a connection while a request was on it.
    pub fn connection_died(&self) {
        self.questions.died.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that the backend has closed, idle or in use: all of them in a restart.
    fn closes(&self) -> u64 {
        let closed = self.pool.stats().closed;
        self.questions.died.load(Ordering::Relaxed)
            + closed.of(CloseReason::ClosedByPeer)
            + closed.of(CloseReason::Broken)
    }

    /// Asks, and notes the answer.
    fn ask_size(&self, size: usize, settings: &ConnectSettings) -> Result<(), AcquireFailure> {
        let closes = self.closes();
        let limit = &self.packet_limit;
        let mut answer = self.ask_once(size, settings)?;
        if answer != Answer::Taken {
            let smallest = PacketSize::MIN.bytes();
            if self.ask_once(smallest, settings)? != Answer::Taken {
                limit.cannot_be_asked(Instant::now());
                return Ok(());
            }
            // A pause of the container's (garbage collection, say) looks like this once.
            if answer == Answer::Silence {
                answer = self.ask_once(size, settings)?;
            }
        }
        if answer == Answer::Taken {
            limit.question_answered(size, closes);
        } else {
            limit.question_refused(size, closes, Instant::now());
        }
        self.publish_packet_size();
        Ok(())
    }

    /// Asks over one connection. That the container is there is shown first, on the same connection,
    /// by a plain CPING: a failure of that one is the backend's, whatever the size.
    fn ask_once(&self, size: usize, settings: &ConnectSettings) -> Result<Answer, AcquireFailure> {
        let wait = settings.pings.prepost.or(settings.pings.connect).unwrap_or(QUESTION_WAIT);
        self.on_own_connection(settings, |connection| {
            connection.cping(wait).map_err(AcquireFailure::Ping)?;
            let padded = connection.cping_with(&padded_cping(size), wait);
            Ok(match padded.and_then(|()| connection.cping(wait)) {
                Ok(()) => Answer::Taken,
                Err(PingError::TimedOut { .. } | PingError::Net(NetError::TimedOut { .. })) => {
                    Answer::Silence
                }
                Err(
                    PingError::Closed
                    | PingError::Codec(_)
                    | PingError::NotCPong
                    | PingError::Net(
                        NetError::Closed | NetError::Reset | NetError::Answered | NetError::Io(_),
                    ),
                ) => Answer::NotTaken,
            })
        })
    }

    fn on_own_connection(
        &self,
        settings: &ConnectSettings,
        ask: impl Fn(&Connection) -> Result<Answer, AcquireFailure>,
    ) -> Result<Answer, AcquireFailure> {
        let Source::Accept(reverse) = &self.source else {
            return ask(&self.connect(settings)?);
        };
        let start = Instant::now();
        let lease = self.acquire_accepted(reverse, settings)?;
        let lease = self.prove(reverse, lease, settings, start)?;
        ask(&lease)
    }
}

/// How long each CPING of a question waits where `ping` is not set.
const QUESTION_WAIT: Duration = Duration::from_secs(2);
