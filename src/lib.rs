//! An AJP/1.3 proxy for Apache httpd 2.4: the module `mod_proxy_ajp_rs`.
//!
//! # The layers
//!
//! ```text
//! ffi          the only layer that knows httpd; unsafe lives here and nowhere else
//! proxy        drives one request; decides retry, reuse, status
//! backend      one AJP connection: connect, CPING; what the pool stores
//! net          sockets and deadlines
//! status       the figures, written out for people and scripts; operators' orders
//! exchange  pool  config  stats       state machine | leases | settings | counters
//! shared       state of members that all children share, as atomics
//! balance      the choice of a member for a request, without httpd, clock or lock
//! protocol     bytes <-> AJP packets
//! messages     the numbers and levels of the log's lines
//! sync         locks and atomics by name, for `schedules/` to replace
//! ```
//!
//! `dialer`, above `net` and `protocol`, is not a part of the module: it is the agent `ajp-dialer`.
//!
//! A layer imports only layers below it; `tests/layering.rs` fails otherwise. Everything below
//! `ffi` builds and tests without httpd: `cargo test --no-default-features`.
//!
//! Beside them stands `migrate`, which the module itself does not use: mod_jk's configuration read and
//! this module's written (the command `jk2ajp`). It may import `config` and `protocol`. `command_line` has the
//! options of both programs.

#[cfg(panic = "abort")]
compile_error!("a panic must not end an httpd child: build with panic = \"unwind\"");

// Before the modules that use its macro.
#[macro_use]
mod words;

pub mod backend;
pub mod balance;
pub mod command_line;
pub mod config;
pub mod dialer;
pub mod exchange;
#[cfg(feature = "httpd")]
mod ffi;
pub mod messages;
pub mod migrate;
pub mod net;
pub mod pool;
pub mod protocol;
pub mod proxy;
pub mod shared;
pub mod stats;
pub mod status;
mod sync;
