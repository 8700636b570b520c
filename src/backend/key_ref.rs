//! A backend's key whose texts are borrowed: to look for a backend without allocating.

use std::net::IpAddr;

use super::{BackendKey, Bounds};
use crate::protocol::PacketSize;

/// The same as a [`BackendKey`], with borrowed texts. Each is made of the other by one list of fields,
/// so a field that only one of them has does not compile, and keys are compared in this form alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRef<'a> {
    /// As in [`BackendKey`], and so are the others.
    pub host: HostName<'a>,
    /// TCP port.
    pub port: u16,
    /// Path of the unix socket.
    pub socket_path: Option<&'a [u8]>,
    /// ProxySourceAddress.
    pub source: Option<IpAddr>,
    /// The container's shared secret; empty where there is none.
    pub secret: &'a [u8],
    /// `iobuffersize` or ProxyIOBufferSize.
    pub packet_size: Option<PacketSize>,
    /// `max`, `smax` and `ttl`.
    pub bounds: Bounds,
}

/// A host name, compared without regard to capitals.
#[derive(Clone, Copy, Debug)]
pub struct HostName<'a>(pub &'a [u8]);

impl PartialEq for HostName<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // Configuration and request nearly always spell it alike, and that is quick to see.
        self.0 == other.0 || self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for HostName<'_> {}

impl KeyRef<'_> {
    /// A copy of it, with the host in lower case.
    #[must_use]
    pub fn to_key(self) -> BackendKey {
        let Self { host, port, socket_path, source, secret, packet_size, bounds } = self;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        BackendKey {
            host: text(host.0).to_ascii_lowercase(),
            port,
            socket_path: socket_path.map(text),
            source,
            secret: text(secret),
            packet_size,
            bounds,
        }
    }
}

impl BackendKey {
    /// It with its texts borrowed.
    #[inline]
    #[must_use]
    pub fn borrowed(&self) -> KeyRef<'_> {
        let Self { host, port, socket_path, source, secret, packet_size, bounds } = self;
        KeyRef {
            host: HostName(host.as_bytes()),
            port: *port,
            socket_path: socket_path.as_deref().map(str::as_bytes),
            source: *source,
            secret: secret.as_bytes(),
            packet_size: *packet_size,
            bounds: *bounds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyRef<'_> = KeyRef {
        host: HostName(b"Node1.Example"),
        port: 8009,
        socket_path: Some(b"/run/ajp"),
        source: None,
        secret: b"word",
        packet_size: None,
        bounds: Bounds { max: None, smax: None, ttl: None },
    };

    #[test]
    fn a_key_is_equal_to_its_copy_whatever_the_capitals_of_its_host() {
        let copy = KEY.to_key();
        assert_eq!(copy.host, "node1.example");
        assert_eq!(copy.borrowed(), KEY);
        assert_eq!(copy.borrowed(), KeyRef { host: HostName(b"NODE1.example"), ..KEY });
    }

    #[test]
    fn a_key_that_differs_in_any_field_is_another_one() {
        let copy = KEY.to_key();
        let bounds = |bounds| KeyRef { bounds, ..KEY };
        for other in [
            KeyRef { host: HostName(b"node2.example"), ..KEY },
            KeyRef { port: 8010, ..KEY },
            KeyRef { socket_path: None, ..KEY },
            KeyRef { source: Some(IpAddr::from([127, 0, 0, 1])), ..KEY },
            KeyRef { secret: b"", ..KEY },
            KeyRef { packet_size: Some(PacketSize::clamped(65536)), ..KEY },
            bounds(Bounds { max: std::num::NonZeroUsize::new(1), ..Bounds::default() }),
            bounds(Bounds { smax: Some(1), ..Bounds::default() }),
            bounds(Bounds { ttl: Some(std::time::Duration::ZERO), ..Bounds::default() }),
        ] {
            assert_ne!(copy.borrowed(), other);
            assert_eq!(other.to_key().borrowed(), other);
        }
    }
}
