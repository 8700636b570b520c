//! `ProxyAjpReverse`: where httpd listens for the containers of a worker, and which may connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::words::Words;
use super::{ConfigError, ValueError};

/// The listener of a worker whose container opens the connections.
///
/// ```apache
/// ProxyAjpReverse "ajp://10.0.0.5:9100" allow=10.1.2.0/24 keyfile=conf/node1.key node=node1
/// ProxyAjpReverse "ajp://node2:8009" listen=10.0.0.5:9200-9215 allow=10.1.3.0/24
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReverseListener {
    /// The host of the worker's URL, in lower case and without brackets.
    pub host: String,
    /// The port of the worker's URL.
    pub port: u16,
    /// The local address to listen on.
    pub address: IpAddr,
    /// The ports to listen on: one for all children, or a range with one for each.
    pub ports: RangeInclusive<u16>,
    /// Networks whose connections are accepted.
    pub allow: Vec<IpNet>,
    /// The file with the key of the handshake; `None`: no handshake.
    pub key_file: Option<String>,
    /// The name that the container must announce; `None`: any.
    pub node: Option<String>,
    /// The number of connections that may wait in the kernel to be accepted.
    pub backlog: u16,
}

impl ReverseListener {
    /// Parses the arguments of a `ProxyAjpReverse` line.
    ///
    /// # Errors
    /// [`ConfigError`] for the first wrong word, and for a missing one.
    pub fn parse(arguments: &str) -> Result<Self, ConfigError> {
        let mut words = Words::of(arguments).map(|word| word.text);
        let url = words.next().unwrap_or_default();
        let (host, port) = worker_url(&url)
            .ok_or(ValueError("the worker's URL, ajp://host:port"))
            .map_err(|error| error.of(DIRECTIVE, &url))?;
        let mut listen = None;
        let (mut allow, mut key_file, mut node) = (None, None, None);
        let mut backlog = BACKLOG;
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(KEYS.of(DIRECTIVE, &word));
            };
            let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
            match key.to_ascii_lowercase().as_str() {
                "listen" => listen = Some(listen_at(value).map_err(|e| e.of("listen", value))?),
                "allow" => allow = Some(networks(value).map_err(|e| e.of("allow", value))?),
                "keyfile" => {
                    key_file = Some(text().ok_or(ValueError("a file").of("keyfile", value))?);
                }
                "node" => {
                    let name = text().filter(|name| name.len() <= MAX_NODE);
                    node = Some(name.ok_or(NODE.of("node", value))?);
                }
                "backlog" => {
                    let number = value.parse().ok().filter(|number| BACKLOGS.contains(number));
                    backlog = number.ok_or(BACKLOG_RANGE.of("backlog", value))?;
                }
                _ => return Err(KEYS.of(DIRECTIVE, &word)),
            }
        }
        let (address, ports) = match listen {
            Some(listen) => listen,
            None => (address(&host).ok_or(LISTEN.of(DIRECTIVE, &url))?, port..=port),
        };
        let allow = match allow {
            Some(allow) => allow,
            None if address.is_loopback() => loopback(),
            None => return Err(ALLOW.of(DIRECTIVE, &url)),
        };
        if node.is_some() && key_file.is_none() {
            return Err(NODE_WITHOUT_KEY.of(DIRECTIVE, &url));
        }
        Ok(Self { host, port, address, ports, allow, key_file, node, backlog })
    }

    /// Returns the listener that `reversed=On` on a worker stands for: at the worker's own address, for
    /// peers on this machine, without a key.
    ///
    /// # Errors
    /// The address is not a loopback address.
    pub fn of_worker(host: &str, port: u16) -> Result<Self, ConfigError> {
        let address = address(host)
            .filter(IpAddr::is_loopback)
            .ok_or_else(|| LOOPBACK.of("reversed", &format!("On for ajp://{host}:{port}")))?;
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port,
            address,
            ports: port..=port,
            allow: loopback(),
            key_file: None,
            node: None,
            backlog: BACKLOG,
        })
    }

    /// Whether it is for the worker whose URL has this host and port.
    #[must_use]
    pub fn is_for(&self, host: &[u8], port: u16) -> bool {
        self.host.as_bytes().eq_ignore_ascii_case(host) && self.port == port
    }

    /// Returns that worker's URL up to the port; it is also the name of its pool.
    #[must_use]
    pub fn url(&self) -> String {
        match self.host.contains(':') {
            true => format!("ajp://[{}]:{}", self.host, self.port),
            false => format!("ajp://{}:{}", self.host, self.port),
        }
    }

    /// Whether all children share one port, bound by the parent.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.ports.start() == self.ports.end()
    }

    /// Iterates over the addresses to listen on, in the order in which children try them.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.ports.clone().map(|port| (self.address, port).into())
    }

    /// Whether a peer with this address may connect.
    #[must_use]
    pub fn allows(&self, peer: IpAddr) -> bool {
        // On a socket of both families, an IPv4 peer has an IPv6 address.
        let peer = peer.to_canonical();
        self.allow.iter().any(|network| network.contains(&peer))
    }

    /// Whether the two would listen on the same address and port.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other.address, *other.ports.start())
            || self.covers(other.address, *other.ports.end())
            || other.covers(self.address, *self.ports.start())
    }

    /// Whether a URL with this host and port leads to it, or to the worker that it is for. A name is not
    /// resolved. Of a socket on all addresses only the loopback ones are recognized, since it is not known
    /// which others belong to this machine.
    #[must_use]
    pub fn is_reached_by(&self, host: &str, port: u16) -> bool {
        let is_at =
            |ip: IpAddr| self.address == ip || (self.address.is_unspecified() && ip.is_loopback());
        self.is_for(host.as_bytes(), port)
            || (self.ports.contains(&port) && address(host).is_some_and(is_at))
    }

    /// Whether it listens where a socket bound to this address would.
    #[must_use]
    pub fn covers(&self, address: IpAddr, port: u16) -> bool {
        let same =
            self.address == address || self.address.is_unspecified() || address.is_unspecified();
        same && self.ports.contains(&port)
    }
}

