//! A network behind a cable of its own, and a firewall in it that can forget connections.
//!
//! Threads of the test serve the sockets in it: a socket stays in the namespace that it was made in. Needs
//! root, `ip` and `nft`. When the value is dropped, the namespace and all that is in it are removed.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::process::{delete_namespace_at_end, free_port, is_root};

/// A network namespace with one address, reachable from ours.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    address: Ipv4Addr,
}

/// Drops packets of clients whose port is in `forgotten`, and packets to our ports in `silent`. The sender
/// gets no answer, not even a refusal.
const FIREWALL: &str = "table inet firewall {
    set forgotten { type inet_service; }
    set silent { type inet_service; }
    chain incoming {
        type filter hook input priority 0;
        tcp sport @forgotten drop
        tcp dport @silent drop
    }
    chain outgoing {
        type filter hook output priority 0;
        tcp dport @forgotten drop
    }
}
";

impl Namespace {
    /// Makes a namespace.
    ///
    /// # Panics
    /// Without root's rights.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "making one has effects outside this process")]
    pub fn new() -> Self {
        assert!(is_root(), "this test makes a network namespace: run it as root");
        // A port that is ours alone makes a number that is ours alone. RFC 2544 keeps 198.18.0.0/15 for tests.
        let number = u32::from(free_port()) - 10_000;
        let ours = Ipv4Addr::from(0xC612_0000 + number * 4 + 1);
        let address = Ipv4Addr::from(0xC612_0000 + number * 4 + 2);
        let (name, cable) = (format!("ajp-{number}"), format!("ajp{number}a"));
        let far = format!("ajp{number}b");
        run(&["ip", "netns", "add", &name]);
        delete_namespace_at_end(&name);
        let namespace = Self { name, address };
        let name = &namespace.name;
        run(&["ip", "link", "add", &cable, "type", "veth", "peer", "name", &far, "netns", name]);
        run(&["ip", "address", "add", &format!("{ours}/30"), "dev", &cable]);
        run(&["ip", "link", "set", &cable, "up"]);
        run(&["ip", "-n", name, "address", "add", &format!("{address}/30"), "dev", &far]);
        run(&["ip", "-n", name, "link", "set", &far, "up"]);
        namespace.nft(FIREWALL);
        namespace
    }

    /// Returns the address in the namespace.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns a listener on a free port in the namespace.
    pub fn listen(&self) -> TcpListener {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("ip has made it");
        let address = SocketAddr::from((self.address, 0));
        let thread = std::thread::spawn(move || {
            // Only this thread moves, and it ends here.
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind(address)
        });
        thread.join().expect("it does not panic").expect("root may move and bind")
    }

    /// Drops every further packet of the connections that are open now, in either direction, silently.
    /// Returns how many connections there are.
    pub fn forget_connections(&self) -> usize {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name, "ss", "-H", "-t", "-n", "state", "established"])
            .output()
            .expect("iproute2 is installed (ci/setup)");
        // `Recv-Q Send-Q local:port peer:port`.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let ports: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3)?.rsplit(':').next())
            .collect();
        assert!(!ports.is_empty(), "no connection is open: {text}");
        self.nft(&format!("add element inet firewall forgotten {{ {} }}\n", ports.join(", ")));
        ports.len()
    }

    /// Returns a port that never answers a SYN.
    pub fn silent_port(&self) -> u16 {
        const PORT: u16 = 9;
        self.nft(&format!("add element inet firewall silent {{ {PORT} }}\n"));
        PORT
    }

    fn nft(&self, commands: &str) {
        let mut nft = Command::new("ip")
            .args(["netns", "exec", &self.name, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("iproute2 is installed (ci/setup)");
        let mut input = nft.stdin.take().expect("stdin is piped, a few lines above");
        input.write_all(commands.as_bytes()).expect("nft reads it all");
        drop(input);
        assert!(
            nft.wait().is_ok_and(|status| status.success()),
            "nftables is installed (ci/setup)"
        );
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With the namespace goes its end of the cable, and with that the other.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(words: &[&str]) {
    let status = Command::new(words[0]).args(&words[1..]).status();
    assert!(status.is_ok_and(|status| status.success()), "failed: {}", words.join(" "));
}
