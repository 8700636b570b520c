//! What the tests share: a private httpd, a real Tomcat, a client that sees every byte.

pub mod ajp;
pub mod backlog;
mod c_module;
pub mod checks;
pub mod crash;
pub mod dialer;
pub mod filters;
pub mod front;
pub mod http;
pub mod httpd;
pub mod lbmethod;
pub mod manager;
pub mod markdown;
pub mod members;
pub mod namespace;
pub mod parking;
pub mod places;
pub mod process;
pub mod random;
pub mod relay;
pub mod sockets;
pub mod status;
pub mod tls;
pub mod tomcat;
