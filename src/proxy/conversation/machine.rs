//! The stages of one request to one backend.

use std::time::Instant;

use super::attempt::{Attempt, Moment};
use super::step::{Context, Do, What};
use crate::backend::{
    AcquireFailure, Acquisition, AjpConnection, Connection, Connections, NotAdmitted,
    RetiredBuffer, SizeQuestion, Surroundings, Task,
};
use crate::exchange::{Phase, Reusable};
use crate::pool::{CloseReason, Keep, Lease};
use crate::protocol::PacketSize;
use crate::proxy::consequence::resend::Replay;
use crate::proxy::{Client, ClientError, Failure, Finished, ProxyError, Traffic};

/// One request to one backend.
#[derive(Debug)]
pub struct Conversation<L: AjpConnection = Connection> {
    pub(super) start: Instant,
    pub(super) traffic: Traffic,
    /// The present attempt; while there is one, the stage says nothing.
    pub(super) attempt: Option<Attempt<L>>,
    pub(super) stage: Stage<L>,
    /// The result of the request, once its response has ended, and the bytes received.
    pub(super) answered: Option<(Finished, RetiredBuffer)>,
    pub(super) end: Option<End>,
    /// When the request began to wait for what it waits for before an attempt.
    pub(super) since: Instant,
    /// How often connecting may still be tried again.
    pub(super) connects_left: u32,
    /// The resends to this backend so far, and the reason of the present one.
    pub(super) resending: Resending,
}

/// How it ended.
type End = Result<Finished, Failure>;

#[derive(Debug)]
pub(super) enum Stage<L: AjpConnection> {
    /// The container is asked first, since the request is larger than what it is known to take.
    Asking(Box<SizeQuestion<L>>),
    /// On the way to a connection.
    Connecting(Acquisition<L>, Goal),
    /// A pause before what comes then.
    Pause(Then<L>),
    /// The connection has been given back, and the last of the response is handed over.
    Passing,
    Done,
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// The first attempt.
    First,
    /// A further attempt, in the place of the connection that failed.
    Replace,
    /// The same, in a place of its own: that one could not be replaced.
    Again,
    /// A further attempt, once the new connection has proved that a container is behind it.
    Proof,
}

#[derive(Debug)]
pub(super) enum Then<L: AjpConnection> {
    /// A connection for this goal is tried for again.
    Connect(Goal),
    /// The connection that failed is replaced.
    Replace(Lease<L>),
}

/// The resends to this backend.
#[derive(Debug, Default)]
pub(super) struct Resending {
    /// Attempts that the backend cannot have acted on.
    pub(super) unwritten: u32,
    /// Attempts that it may have acted on.
    pub(super) repeated: u32,
    /// The attempt that has just failed, if the request may be sent again where a container answers
    /// first.
    pub(super) last: Option<Box<(Failure, Replay)>>,
}

impl<L: AjpConnection> Conversation<L> {
    /// Begins.
    pub fn new<C: Client>(context: &Context<'_, C>) -> Self {
        let start = (context.now)();
        let packet = context.request.packet.len();
        if packet <= PacketSize::MIN.bytes() {
            // One look at the clock is enough.
            let with = Surroundings { now: &|| start, ..context.surroundings() };
            return Self::at(Self::way(Goal::First, context, &with), start, context);
        }
        let mut conversation = Self::at(Stage::Done, start, context);
        conversation.ask(packet, context);
        conversation
    }

    pub(super) fn at<C>(stage: Stage<L>, start: Instant, context: &Context<'_, C>) -> Self {
        Self {
            start,
            traffic: Traffic::default(),
            stage,
            attempt: None,
            answered: None,
            end: None,
            since: start,
            connects_left: context.own.resend.connect_retries,
            resending: Resending::default(),
        }
    }

    /// The next thing to do; the same as long as there is no answer to it.
    #[must_use]
    #[inline(always)]
    pub fn next<C: Client>(&self, context: &Context<'_, C>) -> Do {
        if let Some(attempt) = &self.attempt {
            return attempt.next(context);
        }
        match &self.stage {
            Stage::Connecting(way, _) => Do::Connection(way.next()),
            Stage::Asking(question) => Do::Connection(question.next()),
            Stage::Pause(_) => Do::Pause(context.own.resend.interval),
            Stage::Passing => Do::Pass { flush: false },
            Stage::Done => Do::Done,
        }
    }

    /// Whether other requests wait for what this one asks, or may do so. They may have all other threads,
    /// so this one must not give its own back.
    #[must_use]
    pub fn asks_for_others(&self) -> bool {
        matches!(&self.stage, Stage::Asking(question) if question.is_asking())
    }