impl fmt::Display for ReverseListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SocketAddr::from((self.address, *self.ports.start())))?;
        if !self.is_shared() {
            write!(f, "-{}", self.ports.end())?;
        }
        Ok(())
    }
}

/// Returns host and port of a worker's URL; the rest is for mod_proxy.
fn worker_url(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, behind) = v6.split_once(']')?;
            (host, behind.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port =
        port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok().filter(|port| *port > 0))?;
    let is_ajp = scheme.eq_ignore_ascii_case("ajp") && !host.is_empty();
    is_ajp.then(|| (host.to_ascii_lowercase(), port))
}

/// Parses a local address as a worker's URL may have it.
fn address(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    host.parse().ok()
}

/// Parses `address:port` or `address:first-last`.
fn listen_at(value: &str) -> Result<(IpAddr, RangeInclusive<u16>), ValueError> {
    let parsed = value.rsplit_once(':').and_then(|(host, ports)| {
        let address = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']')?.parse().ok().filter(IpAddr::is_ipv6)?,
            None => host.parse().ok().filter(IpAddr::is_ipv4)?,
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let ports = first.parse().ok()?..=last.parse().ok()?;
        (*ports.start() > 0 && !ports.is_empty()).then_some((address, ports))
    });
    parsed.ok_or(ValueError(
        "a local address with a port or a range of ports: 10.0.0.5:9100, [2001:db8::5]:9200-9215",
    ))
}

/// Parses networks and addresses, separated by commas.
fn networks(value: &str) -> Result<Vec<IpNet>, ValueError> {
    let network = |word: &str| {
        let word = word.trim();
        word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
    };
    let all: Option<Vec<IpNet>> = value.split(',').map(network).collect();
    all.ok_or(ValueError("addresses or networks, separated by commas: 10.1.2.0/24,10.1.3.7"))
}

