//! The task of getting a connection.

use crate::backend::AjpConnection;
use crate::pool::Lease;

/// The kind of connection that a request wants of its backend.
#[derive(Debug)]
pub enum Task<L: AjpConnection> {
    /// A connection, idle or new.
    ///
    /// An idle one that does not answer CPING is closed together with all that have been idle longer,
    /// and a new one takes its place.
    Any {
        /// For a request that must not be sent twice: an idle connection that the backend may be
        /// closing at this moment, by what it has shown, is not used for it. (Where CPING is sent
        /// first, that is answer enough.)
        certain: bool,
    },
    /// A new connection, whether or not there are idle ones.
    New,
    /// A new connection in the place of one that has failed, which is closed first: whoever waits
    /// for a place came later. Never fails because all places are taken.
    Replace(Lease<L>),
    /// The same connection, if a container answers on it within a second.
    Proof(Lease<L>),
    /// A connection for a question that is no request: one on which a container has just answered, if
    /// none can be opened at will.
    Own,
}
