//! The parent's listening sockets over its restarts.
//!
//! A restart that keeps a port takes over the socket, which children of before go on using, with what
//! waits in its queue. One that does not close it, also where the configuration no longer loads this
//! module: then nothing of ours runs, and APR alone closes what is [kept](keep).

use std::ffi::{CStr, c_int};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use parking_lot::Mutex;

use crate::ffi::sys;
use crate::net::Listener;

/// Sockets of before the restart, from check_config to post_config. Closed if nobody takes them.
#[derive(Debug, Default)]
pub(crate) struct TakenOver(Mutex<Vec<(SocketAddr, Listener)>>);

impl TakenOver {
    /// Takes over what the parent has.
    ///
    /// # Safety
    /// This is httpd's main thread, in check_config, with its pool for logs.
    pub(crate) unsafe fn fill(&self, plog: *mut sys::apr_pool_t) {
        // SAFETY: as the caller promises.
        let kept = (0..).map_while(|number: c_int| unsafe {
            let fd = sys::ajp_shim_kept_listener(plog, number);
            // Open, since APR closes it together with the table.
            (fd >= 0).then(|| copy(fd).ok())
        });
        // SAFETY: as the caller promises.
        let older = unsafe { older() };
        let all = kept.flatten().map(Listener::from_fd).chain(older);
        let known = all.filter_map(|listener| Some((listener.listens_at()?, listener)));
        self.0.lock().extend(known);
    }

    /// The socket that listens at this address.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<Listener> {
        let mut all = self.0.lock();
        let at = all.iter().position(|(other, _)| *other == address)?;
        Some(all.swap_remove(at).1)
    }

    /// Ends what nobody has taken, in the children of before as well.
    pub(crate) fn end(&self) {
        for (_, listener) in self.0.lock().drain(..) {
            listener.end();
        }
    }
}

/// Sockets of the version of this module that kept them for good. What is not as it was noted is
/// somebody else's, and left alone.
///
/// # Safety
/// This is httpd's main thread.
unsafe fn older() -> Vec<Listener> {
    let mut all = Vec::new();
    for number in 0.. {
        let mut address = std::ptr::null();
        // SAFETY: a place of ours; as the caller promises.
        let fd = unsafe { sys::ajp_shim_older_listener(number, &raw mut address) };
        if fd < 0 {
            break;
        }
        // SAFETY: the shim has found its end.
        let address = unsafe { CStr::from_ptr(address) }.to_string_lossy();
        // SAFETY: any number may be asked for: what is not open cannot be copied.
        let Ok(copy) = (unsafe { copy(fd) }) else { continue };
        let listener = Listener::from_fd(copy);
        if listener.listens_at().is_some_and(|at| at.to_string() == address) {
            all.push(listener);
            // SAFETY: that socket, which the older version has left open for us.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    // SAFETY: as the caller promises.
    unsafe { sys::ajp_shim_forget_older_listeners() };
    all
}

/// Has the parent keep the socket open until the next restart; `None`: there are too many.
///
/// # Safety
/// This is httpd's main thread, in post_config, with its pool for logs.
pub(crate) unsafe fn keep(plog: *mut sys::apr_pool_t, listener: Listener) -> Option<RawFd> {
    let raw = OwnedFd::from(listener).into_raw_fd();
    // SAFETY: as the caller promises; a socket that is nobody else's.
    match unsafe { sys::ajp_shim_keep_listener(plog, raw) } {
        0 => {
            // SAFETY: it is still ours.
            drop(unsafe { OwnedFd::from_raw_fd(raw) });
            None
        }
        _ => Some(raw),
    }
}

/// # Safety
/// Nobody closes `raw` during the call.
pub(crate) unsafe fn copy(raw: RawFd) -> Result<OwnedFd, rustix::io::Errno> {
    // SAFETY: as the caller promises.
    rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(raw) }, 0)
}
