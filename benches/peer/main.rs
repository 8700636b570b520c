//! Both ends of `ci/bench`, as cheap as possible: on a small machine, the httpd between them lacks the
//! time that they use.
//!
//! ```text
//! bench_peer backend                       prints its ports, answers until it is killed
//! bench_peer load 127.0.0.1:8080 /b/128 …  sends a number of requests, prints how long it took
//! bench_peer relay 1000 127.0.0.1:8009 …  prints its ports, passes bytes on with a delay until it is killed
//! bench_peer crowd 127.0.0.1:8080 /b/wait-1000/{} …  sends the requests of many clients, prints how fast they were answered
//! ```

mod ajp;
mod answers;
mod backend;
mod client;
mod crowd;
mod figures;
mod http;
mod load;
mod poll;
mod relay;
mod timers;
mod transport;

use std::net::Ipv4Addr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["backend"] => backend::run(Ipv4Addr::LOCALHOST).map_err(|error| error.to_string()),
        ["backend", address] => match address.parse() {
            Ok(address) => backend::run(address).map_err(|error| error.to_string()),
            Err(error) => Err(format!("{address}: {error}")),
        },
        ["relay", rest @ ..] => relay::Plan::parse(rest)
            .and_then(|plan| relay::run(&plan).map_err(|error| error.to_string())),
        ["load", rest @ ..] => load::Plan::parse(rest).and_then(|plan| load::run(&plan)),
        ["crowd", rest @ ..] => crowd::Plan::parse(rest).and_then(|plan| crowd::run(&plan)),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench_peer: {error}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "usage: bench_peer backend [ADDRESS]
       bench_peer relay MICROSECONDS ADDRESS…
       bench_peer load ADDRESS PATH --expect BYTES [--requests N] [--connections N] [--seconds N] [--body BYTES]
       bench_peer crowd ADDRESS PATH [--clients N] [--requests N] [--time MS] [--ramp MS] [--warm MS] [--pause MS]
                        [--answer TEXT] [--open PATH] [--tls CA-FILE]";
