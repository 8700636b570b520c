//! Options of sockets that rustix does not have.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::net::Errno;

/// Sets an option whose value is a number (setsockopt).
///
/// # Errors
/// The system's: it does not know the option, or not for this socket.
pub(crate) fn set(
    socket: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: c_int,
) -> Result<(), Errno> {
    // SAFETY: an open descriptor, since it is borrowed, and a number that is read during the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if status == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
