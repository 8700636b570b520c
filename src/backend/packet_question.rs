//! Questions to a backend about packet sizes, and what its answers to requests say about them. The question
//! itself is `size_question`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::{AcquireFailure, Backend};
use crate::pool::CloseReason;

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
pub struct Question {
    state: Mutex<QuestionState>,
    ended: Condvar,
}

#[derive(Default)]
struct QuestionState {
    /// Set once, at the end: why the container is not there, if it is not.
    end: Option<Option<AcquireFailure>>,
    /// Those that wait without a thread, each with its number.
    subscribers: Vec<(u64, WakeFn)>,
    numbers: u64,
}

/// Wakes a request that does not sleep in [`Question::wait`].
type WakeFn = Box<dyn Fn() + Send + Sync>;

/// The right to the answer of another request's question; dropped, it is given up.
#[derive(Debug)]
#[must_use = "dropping it gives the answer up"]
pub struct AnswerTicket {
    question: Arc<Question>,
    number: u64,
}

/// The right to ask; dropped, also by a panic, it lets the next one ask.
#[derive(Debug)]
pub(super) struct Turn {
    questions: Arc<Questions>,
    question: Arc<Question>,
    /// Why the container is not there, if it is not.
    pub(super) failure: Option<AcquireFailure>,
}

impl Questions {
    /// The right to ask.
    ///
    /// # Errors
    /// Another request is asking: its question.
    pub(super) fn turn(self: &Arc<Self>) -> Result<Turn, Arc<Question>> {
        let mut current = self.current.lock();
        if let Some(question) = &*current {
            return Err(Arc::clone(question));
        }
        let question = Arc::<Question>::default();
        *current = Some(Arc::clone(&question));
        Ok(Turn { questions: Arc::clone(self), question, failure: None })
    }
}

impl Question {
    /// Waits for the request that asks: at most for as long as its connects and CPINGs may take.
    /// Returns why the container is not there, if it is not.
    #[must_use]
    pub fn wait(&self) -> Option<AcquireFailure> {
        let mut state = self.state.lock();
        loop {
            match &state.end {
                Some(failure) => return failure.clone(),
                None => self.ended.wait(&mut state),
            }
        }
    }

    /// As [`wait`](Self::wait), for a caller that does not sleep here.
    ///
    /// `wake` is called as soon as there is something to [take](AnswerTicket::take), by the thread of the
    /// request that asks; it must not block. It may still be called after the ticket has been dropped.
    ///
    /// # Errors
    /// There is no answer yet: the right to it.
    pub fn answer_or_subscribe(
        self: &Arc<Self>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Option<AcquireFailure>, AnswerTicket> {
        let mut state = self.state.lock();
        if let Some(failure) = &state.end {
            return Ok(failure.clone());
        }
        let number = state.numbers;
        state.numbers += 1;
        state.subscribers.push((number, Box::new(wake)));
        Err(AnswerTicket { question: Arc::clone(self), number })
    }

    fn answer(&self, failure: Option<AcquireFailure>) {
        let subscribers = {
            let mut state = self.state.lock();
            state.end = Some(failure);
            std::mem::take(&mut state.subscribers)
        };
        self.ended.notify_all();
        subscribers.iter().for_each(|(_, wake)| wake());
    }
}

impl AnswerTicket {
    /// Returns why the container is not there, if it is not, once the question is answered.
    ///
    /// # Errors
    /// Returns self unchanged before that.
    pub fn take(self) -> Result<Option<AcquireFailure>, Self> {
        let end = self.question.state.lock().end.clone();
        end.ok_or(self)
    }
}

impl Drop for AnswerTicket {
    fn drop(&mut self) {
        self.question.state.lock().subscribers.retain(|(number, _)| *number != self.number);
    }
}

impl fmt::Debug for QuestionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuestionState").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.questions.current.lock() = None;
        self.question.answer(self.failure.take());
    }
}

impl Backend {
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

    /// Notes that the backend closed or reset a connection while a request was on it.
    pub fn connection_died(&self) {
        self.questions.died.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that the backend has closed, idle or in use: all of them in a restart.
    pub(super) fn closes(&self) -> u64 {
        let closed = self.pool.stats().closed;
        self.questions.died.load(Ordering::Relaxed)
            + closed.of(CloseReason::ClosedByPeer)
            + closed.of(CloseReason::Broken)
    }
}
