//! The agent `ajp-dialer`: opens AJP connections to httpd for a container that httpd cannot reach, and
//! splices each to the container when its first byte arrives.
//!
//! ```text
//! httpd  <─connects─  ajp-dialer  ─connects─>  container
//!        ──request─>              ─request──>
//! ```
//!
//! It is for containers that cannot load the connector of `tomcat-connector/`. It manages ports and
//! does the handshake as the connector does, but all it knows of AJP is where a response ends.
//!
//! One thread does all the work. It waits in `poll` only: every descriptor is non-blocking. A second
//! thread resolves names, because `getaddrinfo` blocks.
//!
//! The binary runs an [`Agent`]. [`ports`] decides which port is connected to next, without a socket
//! or the clock.

#![forbid(unsafe_code)]

mod agent;
mod answers;
mod attempt;
mod connection;
mod container;
mod names;
mod pipe;
mod ports;
mod settings;
mod splice;
mod waiting;

pub use agent::{Agent, Ended};
#[cfg(feature = "fuzzing")]
pub use answers::check_answers;
pub use settings::{ContainerAddress, HttpdPorts, Settings};

use std::io::Write;

/// Writes log lines to standard error.
#[derive(Clone, Copy, Debug)]
struct Log {
    verbose: bool,
}

impl Log {
    /// Logs a line for the administrator.
    fn say(self, line: impl std::fmt::Display) {
        // A closed standard error is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// Logs a line for troubleshooting, with `--verbose`.
    fn detail(self, line: impl std::fmt::Display) {
        if self.verbose {
            self.say(line);
        }
    }
}