    /// Takes what came of [`next`](Self::next). Anything that is no answer to it changes nothing.
    // A driver knows which answer it gives, so that nothing is left of the match where it is called.
    #[inline(always)]
    pub fn got<C: Client>(&mut self, what: What<L>, context: &mut Context<'_, C>) {
        let Some(attempt) = &mut self.attempt else { return self.got_before(what, context) };
        attempt.moment = None;
        let traffic = &mut self.traffic;
        let result = match what {
            What::Received(received) => attempt.received(received, context, traffic),
            What::Sent(sent) => attempt.sent(sent, context, traffic),
            What::Piece(piece) => attempt.read(piece, context, traffic),
            What::PieceNow(ready) => attempt.read_now(ready, context, traffic),
            What::BodyWait(ready) => attempt.body_waited(ready, context),
            What::Ahead(ahead) => attempt.read_ahead(ahead, context, traffic),
            What::Passed(passed) => attempt.passed(passed, context, traffic),
            What::Ready(ready) => attempt.waited(ready, context, traffic),
            What::ClientGone => Err(attempt.client_gone()),
            What::Connection(_) | What::Paused => return,
        };
        match result {
            Ok(false) => {}
            Ok(true) => self.answered(context),
            Err(error) => self.attempt_failed(*error, context),
        }
    }

    /// Takes what came before or after an attempt.
    fn got_before<C: Client>(&mut self, what: What<L>, context: &mut Context<'_, C>) {
        match (&mut self.stage, what) {
            (Stage::Connecting(way, goal), What::Connection(got)) => {
                let goal = *goal;
                if let Some(end) = way.got(got, &context.surroundings()) {
                    let at_once = way.ended_at_once();
                    self.connected(goal, end, at_once, context);
                }
            }
            (Stage::Passing, What::Passed(passed)) => self.passed(passed),
            (_, what) => self.rarely(what, context),
        }
    }

    /// The connections that a [`Do::Connection`] is about.
    pub fn connections(&mut self) -> Option<&mut dyn Connections<L>> {
        match &mut self.stage {
            Stage::Connecting(way, _) => Some(way),
            Stage::Asking(question) => Some(&mut **question),
            _ => None,
        }
    }

    /// The connection of the present attempt.
    pub fn connection(&mut self) -> Option<&mut L> {
        self.attempt.as_mut().map(|attempt| &mut *attempt.lease)
    }

    /// Lends the connection of the present attempt, and what is to be sent on it.
    pub fn send<C: Client, T>(
        &mut self,
        context: &Context<'_, C>,
        send: impl FnOnce(&mut L, &[&[u8]]) -> T,
    ) -> Option<T> {
        self.attempt.as_mut().map(|attempt| attempt.send(context, send))
    }

    /// How it ended, and what it cost. Before [`Do::Done`], it is the end of a client that is gone.
    pub fn take_end(&mut self) -> (End, Traffic) {
        let given_up = || Err(Failure::before_connection(ClientError::Gone));
        (self.end.take().unwrap_or_else(given_up), self.traffic)
    }

    #[cold]
    fn rarely<C: Client>(&mut self, what: What<L>, context: &mut Context<'_, C>) {
        match (&mut self.stage, what) {
            (Stage::Asking(question), What::Connection(got)) => {
                if let Some(end) = question.got(got, &context.surroundings()) {
                    self.admitted(end, context);
                }
            }
            (Stage::Pause(_), What::Paused) => self.paused(context),
            (Stage::Done, _) => {}
            (Stage::Passing, What::ClientGone) => self.passed(Err(ClientError::Gone)),
            (_, What::ClientGone) => {
                self.fail(Failure::before_connection(ClientError::Gone), context);
            }
            _ => {}
        }
    }

    #[cold]
    fn ask<C: Client>(&mut self, packet: usize, context: &Context<'_, C>) {
        match SizeQuestion::new(packet, &context.surroundings()) {
            Ok(question) => self.stage = Stage::Asking(Box::new(question)),
            Err(end) => self.admitted(end, context),
        }
    }

    /// The packet size that the container takes is known.
    #[cold]
    fn admitted<C: Client>(&mut self, end: Result<(), NotAdmitted>, context: &Context<'_, C>) {
        self.count_wait(context);
        match end {
            Ok(()) => self.connect(Goal::First, context),
            Err(NotAdmitted::Acquire(failure)) => {
                self.fail(Failure::before_connection(failure), context);
            }
            Err(NotAdmitted::TooLarge { packet, limit }) => {
                let status = context.request.too_large_status(limit);
                let error = ProxyError::RequestTooLarge { packet, limit, status };
                self.fail(Failure::before_connection(error), context);
            }
        }
    }

