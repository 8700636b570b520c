//! `ajp-dialer`: opens AJP connections to httpd for a container that httpd cannot reach.
//! The work is in `mod_proxy_ajp_rs::dialer`, the command line in
//! `mod_proxy_ajp_rs::command_line`. This is the limit of descriptors and the signals.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use clap::Parser;
use mod_proxy_ajp_rs::command_line::AjpDialer;
use mod_proxy_ajp_rs::dialer::Agent;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

fn main() -> ExitCode {
    match run(&AjpDialer::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("ajp-dialer: {error}"));
            ExitCode::from(2)
        }
    }
}

fn run(options: &AjpDialer) -> Result<(), Box<dyn std::error::Error>> {
    let settings = options.settings(say)?;
    let stop = signal_descriptor()?;
    raise_descriptor_limit(settings.max);
    Agent::new(settings)?.run(&stop)?;
    Ok(())
}

/// Returns a descriptor that receives one byte for each SIGTERM and SIGINT.
fn signal_descriptor() -> io::Result<OwnedFd> {
    let (stop, signalled) = UnixStream::pair()?;
    stop.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    Ok(stop.into())
}

/// Raises the limit of descriptors, if needed, to two for each connection and some spare ones.
fn raise_descriptor_limit(connections: usize) {
    let needed = 2 * connections as u64 + 64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
    let raised = setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum });
    if raised.is_err() || current < Some(needed) {
        say(&format!(
            "warning: --max {connections} needs {needed} file descriptors, but the limit is {}",
            limit.maximum.or(limit.current).unwrap_or_default()
        ));
    }
}

fn say(line: &str) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(io::stderr(), "{line}");
}
