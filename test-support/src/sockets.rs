//! The kernel's table of TCP connections, of all processes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// The state of our end of a connection; numbers as in the kernel's `tcp_states.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Open.
    Established = 1,
    /// The peer has closed, we have not.
    CloseWait = 8,
}

/// How many IPv4 connections to `peer` are in this state, at the end that is not the peer's.
pub fn count(state: State, peer: SocketAddrV4) -> usize {
    ports(state, peer).len()
}

/// Our ports of the IPv4 connections to `peer` that are in this state.
pub fn ports(state: State, peer: SocketAddrV4) -> Vec<u16> {
    lines_to(peer)
        .filter(|line| field(line, 3) == format!("{:02X}", state as u8))
        .filter_map(|line| {
            let (_, port) = field(&line, 1).split_once(':')?;
            u16::from_str_radix(port, 16).ok()
        })
        .collect()
}

/// How many open connections to `peer` are kept alive by the kernel.
pub fn kept_alive(peer: SocketAddrV4) -> usize {
    // `tr:tm->when`: timer 02 is that of SO_KEEPALIVE.
    lines_to(peer)
        .filter(|line| field(line, 3) == "01" && field(line, 5).starts_with("02:"))
        .count()
}

/// How many connections to `peer` hold bytes that nobody has read, at the end that is not the peer's.
pub fn unread(peer: SocketAddrV4) -> usize {
    // `tx_queue:rx_queue`.
    lines_to(peer).filter(|line| !field(line, 4).ends_with(":00000000")).count()
}

/// Whether a socket listens on this port.
pub fn is_listening(port: u16) -> bool {
    // Java's sockets are IPv6, whatever address they have; without IPv6 there is no such table.
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let suffix = format!(":{port:04X}");
    let listens = |line: &str| field(line, 1).ends_with(&suffix) && field(line, 3) == "0A";
    tables.iter().flatten().flat_map(|table| table.lines()).any(listens)
}

/// Listens on a free port of 127.0.0.1; the kernel takes only some kB of each connection that nobody reads.
pub fn narrow_listener() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    // Inherited by the accepted sockets.
    sockopt::set_socket_recv_buffer_size(&listener, 4096).expect("a socket");
    listener
}

/// Has a listener refuse connections from now on. That it is closed is not enough: a process that another test starts
/// at this moment has it, too, until its exec, and what connects meanwhile is reset.
pub fn stop_listening(listener: &TcpListener) -> bool {
    rustix::net::shutdown(listener, rustix::net::Shutdown::Both).is_ok()
}

/// Whether a TCP socket can have this address; none listens there, not even for a moment.
pub fn is_free(address: SocketAddr) -> bool {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    socket.is_ok_and(|socket| {
        sockopt::set_socket_reuseaddr(&socket, true).is_ok() && bind(&socket, &address).is_ok()
    })
}

/// Returns the inode of the IPv4 socket that listens on this port.
pub fn listener(port: u16) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let suffix = format!(":{port:04X}");
    let mut lines = table.lines();
    let line = lines.find(|line| field(line, 1).ends_with(&suffix) && field(line, 3) == "0A")?;
    Some(field(line, 9).to_owned())
}

fn lines_to(peer: SocketAddrV4) -> impl Iterator<Item = String> {
    let wanted = hexadecimal(*peer.ip(), peer.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let lines: Vec<String> = table.lines().skip(1).map(str::to_owned).collect();
    lines.into_iter().filter(move |line| field(line, 2) == wanted)
}

/// Returns an address as the kernel prints it: a number in the byte order of the machine.
fn hexadecimal(ip: Ipv4Addr, port: u16) -> String {
    format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip.octets()))
}

fn field(line: &str, number: usize) -> &str {
    line.split_whitespace().nth(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_listener_that_has_stopped_refuses_connections_whoever_else_has_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let other = listener.try_clone().unwrap();
        assert!(!is_free(address));
        assert!(stop_listening(&listener));
        drop(listener);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(is_free(address));
        drop(other);
    }
}