fn loopback() -> Vec<IpNet> {
    [[127, 0, 0, 0].into(), std::net::Ipv6Addr::LOCALHOST.into()]
        .into_iter()
        .zip([8, 128])
        .map(|(address, bits): (IpAddr, u8)| IpNet::new_assert(address, bits))
        .collect()
}

const DIRECTIVE: &str = "ProxyAjpReverse";
const DEFAULT_PORT: u16 = 8009;
const BACKLOG: u16 = 256;
const BACKLOGS: RangeInclusive<u16> = 8..=u16::MAX;
const BACKLOG_RANGE: ValueError = ValueError("a number from 8 to 65535");
const MAX_NODE: usize = 255;
const NODE: ValueError = ValueError("a name of 1 to 255 bytes");
const KEYS: ValueError = ValueError("listen=, allow=, keyfile=, node= or backlog=");
const LISTEN: ValueError =
    ValueError("a URL with an address of this machine, or there must be listen=address:port");
const ALLOW: ValueError = ValueError(
    "followed by allow=network, unless it listens on a loopback address: a host that may connect gets \
     users' requests",
);
const NODE_WITHOUT_KEY: ValueError =
    ValueError("followed by keyfile= if there is node=: without a key, any host can claim a name");
const LOOPBACK: ValueError = ValueError(
    "Off, unless the worker has a loopback address: for any other, ProxyAjpReverse says which hosts may \
     connect",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> ReverseListener {
        ReverseListener::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn refused(line: &str) -> String {
        ReverseListener::parse(line).expect_err(line).to_string()
    }

    #[test]
    fn the_url_names_address_and_port() {
        let one = parse(r#" "ajp://10.0.0.5:9100/app" allow=10.1.2.0/24 keyfile=conf/k node=n1"#);
        assert_eq!((one.host.as_str(), one.port), ("10.0.0.5", 9100));
        assert_eq!(one.to_string(), "10.0.0.5:9100");
        assert!(one.is_shared());
        assert_eq!((one.key_file.as_deref(), one.node.as_deref()), (Some("conf/k"), Some("n1")));
        assert_eq!(one.backlog, 256);
        let six = parse("ajp://[2001:DB8::5] allow=2001:db8::/32 backlog=16");
        assert_eq!((six.host.as_str(), six.port, six.backlog), ("2001:db8::5", 8009, 16));
        assert_eq!(six.to_string(), "[2001:db8::5]:8009");
        assert_eq!(parse("AJP://LocalHost:9100").host, "localhost");
    }

    #[test]
    fn listen_may_name_another_address_and_a_range() {
        let range = parse("ajp://node2:8009 listen=10.0.0.5:9200-9215 allow=10.1.3.7,::1");
        assert_eq!((range.host.as_str(), range.port), ("node2", 8009));
        assert_eq!(range.to_string(), "10.0.0.5:9200-9215");
        assert_eq!(range.addresses().count(), 16);
        assert!(!range.is_shared());
    }

    #[test]
    fn only_allowed_networks_may_connect_whatever_family_the_socket_has() {
        let listener = parse("ajp://[::]:9100 allow=10.1.2.0/24,2001:db8::7");
        for (peer, allowed) in [
            ("10.1.2.255", true),
            ("10.1.3.0", false),
            ("::ffff:10.1.2.1", true),
            ("2001:db8::7", true),
            ("2001:db8::8", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(listener.allows(peer.parse().unwrap()), allowed, "{peer}");
        }
        let local = parse("ajp://127.0.0.1:9100");
        assert!(local.allows("127.3.2.1".parse().unwrap()), "loopback is allowed by itself there");
        assert!(!local.allows("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_missing_or_wrong_word_is_named() {
        for (line, part) in [
            ("", "the worker's URL"),
            ("http://10.0.0.5:9100", "the worker's URL"),
            ("ajp://10.0.0.5:0 allow=::1", "the worker's URL"),
            ("ajp://10.0.0.5:9100", "allow=network"),
            ("ajp://node1:9100 allow=10.0.0.0/8", "listen=address:port"),
            ("ajp://127.0.0.1:9100 allow=", "allow="),
            ("ajp://127.0.0.1:9100 allow=10.0.0.0/33", "allow=10.0.0.0/33"),
            ("ajp://127.0.0.1:9100 allow=10.1", "allow=10.1"),
            ("ajp://127.0.0.1:9100 listen=9100", "listen=9100"),
            ("ajp://127.0.0.1:9100 listen=node:9100", "listen=node:9100"),
            ("ajp://127.0.0.1:9100 listen=127.0.0.1:9200-9100", "listen="),
            ("ajp://127.0.0.1:9100 listen=::1:9100", "listen="),
            ("ajp://127.0.0.1:9100 listen=127.0.0.1:0", "listen="),
            ("ajp://127.0.0.1:9100 backlog=7", "backlog=7"),
            ("ajp://127.0.0.1:9100 node=n1", "keyfile="),
            ("ajp://127.0.0.1:9100 keyfile=", "keyfile="),
            ("ajp://127.0.0.1:9100 keyfile=k node=", "node="),
            ("ajp://127.0.0.1:9100 spare=3", "backlog="),
            ("ajp://127.0.0.1:9100 rubbish", "backlog="),
        ] {
            let error = refused(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn reversed_on_is_for_this_machine_alone() {
        let own = ReverseListener::of_worker("localhost", 9100).unwrap();
        assert_eq!(
            own,
            ReverseListener { host: "localhost".into(), ..parse("ajp://127.0.0.1:9100") }
        );
        for host in ["10.0.0.5", "node1", "0.0.0.0"] {
            assert!(ReverseListener::of_worker(host, 9100).is_err(), "{host}");
        }
    }

    #[test]
    fn a_url_that_leads_to_its_own_port_is_known_by_every_spelling_of_the_address() {
        let reached = |line: &str, host: &str, port| parse(line).is_reached_by(host, port);
        let home = "ajp://127.0.0.1:9100";
        assert!(reached(home, "127.0.0.1", 9100) && reached(home, "LocalHost", 9100));
        assert!(!reached(home, "127.0.0.1", 9101) && !reached(home, "10.0.0.1", 9100));
        assert!(reached("ajp://[::1]:9100", "0:0:0:0:0:0:0:1", 9100));
        let range = "ajp://node2:8009 listen=10.0.0.5:9200-9215 allow=10.1.3.0/24";
        assert!(reached(range, "NODE2", 8009) && reached(range, "10.0.0.5", 9215));
        assert!(!reached(range, "node2", 9200));
        let all = "ajp://node3:8009 listen=0.0.0.0:9300 allow=10.1.3.0/24";
        assert!(reached(all, "127.0.0.1", 9300) && !reached(all, "10.0.0.9", 9300));
    }

    #[test]
    fn two_that_would_meet_are_found() {
        let at = |listen: &str| parse(&format!("ajp://n:1 listen={listen} allow=::/0"));
        for (one, other, meet) in [
            ("10.0.0.5:9100", "10.0.0.5:9100", true),
            ("10.0.0.5:9100", "10.0.0.5:9101", false),
            ("10.0.0.5:9100", "10.0.0.6:9100", false),
            ("0.0.0.0:9100", "10.0.0.6:9100", true),
            ("10.0.0.5:9100-9110", "10.0.0.5:9110-9120", true),
            ("10.0.0.5:9100-9120", "10.0.0.5:9105-9106", true),
            ("10.0.0.5:9105-9106", "10.0.0.5:9100-9120", true),
            ("10.0.0.5:9100-9104", "10.0.0.5:9105-9106", false),
        ] {
            assert_eq!(at(one).overlaps(&at(other)), meet, "{one} {other}");
        }
    }
}
