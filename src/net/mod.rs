//! Sockets and deadlines: connects, accepts, sends, receives and peeks, each bounded in time.
//!
//! Knows neither AJP nor the pool. All sockets made here are close-on-exec (CGI children must not
//! inherit them), and never raise SIGPIPE.
//!
//! The work is done by free functions over [`AsFd`](std::os::fd::AsFd) that ask the kernel not to
//! block call by call (`MSG_DONTWAIT`), so they hold their time limits on a blocking descriptor
//! too, such as the one that mod_proxy_hcheck owns and hands us. A [`Stream`] owns its descriptor, and
//! waits for bytes in the receive itself.
//!
//! # Time
//!
//! A `timeout` bounds each wait in which nothing moves, as httpd's socket timeout does, and not the whole
//! call: a slow peer that makes progress does not time out. [`Duration::ZERO`] tries once,
//! [`Duration::MAX`] waits forever. A [`Deadline`] bounds a whole series of waits.
//!
//! [`Duration::ZERO`]: std::time::Duration::ZERO
//! [`Duration::MAX`]: std::time::Duration::MAX

#![forbid(unsafe_code)]

mod address;
mod connect;
mod deadline;
mod error;
mod io;
mod listener;
pub mod low_water;
mod pending_stream;
mod random;
mod resolve;
mod stream;
mod wait_set;
mod watch;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use connect::ConnectOptions;
pub use deadline::{BegunWait, Deadline};
pub use error::{ConnectError, NetError, SendError};
pub use io::{
    IdleState, Ready, Received, are_quiet, idle_state, is_reset, receive, receive_now, send_all,
    send_now, wait_any_readable, wait_either_readable, wait_for_room, wait_readable, wait_writable,
};
pub use listener::{Listener, Waker};
pub use pending_stream::PendingStream;
pub use random::random;
pub use resolve::{ResolveError, resolve};
pub use rustix::io::Errno;
pub use stream::Stream;
pub use wait_set::{ClientInterest, Interest, WaitSet, Woken};
pub use watch::{Watch, wait_any};
