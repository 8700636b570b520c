//! Reads members from the XML of balancer-manager, and changes them there.

use super::ajp::ScriptedPeer;
use super::ajp::echo::uris;
use super::http::Client;
use super::httpd::Httpd;

/// Returns the XML element of a member, as balancer-manager of this host prints it.
#[track_caller]
pub fn member_of(httpd: &Httpd, host: &str, balancer: &str, url: &str) -> String {
    let mut client = httpd.client();
    let page = "/balancer-manager";
    client.send(format!(
        "GET {page}?xml=1 HTTP/1.1\r\nHost: {host}\r\nReferer: http://{host}:{}{page}\r\n\r\n",
        httpd.port()
    ));
    let report = client.response("GET").expect(200).text();
    let balancer = format!("<httpd:name>{balancer}</httpd:name>");
    let (_, members) = report.split_once(&balancer).unwrap_or_else(|| panic!("{report}"));
    let name = format!("<httpd:name>{url}</httpd:name>");
    let (_, member) = members.split_once(&name).unwrap_or_else(|| panic!("{members}"));
    member.split_once("</httpd:worker>").expect("what begins ends").0.to_owned()
}

/// As [`member_of`], for the member at this port of the balancer that
/// [`balancer`](super::members::balancer) adds.
#[track_caller]
pub fn member(httpd: &Httpd, port: u16) -> String {
    member_of(httpd, "localhost", "balancer://members", &format!("ajp://127.0.0.1:{port}"))
}

/// Returns the text of an element within a member.
#[track_caller]
pub fn said<'a>(member: &'a str, element: &str) -> &'a str {
    let open = format!("<httpd:{element}>");
    let (_, text) = member.split_once(&open).unwrap_or_else(|| panic!("{element} in {member}"));
    text.split_once('<').expect("what begins ends").0.trim()
}

/// Returns flags and lbset of each of these members.
#[track_caller]
pub fn places_in(httpd: &Httpd, ports: &[u16]) -> Vec<(String, String)> {
    let of = |port: &u16| {
        let member = member(httpd, *port);
        (said(&member, "status").to_owned(), said(&member, "lbset").to_owned())
    };
    ports.iter().map(of).collect()
}

/// Starts a container for each of `words`. Returns the containers, their ports, and the lines of their members
/// with these words.
pub fn members(words: &[&str]) -> (Vec<ScriptedPeer>, Vec<u16>, Vec<String>) {
    let peers: Vec<_> = words.iter().map(|_| ScriptedPeer::start(uris)).collect();
    let ports: Vec<_> = peers.iter().map(ScriptedPeer::port).collect();
    let line = |(port, words): (&u16, &&str)| format!("ajp://127.0.0.1:{port} {words}");
    let lines = ports.iter().zip(words).map(line).collect();
    (peers, ports, lines)
}

/// The `ProxySet` line for a balancer that [`manage`] changes: a nonce that the test knows.
pub const NONCE: &str = "of-the-tests";

/// Changes a member, or the balancer `members` where `port` is `None`, as an administrator does.
#[track_caller]
pub fn manage(httpd: &Httpd, port: Option<u16>, change: &str) {
    manage_over(&mut httpd.client(), httpd, port, change);
}

/// As [`manage`], over this connection: under prefork, in the child that has it.
#[track_caller]
pub fn manage_over(client: &mut Client, httpd: &Httpd, port: Option<u16>, change: &str) {
    let member = port.map_or(String::new(), |port| format!("&w=ajp://127.0.0.1:{port}"));
    let form = format!("b=members&nonce={NONCE}{member}&{change}");
    let headers = format!(
        "Referer: http://localhost:{}/balancer-manager\r\nContent-Length: {}\r\n",
        httpd.port(),
        form.len()
    );
    client.request("POST", "/balancer-manager", &headers, form.as_bytes()).expect(200);
}
