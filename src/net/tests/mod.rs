//! Real sockets, on loopback and in pairs.

mod connecting;
mod moving;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::*;

/// For waits that succeed: longer than any slow machine takes.
const LONG: Duration = Duration::from_secs(30);
/// For waits whose end is what is tested.
const SHORT: Duration = Duration::from_millis(20);

fn options() -> ConnectOptions {
    ConnectOptions { timeout: LONG, ..ConnectOptions::default() }
}

/// A stream of ours over TCP, and the peer's end of it.
fn tcp_pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = Stream::connect(&listener.local_addr().unwrap().into(), &options()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (stream, peer)
}

/// A stream of ours over a unix socket, and the peer's end of it.
fn unix_pair() -> (Stream, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    (Stream::from_fd(OwnedFd::from(ours)).unwrap(), peer)
}

/// An address on which nobody listens; each test has a host of its own, so that no other test
/// takes the port meanwhile.
fn vacant_address(host: u8) -> SocketAddr {
    TcpListener::bind(SocketAddr::from(([127, 0, 7, host], 0))).unwrap().local_addr().unwrap()
}
