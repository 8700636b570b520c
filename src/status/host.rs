//! The names of the server under which an order is accepted.
//!
//! The owner of another name can let it lead to this server (DNS rebinding). A page under that name, in the
//! browser of someone who may send orders, can then read the nonce and send one, and nothing but the name
//! tells it from the page of ajp-status. It cannot have a name that is the server's own.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether the host of a request (`Host` or `:authority`, with or without port) is the server's own: one
/// of `names` (ServerName, each ServerAlias without wildcard), an address, or `localhost`.
pub fn is_own<'n>(host: &[u8], mut names: impl Iterator<Item = &'n [u8]>) -> bool {
    let Some(name) = std::str::from_utf8(host).ok().and_then(name_of) else { return false };
    let is = |other: &str| other.eq_ignore_ascii_case(name);
    let own = |other: &[u8]| std::str::from_utf8(other).ok().and_then(name_of).is_some_and(is);
    is("localhost") || is_address(name) || names.any(own)
}

/// Says which names would do, to a sender who used another one.
pub fn ours<'n>(host: &[u8], names: impl Iterator<Item = &'n [u8]>) -> String {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut known: Vec<String> = names.map(text).filter(|name| !name.is_empty()).collect();
    known.extend(["localhost".to_owned(), "an IP address".to_owned()]);
    let came = match host {
        b"" => "this request has none".to_owned(),
        host => format!("this request has {}", text(host)),
    };
    format!(
        "an order needs a Host that is one of the server's own names (ServerName, ServerAlias): {}; {came}",
        known.join(", ")
    )
}

/// The name without the port, and without the dot at the end of a full name; an IPv6 address without its
/// brackets.
fn name_of(host: &str) -> Option<&str> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return is_port(port).then_some(address);
    }
    if is_address(host) {
        return Some(host);
    }
    let at = host.find(':').unwrap_or(host.len());
    let (name, port) = host.split_at(at);
    let name = name.strip_suffix('.').unwrap_or(name);
    (is_port(port) && !name.is_empty()).then_some(name)
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_address(name: &str) -> bool {
    // A link-local address may have the name of its link behind a percent sign.
    let without_zone = name.split('%').next().unwrap_or(name);
    name.parse::<Ipv4Addr>().is_ok() || without_zone.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&[u8]; 2] = [b"www.example", b"Admin.example"];

    fn is_ours(host: &str) -> bool {
        is_own(host.as_bytes(), NAMES.into_iter())
    }

    #[test]
    fn the_server_s_names_addresses_and_localhost_are_its_own() {
        for host in [
            "www.example",
            "WWW.Example:8443",
            "www.example.",
            "admin.example",
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "10.0.0.9:8080",
            "[::1]",
            "[2001:db8::7]:443",
            "::1",
            "[fe80::1%25eth0]",
        ] {
            assert!(is_ours(host), "{host}");
        }
    }

    #[test]
    fn every_other_name_may_belong_to_another_owner() {
        for host in [
            "",
            ":80",
            ".",
            "evil.example",
            "www.example.evil.example",
            "evilwww.example",
            "sub.www.example",
            "localhost.evil.example",
            "foo.localhost",
            "127.0.0.1.evil.example",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "[::1].evil.example",
            "[evil.example]",
            "[::1",
            "www.example:80.evil.example",
            "www.example@evil.example",
            "www.example..",
        ] {
            assert!(!is_ours(host), "{host}");
        }
        assert!(!is_own(b"\xff", NAMES.into_iter()));
    }

    #[test]
    fn a_sender_under_another_name_learns_which_names_are_accepted() {
        let text = ours(b"evil.example:80", NAMES.into_iter());
        assert!(
            text.contains(": www.example, Admin.example, localhost, an IP address; "),
            "{text}"
        );
        assert!(text.ends_with("this request has evil.example:80"), "{text}");
        assert!(ours(b"", NAMES.into_iter()).ends_with("this request has none"));
    }
}
