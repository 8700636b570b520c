//! How connections to a backend are opened and tested.

use std::time::Duration;

use crate::config::Pings;
use crate::net::ConnectOptions;
use crate::pool::Limits;

/// How connections to a backend are opened and tested, as the worker says at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectSettings {
    /// Options of the socket; its timeout counts for each address.
    pub options: ConnectOptions,
    /// How long addresses are remembered; `None`: until none of them answers.
    pub address_ttl: Option<Duration>,
    /// When CPING is sent, and how long CPONG may take.
    pub pings: Pings,
    /// The pool's limits.
    pub limits: Limits,
}
