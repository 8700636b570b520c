//! The agent `ajp-dialer`, between a stand-in for httpd and one for the container.

mod connections;
mod end;
mod handshake;
