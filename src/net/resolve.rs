//! Resolves a backend's name to its addresses.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use thiserror::Error;

/// Why a name has no address.
#[derive(Clone, Debug, Error)]
pub enum ResolveError {
    /// The system's resolver failed, for good or for now.
    #[error("cannot resolve {host}: {source}")]
    Failed {
        /// The name as given.
        host: String,
        /// The resolver's error.
        source: Arc<io::Error>,
    },
    /// The resolver knows the name but has no address for it.
    #[error("{host} has no address")]
    Empty {
        /// The name as given.
        host: String,
    },
}

/// Returns all addresses of a host, each once, in the order that the system prefers.
///
/// An IP address, IPv6 with or without brackets, is returned as it is. Any other name is resolved with
/// `getaddrinfo`, which blocks for as long as the system's resolver is configured to wait.
///
/// # Errors
/// [`ResolveError::Failed`] with the resolver's reason; [`ResolveError::Empty`] for none.
pub fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let found = (name, port).to_socket_addrs().map_err(|source| ResolveError::Failed {
        host: host.to_owned(),
        source: Arc::new(source),
    })?;
    let addresses = each_once(found);
    if addresses.is_empty() {
        return Err(ResolveError::Empty { host: host.to_owned() });
    }
    Ok(addresses)
}

fn each_once(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut kept = Vec::new();
    for address in addresses {
        if !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn literals_are_taken_as_they_are_with_or_without_brackets() {
        assert_eq!(resolve("10.0.0.7", 8009).unwrap(), [address("10.0.0.7:8009")]);
        assert_eq!(resolve("::1", 8009).unwrap(), [address("[::1]:8009")]);
        assert_eq!(resolve("[::1]", 8009).unwrap(), [address("[::1]:8009")]);
    }

    #[test]
    fn localhost_has_an_address_of_its_own_machine() {
        let addresses = resolve("localhost", 8009).unwrap();

        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        assert!(addresses.iter().all(|address| address.port() == 8009));
    }

    #[test]
    fn an_address_found_twice_is_kept_once_in_its_first_place() {
        let [a, b] = [address("10.0.0.1:1"), address("10.0.0.2:1")];

        assert_eq!(each_once([b, a, b, a].into_iter()), [b, a]);
    }

    #[test]
    fn an_invalid_name_is_an_error_that_names_it() {
        // Neither asks the network: both are refused before.
        for host in ["", "a\0b"] {
            let error = resolve(host, 8009).unwrap_err();
            assert!(matches!(&error, ResolveError::Failed { host: named, .. } if named == host));
        }
    }
}
