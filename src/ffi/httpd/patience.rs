//! How long a request waits for input filters that give nothing of its body.

use std::thread;
use std::time::{Duration, Instant};

use crate::ffi::httpd::request::Request;
use crate::proxy::ClientError;

/// A read that is to wait gives something, the end, or an error; a filter may give nothing all the
/// same, and report success, forever.
#[derive(Default)]
pub(crate) struct Patience {
    /// The first time that nothing came.
    since: Option<Instant>,
}

impl Patience {
    /// Nothing has come: lets a moment pass before the filters are asked again, a longer one the longer
    /// this goes on.
    ///
    /// # Errors
    /// It has gone on for `Timeout`.
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

/// Short enough to be no matter beside a client that sends slowly.
const MAX_PAUSE: Duration = Duration::from_millis(20);
