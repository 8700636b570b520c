//! The only layer that knows httpd. Unsafe code lives here and nowhere else.
//!
//! # The rules of the fence
//!
//! * Every function httpd calls has one line, which goes through [`guard`]: a panic ends a
//!   request, never a child.
//! * httpd's structs are written by httpd, also during our calls into it. So there is no `&` or
//!   `&mut` to one of them: views ([`request::Request`], [`worker::Worker`]) hold a pointer, read
//!   one field at a time, and cannot outlive the hook they were made in.
//! * Strings of httpd are bytes. Text for httpd is copied into one of its pools.
//! * Each side frees its own memory. A Rust value that lives as long as a pool is given to the
//!   pool by [`apr::own_in`].
//! * Nothing survives a reload: the two statics (the module record, and the shim's pointer to the
//!   callbacks) are written anew by each load; configuration lives in pconf, the state of a child
//!   belongs to its pchild.

#![allow(unsafe_code)]

mod answer;
mod apr;
mod balancer;
mod balancing;
mod body;
mod canon;
mod child;
mod client;
mod clock;
mod cping;
mod election;
mod first_piece;
mod guard;
mod handler;
mod held;
mod housekeeping;
mod install;
mod kept;
mod known;
mod lbmethod;
mod lifecycle;
mod listeners;
mod log;
mod marshal;
mod member;
mod module;
mod operator;
mod orders;
mod patience;
mod picture;
mod prepare;
mod probing;
mod proxy_block;
mod request;
mod response;
mod reverse;
mod roll;
mod routes;
mod sent;
mod server_config;
mod shm;
mod slice;
mod standing;
mod stats_memory;
mod status_page;
mod sys;
mod text;
mod uri;
mod worker;
mod worker_settings;
