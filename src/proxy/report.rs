//! What came of a request, and what it cost.

use std::time::Duration;

use crate::backend::Usage;
use crate::config::StatusFailure;

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// How often the request was sent to this backend.
    pub attempts: u32,
    /// The last connection.
    pub usage: Usage,
    /// It came from the pool.
    pub reused: bool,
    /// The answer is one of `failstatus`, but could be nobody else's to give.
    pub failed_status: Option<StatusFailure>,
}

/// What a request cost, whether it was answered or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Request body bytes sent, without framing, over all attempts.
    pub uploaded: u64,
    /// Response body bytes received, without framing.
    pub downloaded: u64,
    /// How often the request was sent, if only in part.
    pub attempts: u32,
    /// How often it was sent again, or is to be sent to another backend, although one may have acted
    /// on it.
    pub repeats: u32,
    /// The time it took to come by connections.
    pub waited: Duration,
    /// The last connection came from the pool; `None`: there was none.
    pub reused: Option<bool>,
    /// From the beginning, waiting included, to the end of the response or the failure.
    pub took: Duration,
    /// From the beginning to the response's status and headers; `None`: they did not come.
    pub first_byte: Option<Duration>,
    /// The status of the response; `None`: it did not come so far.
    pub status: Option<u16>,
}
