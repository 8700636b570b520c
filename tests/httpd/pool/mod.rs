//! Idle connections, which the housekeeper maintains even if no request comes.

mod housekeeper;
mod idle;
mod min;
mod pings;

use std::fs;

use test_support::ajp::ScriptedPeer;
use test_support::http::Client;
use test_support::httpd::{Httpd, Mpm};

/// Starts an httpd in front of this container.
pub fn proxy(mpm: Mpm, peer: &ScriptedPeer, parameters: &str) -> Httpd {
    proxy_with(mpm, peer, parameters, "")
}

/// As [`proxy`], with further configuration.
pub fn proxy_with(mpm: Mpm, peer: &ScriptedPeer, parameters: &str, conf: &str) -> Httpd {
    Httpd::setup()
        .mpm(mpm)
        .conf(conf)
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app {parameters}", peer.port()))
        .start()
}

/// Sends a request on each of `count` connections, which stay open: under prefork, each occupies a child.
pub fn ask(httpd: &Httpd, count: usize) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| httpd.client()).collect();
    for client in &mut clients {
        client.get("/app/hello").expect(200);
    }
    clients
}

/// Returns the states of the TCP sockets from httpd's children to this port.
pub fn sockets(httpd: &Httpd, port: u16) -> Vec<u8> {
    let mut inodes = Vec::new();
    for child in httpd.children() {
        // A child may end in the meantime.
        let Ok(descriptors) = fs::read_dir(format!("/proc/{child}/fd")) else { continue };
        for link in descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let name = link.to_string_lossy().into_owned();
            inodes
                .extend(name.strip_prefix("socket:[").map(|n| n.trim_end_matches(']').to_owned()));
        }
    }
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let mut states = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let to_port = fields[2].ends_with(&format!(":{port:04X}"));
        if to_port && inodes.iter().any(|inode| inode == fields[9]) {
            states.push(u8::from_str_radix(fields[3], 16).expect("hex"));
        }
    }
    states
}
