//! The worker's settings for a request.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::ConnectSettings;
use crate::config::{FailStatus, WorkerSettings};

/// Everything a worker decides about one request.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to come by a connection.
    pub connect: ConnectSettings,
    /// The longest wait for the backend to take something, or to go on within a packet.
    pub timeout: Duration,
    /// The longest wait for the next packet of a response.
    pub reply_timeout: Duration,
    /// Whether the connection may serve another request afterwards.
    pub keep: bool,
    /// When what has arrived is pushed on to the client.
    pub flush: Flush,
    /// The rules for resending.
    pub resend: Resend,
    /// The worker is one of several: answers that count as its failure, and are another's to give.
    /// `None`: there is no other.
    pub fail_status: Option<FailStatus>,
    /// Our own parameters of the worker, for those that need no more than their value.
    pub worker: Arc<WorkerSettings>,
}

/// `flushpackets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// When the backend says so.
    Off,
    /// After whatever has been received.
    On,
    /// After nothing more has come for this long.
    Auto(Duration),
}

/// `retries`, `retryinterval` and `recovery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// How often a request is sent again to the same backend.
    pub retries: u32,
    /// How often it may still be sent again, to this backend or another one, where a backend may have
    /// acted on it.
    pub repeats: u32,
    /// There is no other backend, and has been none, to send it to.
    pub is_alone: bool,
    /// How often connecting is tried again.
    pub connect_retries: u32,
    /// The pause before either.
    pub interval: Duration,
    /// The rule of `recovery` for this method once it has been sent; `None`: it is not set.
    pub after_send: Option<bool>,
}

impl Default for Resend {
    /// Resends what is safe, once, at once; does not retry a refused connection.
    fn default() -> Self {
        Self {
            retries: 1,
            repeats: 1,
            is_alone: true,
            connect_retries: 0,
            interval: Duration::ZERO,
            after_send: None,
        }
    }
}
