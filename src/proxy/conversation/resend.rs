//! After an attempt has failed: whether the request is sent again, and over which connection.

use super::machine::{Conversation, Goal, Stage, Then};
use super::step::Context;
use crate::backend::{AcquireFailure, Acquisition, AjpConnection, Task};
use crate::exchange::Phase;
use crate::messages::Message;
use crate::pool::Lease;
use crate::proxy::consequence::Party;
use crate::proxy::consequence::resend::{self, Replay};
use crate::proxy::{Client, Failure, ProxyError};

impl<L: AjpConnection> Conversation<L> {
    /// The attempt has failed.
    #[cold]
    pub(super) fn attempt_failed<C: Client>(
        &mut self,
        error: ProxyError,
        context: &mut Context<'_, C>,
    ) {
        let Some(attempt) = self.attempt.take() else { return };
        self.traffic.uploaded += attempt.exchange.uploaded();
        context.note_ahead(&attempt.exchange, self.start);
        let body_is_kept = attempt.body_is_kept(context);
        // The answer that counts as a failure is another's to give: to the client it is none.
        let phase = match error {
            ProxyError::FailStatus { .. } => Phase::Headers,
            _ => attempt.exchange.phase(),
        };
        let (failure, lease) = failed(error, phase, attempt.lease, context);
        self.judge(failure, body_is_kept, lease, context);
    }

    fn judge<C: Client>(
        &mut self,
        mut failure: Failure,
        body_is_kept: bool,
        failed: Lease<L>,
        context: &mut Context<'_, C>,
    ) {
        let resend = context.own.resend;
        let may_have_acted = resend::may_have_acted(&failure);
        let count = match may_have_acted {
            true => &mut self.resending.repeated,
            false => &mut self.resending.unwritten,
        };
        let replay = Replay {
            is_idempotent: context.request.is_idempotent,
            after_send: resend.after_send,
            body_is_kept,
            retries_left: resend.retries.saturating_sub(*count),
            repeats_left: resend.repeats.saturating_sub(self.traffic.repeats),
            has_others: context.own.has_others,
            is_alone: resend.is_alone,
        };
        let is_same = resend::same_backend(&failure, replay);
        failure.may_go_elsewhere = !is_same && resend::other_backend(&failure, replay);
        if may_have_acted && (is_same || failure.may_go_elsewhere) {
            self.traffic.repeats += 1;
        }
        if !is_same {
            drop(failed);
            return self.fail(failure, context);
        }
        *count += 1;
        context.client.note(
            Message::SentAgain,
            format_args!(
                "{}: {} while {}, sending the request again on a new connection",
                context.backend.key(),
                failure.error,
                failure.phase.words()
            ),
        );
        let is_doubtful = may_have_acted && replay.has_others;
        self.resending.last = is_doubtful.then(|| Box::new((failure, replay)));
        self.pause(Then::Replace(failed), context);
    }

    fn pause<C: Client>(&mut self, then: Then<L>, context: &mut Context<'_, C>) {
        self.stage = Stage::Pause(then);
        if context.own.resend.interval.is_zero() {
            self.paused(context);
        }
    }

    /// The pause before what comes then is over.
    #[cold]
    pub(super) fn paused<C: Client>(&mut self, context: &mut Context<'_, C>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        let Stage::Pause(then) = stage else { return };
        match then {
            Then::Replace(failed) => {
                self.since = (context.now)();
                let way = Acquisition::new(Task::Replace(failed), &context.surroundings());
                self.stage = Stage::Connecting(way, Goal::Replace);
            }
            Then::Connect(goal) => self.connect(goal, context),
        }
    }

    /// No connection. If that was to replace one that failed, there is a place to be found for each
    /// further attempt at it.
    #[cold]
    pub(super) fn not_connected<C: Client>(
        &mut self,
        goal: Goal,
        failure: AcquireFailure,
        context: &mut Context<'_, C>,
    ) {
        let is_tried_again = resend::may_connect_again(&failure);
        let connect_retries = context.own.resend.connect_retries;
        match goal {
            Goal::Proof => self.without_proof(context),
            Goal::First | Goal::Again if self.connects_left > 0 && is_tried_again => {
                self.connects_left -= 1;
                self.pause(Then::Connect(goal), context);
            }
            Goal::Replace if connect_retries > 0 => {
                self.count_wait(context);
                self.connects_left = connect_retries;
                self.pause(Then::Connect(Goal::Again), context);
            }
            Goal::First | Goal::Again | Goal::Replace => {
                self.count_wait(context);
                self.fail(Failure::before_connection(failure), context);
            }
        }
    }

    /// A connection for a further attempt. A container that stops takes new connections and resets
    /// them: what is sent over such a one counts as executed, and may have been the last time. CPING
    /// does not.
    #[cold]
    pub(super) fn connected_again<C: Client>(
        &mut self,
        goal: Goal,
        lease: Lease<L>,
        context: &mut Context<'_, C>,
    ) {
        self.count_wait(context);
        let has_answered = context.settings.connect.pings.connect.is_some();
        if matches!(goal, Goal::Proof) || has_answered || self.resending.last.is_none() {
            return self.begin_attempt(lease, context);
        }
        let way = Acquisition::new(Task::Proof(lease), &context.surroundings());
        self.stage = Stage::Connecting(way, Goal::Proof);
    }

    /// No container answers on the new connection: the attempt that failed was the last one here.
    fn without_proof<C: Client>(&mut self, context: &Context<'_, C>) {
        self.count_wait(context);
        let Some(last) = self.resending.last.take() else { return };
        let (mut failure, replay) = *last;
        failure.may_go_elsewhere = resend::other_backend(&failure, replay);
        self.fail(failure, context);
    }
}

/// The failure with its connection, which is good for nothing but its place.
fn failed<L: AjpConnection, C>(
    error: ProxyError,
    phase: Phase,
    lease: Lease<L>,
    context: &Context<'_, C>,
) -> (Failure, Lease<L>) {
    let failure = Failure {
        error,
        phase,
        usage: Some(lease.usage()),
        reused: lease.is_reused(),
        may_go_elsewhere: false,
    };
    match failure.ended_by() {
        Party::Backend => {
            context.backend.connection_died();
            if !phase.is_answered() {
                context.backend.request_in_doubt(context.request.packet.len());
            }
        }
        Party::Client if context.settings.worker.resets_on_client_error() => {
            lease.reset_when_closed()
        }
        Party::Client | Party::Module => {}
    }
    (failure, lease)
}