    /// A connection for this goal, in a place to be found.
    pub(super) fn connect<C>(&mut self, goal: Goal, context: &Context<'_, C>) {
        self.stage = Self::way(goal, context, &context.surroundings());
    }

    /// The way to it.
    fn way<C>(goal: Goal, context: &Context<'_, C>, with: &Surroundings<'_>) -> Stage<L> {
        let task = match goal {
            Goal::First => Task::Any { certain: !context.may_be_sent_again() },
            Goal::Replace | Goal::Again | Goal::Proof => Task::New,
        };
        Stage::Connecting(Acquisition::new(task, with), goal)
    }

    /// The way to a connection has ended.
    fn connected<C: Client>(
        &mut self,
        goal: Goal,
        end: Result<Lease<L>, AcquireFailure>,
        at_once: bool,
        context: &mut Context<'_, C>,
    ) {
        match (end, goal) {
            (Ok(lease), Goal::First) => {
                // What came before a further try was waited for, too.
                let is_first = self.connects_left == context.own.resend.connect_retries;
                if !(at_once && is_first) {
                    self.count_wait(context);
                }
                self.begin_attempt(lease, context);
            }
            (Ok(lease), goal) => self.connected_again(goal, lease, context),
            (Err(failure), goal) => self.not_connected(goal, failure, context),
        }
    }

    pub(super) fn begin_attempt<C: Client>(
        &mut self,
        lease: Lease<L>,
        context: &mut Context<'_, C>,
    ) {
        self.traffic.attempts += 1;
        self.traffic.reused = Some(lease.is_reused());
        let attempt = self.attempt.insert(Attempt::new(lease, self.start, context));
        let begun = attempt.begin(context);
        if let Err(error) = begun {
            self.attempt_failed(*error, context);
        }
    }

    /// The response has ended: gives the connection back first, since a slow client must not keep it.
    fn answered<C: Client>(&mut self, context: &Context<'_, C>) {
        let Some(attempt) = &mut self.attempt else { return };
        let Attempt { lease, exchange, failed_status, moment, .. } = attempt;
        let (usage, reused) = (lease.usage(), lease.is_reused());
        let reusable = exchange.finish(lease.unread());
        let retired = lease.retire();
        let Moment { now, after } = moment.unwrap_or_else(|| Moment::of(self.start, context));
        self.traffic.uploaded += exchange.uploaded();
        self.traffic.took = after;
        context.note_ahead(exchange, now);
        let is_early = exchange.is_answered_early();
        let attempts = self.traffic.attempts;
        let finished = Finished { attempts, usage, reused, failed_status: *failed_status };
        if let Some(Attempt { lease, .. }) = self.attempt.take() {
            give_back(lease, reusable, is_early, now, context);
        }
        self.answered = Some((finished, retired));
        self.stage = Stage::Passing;
    }

    /// The last of the response has been handed over, or not.
    fn passed(&mut self, passed: Result<(), ClientError>) {
        let Some((finished, retired)) = self.answered.take() else { return };
        drop(retired);
        let end = passed.map(|()| finished).map_err(|error| Failure {
            error: error.into(),
            phase: Phase::Body,
            usage: Some(finished.usage),
            reused: finished.reused,
            may_go_elsewhere: false,
        });
        self.stage = Stage::Done;
        self.end = Some(end);
    }

    /// The end without an answer.
    #[cold]
    pub(super) fn fail<C>(&mut self, failure: Failure, context: &Context<'_, C>) {
        self.traffic.took = (context.now)().saturating_duration_since(self.start);
        self.stage = Stage::Done;
        self.end = Some(Err(failure));
    }

    /// The wait since [`since`](Self::since) is counted, and counts from now on again.
    pub(super) fn count_wait<C>(&mut self, context: &Context<'_, C>) {
        let now = (context.now)();
        self.traffic.waited += now.saturating_duration_since(self.since);
        self.since = now;
    }
}

fn give_back<L: AjpConnection, C>(
    lease: Lease<L>,
    reusable: Option<Reusable>,
    is_early: bool,
    now: Instant,
    context: &Context<'_, C>,
) {
    match reusable {
        Some(proof) => {
            let keep = if context.own.keep {
                context.backend.keep(&lease)
            } else {
                Keep::Close(CloseReason::Forced)
            };
            lease.release(proof, now, keep);
        }
        None if is_early => drop(lease.discard(CloseReason::EarlyAnswer)),
        None => drop(lease),
    }
}

// Another thread may go on with it.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Conversation<Connection>>();
    is_send::<What<Connection>>();
    assert!(size_of::<What<Connection>>() <= 64, "an answer is moved in every step");
};
