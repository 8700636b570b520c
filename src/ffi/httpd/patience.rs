//! How long a request waits for input filters that deliver nothing of its body.

use std::thread;
use std::time::{Duration, Instant};

use crate::ffi::httpd::request::Request;
use crate::proxy::ClientError;

/// The time for which input filters have delivered nothing. A read that waits should return data, the
/// end or an error; but a filter may return nothing, and report success, forever.
#[derive(Default)]
pub(crate) struct Patience {
    /// The first time that a read returned nothing.
    since: Option<Instant>,
}

impl Patience {
    /// Pauses before the filters are asked again after a read that returned nothing. The pauses grow
    /// with the time that this has lasted.
    ///
    /// # Errors
    /// This has lasted for `Timeout`.
    #[cold]
    pub(crate) fn wait(&mut self, request: Request<'_>) -> Result<(), ClientError> {
        let now = Instant::now();
        let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
        let after = request.timeout();
        if waited >= after {
            return Err(ClientError::BodyWithheld { after });
        }
        // A filter that unpacks a body may well want a few pieces of it before it gives one.
        thread::sleep((waited / 8).min(MAX_PAUSE));
        Ok(())
    }
}

/// Short beside the pauses of a client that sends slowly.
const MAX_PAUSE: Duration = Duration::from_millis(20);
