//! The needs on the way to a connection, which a driver meets, and the answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::task::Task;
use crate::backend::packet_question::Question;
use crate::backend::{AcquireFailure, AjpConnection};
use crate::net::{Address, ConnectError, NetError, ResolveError};
use crate::pool::{AcquireError, Acquired, Lease};

/// One thing for a driver to do, and its answer. The longest wait is given where there is one; a driver
/// that does not wait in place remembers when it began.
#[derive(Clone, Debug)]
pub enum Need {
    /// Take a place in the pool, with the newest idle connection that is still good if there is one;
    /// wait for it in turn, as long as the limits allow. [`Got::Place`].
    Place,
    /// The same, but never with a connection. [`Got::Place`].
    FreshPlace,
    /// Look up the addresses of the backend; `again`: by asking the resolver whatever is remembered.
    /// [`Got::Addresses`].
    Addresses {
        /// None of those known has answered.
        again: bool,
    },
    /// Connect to this address, as long as the options allow. [`Got::Connected`].
    Connect(Address),
    /// Send of [`Connections::outgoing`] what the socket takes now. [`Got::Sent`].
    Send,
    /// Wait until this connection has room to send. [`Got::Waited`].
    Room(Which, Duration),
    /// Wait for bytes on this connection and receive them; a zero wait only looks. [`Got::Received`].
    Receive(Which, Duration),
    /// Wait until there is something to receive on either connection. [`Got::Waited`].
    Either(Duration),
    /// Wait for the answer to the question of another request, by [`Question::wait`], or without a thread
    /// by [`Question::answer_or_subscribe`]. That request bounds the time. [`Got::Answer`].
    Question(Arc<Question>),
    /// Do [`Connections::task`] as the source of connections does it, all in one step.
    /// [`Got::Lease`].
    InPlace,
    /// Nothing: it is over.
    Nothing,
}

/// One of the connections on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one out of the pool.
    Pooled,
    /// The one that has been opened.
    New,
}

/// The answer to a [`Need`]. Large and rare values are in a box, so that moving one costs little.
#[derive(Debug)]
pub enum Got<L: AjpConnection> {
    /// A place, or none.
    Place(Result<Acquired<L>, AcquireError>),
    /// All addresses of the backend.
    Addresses(Result<Arc<[SocketAddr]>, ResolveError>),
    /// A connection to the address.
    Connected(Result<Box<L>, ConnectError>),
    /// How many bytes the socket took; 0 if it has no room.
    Sent(Result<usize, NetError>),
    /// The wait is over, for whatever reason.
    Waited(Result<(), NetError>),
    /// How many bytes came; 0 if the peer has closed the connection.
    Received(Result<usize, NetError>),
    /// The other request's question has been answered, or why not.
    Answer(Option<Box<AcquireFailure>>),
    /// The result of the source of connections.
    Lease(Box<Result<Lease<L>, AcquireFailure>>),
}

/// The connections of a machine, lent to its driver for a step.
pub trait Connections<L: AjpConnection> {
    /// The connection that a [`Need`] is about.
    fn connection(&mut self, which: Which) -> Option<&mut L>;

    /// Both of them, for [`Need::Either`].
    fn pair(&self) -> Option<[&L; 2]>;

    /// The bytes to be sent, and the connection to send them on.
    fn outgoing(&mut self) -> Option<(&mut L, &[u8])>;

    /// The task for the source of connections; given once.
    fn task(&mut self) -> Option<Task<L>>;
}
