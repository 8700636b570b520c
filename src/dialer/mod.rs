//! The agent `ajp-dialer`: opens the AJP connections to httpd for a container that cannot be reached
//! from there, and splices each to the container when its first byte arrives.
//!
//! ```text
//! httpd  <──dials──  ajp-dialer  ──connects──>  container
//!        ──request─>             ──request──>
//! ```
//!
//! For containers that cannot load the connector of `tomcat-connector/`. It keeps the same books
//! about ports and shakes hands the same way, but knows of AJP no more than where an answer ends.
//!
//! One thread, which waits in `poll` and in nothing else: every descriptor is non-blocking. Names
//! are resolved by a thread of their own, since `getaddrinfo` blocks.
//!
//! [`Agent`] is what the binary runs. [`ports`] decides what is dialled, without a socket or the
//! clock.

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
pub use settings::{ContainerAddress, HttpdPorts, Settings};

use std::io::Write;

/// Where the lines of the log go: standard error.
#[derive(Clone, Copy, Debug)]
struct Log {
    verbose: bool,
}

impl Log {
    /// Something that an administrator wants to know.
    fn say(self, line: impl std::fmt::Display) {
        // A closed standard error is no reason to end.
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// Something for whoever looks for a fault, with `--verbose`.
    fn detail(self, line: impl std::fmt::Display) {
        if self.verbose {
            self.say(line);
        }
    }
}
