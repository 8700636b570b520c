//! The address of a backend.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One address to connect to, already resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Inet(SocketAddr),
    /// A unix socket in the file system; the path has at most 107 bytes (`sun_path`). Empty for a peer
    /// without a name.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    /// `10.0.0.7:8009`, `[::1]:8009`, `unix:/run/ajp.sock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Inet(address)
    }
}
