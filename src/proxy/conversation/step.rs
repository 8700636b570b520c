//! The steps that the machine asks of its driver, and the answers.

use std::time::{Duration, Instant};

use crate::backend::acquisition::{Got, Need};
use crate::backend::{AjpConnection, Backend, Surroundings};
use crate::config::StatusFailure;
use crate::exchange::{Exchange, RequestBody, Window};
use crate::net::{NetError, Ready};
use crate::proxy::{BodyPiece, ClientError, Prepared, ReadyPiece, RequestSettings, Settings};

/// The next thing to do. Each names the answer that the machine expects; a wait ends with its time at the
/// latest, which counts from the moment at which it was first asked for.
///
/// A driver that does not wait in place may watch the client meanwhile, and answer any of them with
/// [`What::ClientGone`].
#[derive(Debug)]
pub enum Do {
    /// Do this on the way to a connection, with
    /// [`connections`](super::Conversation::connections). [`What::Connection`].
    Connection(Need),
    /// Send what the socket takes now, by [`send`](super::Conversation::send). [`What::Sent`].
    Send,
    /// Wait until the connection is ready for one of these, or the time is over. [`What::Ready`].
    Wait {
        /// Ready to receive from.
        readable: bool,
        /// Ready to send to.
        writable: bool,
        /// The longest wait.
        time: Duration,
    },
    /// Wait so long for bytes, and receive what is there; a zero wait only looks.
    /// [`What::Received`].
    Receive {
        /// The longest wait.
        time: Duration,
        /// Fewer bytes than this are nothing to act on: a driver may let them lie for a moment.
        at_least: usize,
    },
    /// Read the next piece of the request body, waiting for the client. [`What::Piece`].
    Piece {
        /// The longest piece.
        at_most: usize,
    },
    /// Read what there is of the next piece of the request body, without waiting. [`What::PieceNow`].
    PieceNow {
        /// The longest piece.
        at_most: usize,
    },
    /// Wait until there is more of the request body, at the client's
    /// [`body_socket`](crate::proxy::Client::body_socket), or the connection has something to receive, or
    /// the time is over. [`What::BodyWait`].
    BodyWait {
        /// Wait for the connection, too.
        backend: bool,
        /// The longest wait.
        time: Duration,
    },
    /// Take in what there is of the request body, without waiting. [`What::Ahead`].
    ReadAhead {
        /// The longest piece.
        at_most: usize,
    },
    /// The same, behind the present piece, which stays. [`What::Ahead`].
    Gather {
        /// The most bytes behind it.
        at_most: usize,
    },
    /// Hand over to the client what has been appended. [`What::Passed`].
    Pass {
        /// With a flush behind it.
        flush: bool,
    },
    /// Let this time pass. [`What::Paused`].
    Pause(Duration),
    /// Nothing: [`take_end`](super::Conversation::take_end) says how it ended.
    Done,
}

/// The answer to a [`Do`].
#[derive(Debug)]
pub enum What<L: AjpConnection> {
    /// On the way to a connection.
    Connection(Got<L>),
    /// How many bytes the socket took; 0 if it has no room.
    Sent(Result<usize, NetError>),
    /// The directions that the connection is ready for; none, if the time is over.
    Ready(Result<Ready, NetError>),
    /// How many bytes came; 0 if the peer has closed the connection.
    Received(Result<usize, NetError>),
    /// A piece of the request body, which the client keeps; empty at its end.
    Piece(Result<BodyPiece, ClientError>),
    /// What there was of the next piece, which the client keeps.
    PieceNow(Result<ReadyPiece, ClientError>),
    /// What the wait for the body has ended with.
    BodyWait(Result<BodyWait, NetError>),
    /// The available part of the body has been read.
    Ahead(Result<(), ClientError>),
    /// The appended parts have been handed over.
    Passed(Result<(), ClientError>),
    /// The time has passed.
    Paused,
    /// The client has closed its connection.
    ClientGone,
}

/// The sides that have something to read after [`Do::BodyWait`]; neither, if the time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyWait {
    /// The client.
    pub client: bool,
    /// The backend's connection.
    pub backend: bool,
}

/// The values that the machine uses in a step and does not keep.
pub struct Context<'a, C> {
    /// The backend, for what is known of it; nothing blocks.
    pub backend: &'a Backend,
    /// The worker's settings.
    pub settings: &'a Settings,
    /// Those of this request in place of its worker's.
    pub own: &'a RequestSettings,
    /// The request; the same in every step.
    pub request: &'a Prepared,
    /// The client, to append to; nothing blocks.
    pub client: &'a mut C,
    /// The clock.
    pub now: &'a dyn Fn() -> Instant,
}

impl<C> Context<'_, C> {
    /// The part of it that the way to a connection needs.
    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { backend: self.backend, settings: &self.settings.connect, now: self.now }
    }

    /// Whether the request may be sent again after the container may have acted on it.
    pub(super) fn may_be_sent_again(&self) -> bool {
        let resend = self.own.resend;
        resend.repeats > 0 && resend.after_send.unwrap_or(self.request.is_idempotent)
    }

    /// Whether an answer of this status counts as the worker's failure, where there is another worker.
    pub(super) fn fails(&self, status: u16) -> Option<StatusFailure> {
        if self.own.has_others { self.settings.worker.fail_status.of(status) } else { None }
    }

    /// Whether body packets may go ahead of being asked for.
    pub(super) fn sends_ahead(&self) -> bool {
        self.settings.worker.upload_ahead.bytes() > 0
    }

    /// How far they may.
    pub(super) fn window(&self, now: Instant) -> Window {
        if self.request.facts.body == RequestBody::None {
            return Window::default();
        }
        let bytes = self.settings.worker.upload_ahead.bytes();
        Window { bytes, shown: self.backend.upload_history().shown(now) }
    }

    /// Keeps with the backend what became of the packets that went ahead.
    pub(super) fn note_ahead(&self, exchange: &Exchange, now: Instant) {
        if let Some(ahead) = exchange.ahead() {
            self.backend.upload_history().note(ahead, now);
        }
    }
}

impl<C> std::fmt::Debug for Context<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("backend", self.backend.key()).finish_non_exhaustive()
    }
}
