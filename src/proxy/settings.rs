//! The worker's settings for a request.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::ConnectSettings;
use crate::config::WorkerSettings;

/// The worker's settings for its requests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings for connections.
    pub connect: ConnectSettings,
    /// The longest wait for the backend to accept data, or to continue a packet.
    pub timeout: Duration,
    /// When received data is flushed to the client.
    pub flush: Flush,
    /// Our own parameters of the worker, for code that needs only their values.
    pub worker: Arc<WorkerSettings>,
    /// Those of a request that has none of its own, and to whose backend there is no other.
    pub usual: RequestSettings,
}

/// The settings that a request may have in place of its worker's.
#[derive(Clone, Copy, Debug)]
pub struct RequestSettings {
    /// The longest wait for the next packet of a response.
    pub reply_timeout: Duration,
    /// Whether the connection may serve another request afterwards.
    pub keep: bool,
    /// The rules for resending.
    pub resend: Resend,
    /// Whether there is another worker, which may replace an answer that `failstatus` lists.
    pub has_others: bool,
}

/// `flushpackets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// When the backend flushes.
    Off,
    /// After everything that is received.
    On,
    /// When nothing more has arrived for this long.
    Auto(Duration),
}

/// `retries`, `retryinterval` and `recovery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// How often a request is resent to the same backend.
    pub retries: u32,
    /// How often it may still be resent, to this backend or another one, after a backend may have
    /// executed it.
    pub repeats: u32,
    /// Whether there is no other backend to send it to, and has been none.
    pub is_alone: bool,
    /// How often connecting is tried again.
    pub connect_retries: u32,
    /// The pause before each retry.
    pub interval: Duration,
    /// The rule of `recovery` for this method after the request was sent; `None`: it is not set.
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
