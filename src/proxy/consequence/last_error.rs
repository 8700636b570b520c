//! What a failure says of its worker: whether it counts against it, and what is kept as its last error.

use rustix::io::Errno;

use crate::backend::AcquireFailure;
use crate::net::ConnectError;
use crate::proxy::{Failure, ProxyError};
use crate::stats::{ErrorDetail, ErrorReason};

impl Failure {
    /// Whether the failure says something of the worker, so that several in a row mean that it fails. The
    /// client's faults do not, nor does a lack of free connections: enough slow requests cause that, also to
    /// a worker that is well. Nor do errors of this module.
    #[must_use]
    pub fn is_of_worker(&self) -> bool {
        match self.reason() {
            ErrorReason::Client
            | ErrorReason::Busy
            | ErrorReason::BusyLimit
            | ErrorReason::RequestTooLarge
            | ErrorReason::Internal => false,
            ErrorReason::NoInboundConnection => !self.is_busy_reverse(),
            _ => true,
        }
    }

    /// The detail of the failure that is kept beside its reason.
    #[must_use]
    pub fn detail(&self) -> ErrorDetail {
        match &self.error {
            ProxyError::Acquire(AcquireFailure::Connect { source, .. }) => of_connect(source),
            ProxyError::Acquire(AcquireFailure::NoInboundConnection { is_gone, .. }) => {
                ErrorDetail(u16::from(*is_gone))
            }
            ProxyError::FailStatus { status, .. } => ErrorDetail(*status),
            _ => ErrorDetail::default(),
        }
    }

    /// Whether the container has connections open, but none was free.
    fn is_busy_reverse(&self) -> bool {
        let ProxyError::Acquire(failure) = &self.error else { return false };
        matches!(failure, AcquireFailure::NoInboundConnection { is_gone: false, .. })
    }
}

fn of_connect(error: &ConnectError) -> ErrorDetail {
    let errno = match error {
        ConnectError::TimedOut { .. } => return ErrorDetail::default(),
        ConnectError::Refused | ConnectError::SelfConnection => Errno::CONNREFUSED,
        ConnectError::NoFile => Errno::NOENT,
        ConnectError::Io(errno) => *errno,
    };
    ErrorDetail(u16::try_from(errno.raw_os_error()).unwrap_or(0))
}
