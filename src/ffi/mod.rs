//! The only layer that knows httpd. Unsafe code lives here and nowhere else.
//!
//! # The rules of the fence
//!
//! * Every function httpd calls has one line, which goes through [`guard`]: a panic ends a
//!   request, never a child.
//! * httpd's structs are written by httpd, also during our calls into it. So there is no `&` or
//!   `&mut` to one of them: views ([`httpd::request::Request`], [`mod_proxy::worker::Worker`]) hold a pointer, read
//!   one field at a time, and cannot outlive the hook they were made in.
//! * Strings of httpd are bytes. Text for httpd is copied into one of its pools.
//! * Each side frees its own memory. A Rust value that lives as long as a pool is given to the
//!   pool by [`apr::pool::Pool::own`].
//! * Nothing survives a reload: the statics (the module record, the function for others' parameters,
//!   the shim's filter) are written again by each load; configuration lives in pconf, the state of a
//!   child belongs to its pchild.
//!
//!
//! # The rooms
//!
//! ```text
//! module       the module's record and everything that httpd can call
//! startup  request  balancing  parking  status_page
//! state        what is kept with a server, a connection and a request
//! child        one child: its pools, its part of the shared memory, its housekeeper
//! mod_proxy    views of workers and balancers
//! httpd        views of servers and requests, the log
//! apr          pools, tables, arrays, buckets, texts
//! guard  sys
//! ```
//!
//! A room uses those below it; the five in one line do not know each other (`tests/layering.rs`).

#![allow(unsafe_code)]

mod apr;
mod balancing;
mod child;
mod guard;
mod httpd;
mod mod_proxy;
mod module;
mod parking;
mod request;
mod startup;
mod state;
mod status_page;
mod sys;
