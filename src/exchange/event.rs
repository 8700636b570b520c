//! Events: what a packet means to the driver of an exchange.

use crate::protocol::{BufferSlice, SendHeaders};

/// One thing to do, in the order in which the container asked for it.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Status, reason and headers of the final response.
    Headers(SendHeaders),
    /// A 1xx response; the final one is still to come.
    Interim(SendHeaders),
    /// A piece of the response body: a slice of the receive buffer, never empty.
    Body(BufferSlice),
    /// The container's flush: everything received so far should reach the client now.
    Flush,
    /// The container waits for one body packet with at most this many bytes of data; one that was sent
    /// ahead is taken for it.
    WantBody {
        /// Never 0, and never more than a packet holds, whatever the container asked for.
        at_most: usize,
    },
    /// The response is complete, and as long as its headers announced.
    End {
        /// Whether the container keeps the connection open.
        reuse: bool,
    },
}

/// Evidence that a connection is clean: the pool keeps no connection without it.
///
/// Only [`Exchange::finish`](super::Exchange::finish) makes one.
#[derive(Debug)]
#[must_use = "without it the connection is closed"]
pub struct Reusable(());

impl Reusable {
    pub(super) fn new() -> Self {
        Self(())
    }
}
