//! What the tests share: a private httpd, a real Tomcat, a client that sees every byte.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of it")]
#![allow(missing_docs, missing_debug_implementations)]

pub mod ajp;
pub mod dialer;
#[cfg(feature = "httpd")]
pub mod filters;
pub mod front;
#[cfg(feature = "httpd")]
pub mod http;
#[cfg(feature = "httpd")]
pub mod httpd;
#[cfg(feature = "httpd")]
pub mod manager;
#[cfg(feature = "httpd")]
pub mod members;
#[cfg(feature = "httpd")]
pub mod namespace;
pub mod process;
pub mod random;
#[cfg(feature = "httpd")]
pub mod relay;
pub mod sockets;
#[cfg(feature = "httpd")]
pub mod status;
#[cfg(feature = "httpd")]
pub mod tls;
#[cfg(feature = "httpd")]
pub mod tomcat;
