//! Waits that a few bytes do not end (SO_RCVLOWAT), so that a thread is not woken for each of them.
//!
//! Setting that option takes a call that is not safe Rust: the layer above brings it. Without it, such a wait
//! ends at once.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::io::Errno;

use super::{NetError, io};

/// Sets SO_RCVLOWAT of a socket to so many bytes.
pub type SetLowWater = fn(BorrowedFd<'_>, usize) -> Result<(), Errno>;

/// How long fewer bytes than are waited for may lie unseen: where they mean something all the same, that is
/// late by no more than this.
pub const MOST_UNSEEN: Duration = Duration::from_millis(20);

static SET: OnceLock<SetLowWater> = OnceLock::new();

/// Brings the call that sets it; the first one counts.
pub fn bring(set: SetLowWater) {
    // A second one is the same: a process has one module.
    let _ = SET.set(set);
}

/// Waits until `at_least` bytes can be received, or the peer has closed, or [`MOST_UNSEEN`] is over. The option
/// is 1 again afterwards, so that no other wait meets it.
pub(super) fn wait(socket: impl AsFd, at_least: usize) -> Result<(), NetError> {
    let socket = socket.as_fd();
    let Some(set) = SET.get() else { return Ok(()) };
    // Where the system has no such option, a wait ends with the first byte.
    if set(socket, at_least).is_err() {
        return Ok(());
    }
    let waited = io::wait_readable(socket, MOST_UNSEEN);
    set(socket, 1)?;
    waited.map(drop)
}
