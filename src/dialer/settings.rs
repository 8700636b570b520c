//! The agent's settings.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::protocol::digits;
use crate::protocol::handshake::Key;

/// The settings of the agent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ports of httpd to connect to; at least one.
    pub httpd: Vec<HttpdPorts>,
    /// The container that gets the requests.
    pub container: ContainerAddress,
    /// The number of spare connections to each port of httpd that is available, 1 or more.
    pub spare: usize,
    /// Whether several processes of httpd accept from one port. `None`: yes for a single port, no for
    /// a range.
    pub shared_ports: Option<bool>,
    /// The maximum number of connections to httpd.
    pub max: usize,
    /// The timeout of one attempt to connect to one address, and of a handshake from its first byte.
    pub connect_timeout: Duration,
    /// The first pause before another attempt after a failure.
    pub backoff_min: Duration,
    /// The longest such pause.
    pub backoff_max: Duration,
    /// How long requests in progress may take once the agent was told to stop.
    pub drain_timeout: Duration,
    /// The key of the handshake; `None`: no handshake.
    pub key: Option<Key>,
    /// The name that identifies the container in the handshake, at most 255 bytes.
    pub node: Vec<u8>,
    /// Whether every connection is logged.
    pub verbose: bool,
}

/// `HOST:PORT` or `HOST:FIRST-LAST`; an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpdPorts {
    /// Name or address, without brackets.
    pub host: String,
    /// From 1 on.
    pub first: u16,
    /// Not below `first`.
    pub last: u16,
}

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No colon, or nothing on one side of it.
    #[error("expected HOST:PORT")]
    NoPort,
    /// An IPv6 address without brackets, or with only one of them.
    #[error("an IPv6 address is written in brackets, as in [::1]:9100")]
    Brackets,
    /// Not a number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    BadPort,
    /// A range that ends before it begins.
    #[error("the last port of the range is below the first")]
    EmptyRange,
    /// `unix:` without an absolute path.
    #[error("expected unix:/path, with an absolute path")]
    NoPath,
}

impl FromStr for HttpdPorts {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<HttpdPorts, AddressError> {
        let (host, ports) = host_and_rest(text)?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last) = (port(first)?, port(last)?);
        if last < first {
            return Err(AddressError::EmptyRange);
        }
        Ok(HttpdPorts { host, first, last })
    }
}

impl fmt::Display for HttpdPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host_port(f, &self.host, self.first)?;
        match self.last == self.first {
            true => Ok(()),
            false => write!(f, "-{}", self.last),
        }
    }
}

/// `HOST:PORT`, or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerAddress {
    /// Name or address without brackets, and port; not resolved yet.
    Inet {
        /// Name or address.
        host: String,
        /// From 1 on.
        port: u16,
    },
    /// A unix socket in the file system.
    Unix(PathBuf),
}

impl FromStr for ContainerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<ContainerAddress, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(ContainerAddress::Unix(path.into())),
                false => Err(AddressError::NoPath),
            };
        }
        let (host, rest) = host_and_rest(text)?;
        Ok(ContainerAddress::Inet { host, port: port(rest)? })
    }
}

impl fmt::Display for ContainerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContainerAddress::Inet { host, port } => write_host_port(f, host, *port),
            ContainerAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn host_and_rest(text: &str) -> Result<(String, &str), AddressError> {
    let (host, rest) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    let bare = match (host.strip_prefix('['), host.strip_suffix(']')) {
        (Some(inner), Some(_)) => inner.strip_suffix(']').unwrap_or_default(),
        (None, None) if !host.contains(':') => host,
        _ => return Err(AddressError::Brackets),
    };
    match bare.is_empty() || rest.is_empty() {
        true => Err(AddressError::NoPort),
        false => Ok((bare.to_owned(), rest)),
    }
}

fn port(text: &str) -> Result<u16, AddressError> {
    let number = digits(text.as_bytes()).and_then(|number| u16::try_from(number).ok());
    number.filter(|port| *port > 0).ok_or(AddressError::BadPort)
}

/// IPv6 addresses in brackets.
fn write_host_port(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    match host.contains(':') {
        true => write!(f, "[{host}]:{port}"),
        false => write!(f, "{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_it_was_written() {
        for text in ["web1:9100", "10.0.0.5:9100-9115", "[::1]:9100", "[fe80::1]:1-65535"] {
            assert_eq!(text.parse::<HttpdPorts>().unwrap().to_string(), text);
        }
        for text in ["127.0.0.1:8009", "[::1]:8009", "unix:/run/ajp.sock"] {
            assert_eq!(text.parse::<ContainerAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_address_is_an_error_that_says_what_is_wrong() {
        for (text, error) in [
            ("web1", AddressError::NoPort),
            (":9100", AddressError::NoPort),
            ("[]:9100", AddressError::NoPort),
            ("web1:", AddressError::NoPort),
            ("::1:9100", AddressError::Brackets),
            ("[::1:9100", AddressError::Brackets),
            ("web1:0", AddressError::BadPort),
            ("web1:+1", AddressError::BadPort),
            ("web1:65536", AddressError::BadPort),
            ("web1:9100-", AddressError::BadPort),
            ("web1:9101-9100", AddressError::EmptyRange),
        ] {
            assert_eq!(text.parse::<HttpdPorts>(), Err(error), "{text}");
        }
        assert_eq!("h:1-2".parse::<ContainerAddress>(), Err(AddressError::BadPort));
        assert_eq!("unix:ajp.sock".parse::<ContainerAddress>(), Err(AddressError::NoPath));
    }
}
