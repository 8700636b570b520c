//! Clients over TLS and HTTP/2: curl, with several requests at once on one connection.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::answer::{Ask, Outcome, judge};

/// A protocol that curl speaks here.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    Http2,
}

/// The exit code of a transfer that took longer than `--max-time`.
const TIMED_OUT: &str = "28";

/// The exit code of a transfer whose connection was reset.
const RESET: &str = "56";

/// Sends these GET requests, and says what came of each.
pub fn ask_all(protocol: Protocol, port: u16, asks: &[Ask], folder: &Path) -> Vec<Outcome> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--noproxy", "*", "--max-time", "60"]);
    match protocol {
        Protocol::Tls => command.arg("--http1.1"),
        Protocol::Http2 => command.args(["--http2", "--parallel", "--parallel-immediate"]),
    };
    command.args(["--write-out", "%{urlnum} %{http_code} %{exitcode} %{num_connects}\\n"]);
    let file = |at: usize| folder.join(format!("{at}"));
    for (at, ask) in asks.iter().enumerate() {
        // What a request before this one has left.
        let _ = fs::remove_file(file(at));
        command.arg("--output").arg(file(at));
        command.arg(format!("https://127.0.0.1:{port}{}", ask.target()));
    }
    let output = command.output().expect("curl is installed (ci/setup)");
    let mut outcomes = vec![Outcome::Hung; asks.len()];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let [at, status, code, connects] = line.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let Ok(at) = at.parse::<usize>() else { continue };
        let body = fs::read(file(at)).unwrap_or_default();
        outcomes[at] = match (status.parse(), code) {
            (_, TIMED_OUT) => Outcome::Hung,
            // On a connection of a request before this one: httpd may have closed it, as it does when it restarts.
            (Ok(0) | Err(_), _) if connects == "0" => Outcome::Closed,
            (Ok(0) | Err(_), _) => Outcome::Broken,
            (Ok(status), code) => judge(&asks[at], status, &body, code == "0"),
        };
        if matches!((&outcomes[at], protocol, code), (Outcome::Broken, Protocol::Http2, RESET)) {
            outcomes[at] = Outcome::Reset;
        }
    }
    outcomes
}
