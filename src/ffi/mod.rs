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

mod apr;
mod balancing;
mod child;
mod guard;
mod httpd;
mod mod_proxy;
mod module;
mod request;
mod startup;
mod state;
mod status_page;
mod sys;
