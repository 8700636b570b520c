//! The needs on the way to a connection, which a driver meets, and the answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::packet_question::Question;
use crate::backend::{AcquireFailure, AjpConnection, NoListener};
use crate::net::{Address, ConnectError, NetError, ResolveError, Waker};
use crate::pool::{AcquireError, Acquired};

/// One thing for a driver to do, and its answer. The longest wait is given where there is one; a driver
/// that does not wait in place remembers when it began.
#[derive(Clone, Debug)]
pub enum Need {
    /// Take a place in the pool, with the newest idle connection that is still good if there is one;
    /// wait for it in turn, as long as the limits allow. [`Got::Place`].
    Place {
        /// When it was first asked for, for a driver that has not waited since.
        since: Instant,
    },
    /// The same, but never with a connection. [`Got::Place`].
    FreshPlace,
    /// The same as `Place`, but wait so long, whatever the limits say. [`Got::Place`].
    PlaceWithin(Duration),
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
    /// Look for a reverse connection that is verified; never waits. [`Got::Accepted`].
    Accept {
        /// Where there is no key, CPING must be answered within this time.
        ping: Option<Duration>,
    },
    /// Make a waker, or give the one that the driver has for this request. [`Got::Waker`].
    Waker,
    /// Wait until there may be a reverse connection, or one that came back may have been handed over.
    /// [`Got::Waited`], after taking the wake-ups; it may come early, for any reason.
    Inbound(Box<Inbound>),
    /// Nothing: it is over.
    Nothing,
}

/// A wait for a reverse connection. A driver waits for the sockets of the port, by
/// [`Backend::inbound_sockets`](crate::backend::Backend::inbound_sockets), and for these.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Woken when a connection has come back, or when the request has come to the front of the line.
    pub waker: Arc<Waker>,
    /// Something may come on this connection as well.
    pub beside: Option<Which>,
    /// The longest wait.
    pub time: Duration,
    /// The port is watched: the request is at the front of the line.
    pub(in crate::backend) is_at_front: bool,
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
    /// The result of the look.
    Accepted(Result<Accepted<L>, NoListener>),
    /// A waker, or no descriptor is left.
    Waker(Result<Arc<Waker>, NetError>),
}

/// The result of a look for a reverse connection.
#[derive(Debug)]
pub struct Accepted<L> {
    /// A connection that is alive, allowed and verified.
    pub connection: Option<Box<L>>,
    /// A peer has been asked for its proof, and may still give it.
    pub is_any_asked: bool,
}

/// The connections of a machine, lent to its driver for a step.
pub trait Connections<L: AjpConnection> {
    /// The connection that a [`Need`] is about.
    fn connection(&mut self, which: Which) -> Option<&mut L>;

    /// Both of them, for [`Need::Either`].
    fn pair(&self) -> Option<[&L; 2]>;

    /// The bytes to be sent, and the connection to send them on.
    fn outgoing(&mut self) -> Option<(&mut L, &[u8])>;
}
