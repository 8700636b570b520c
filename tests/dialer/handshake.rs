//! The handshake of the agent `ajp-dialer`, with a stand-in for httpd that has its own.

use std::fs::{self, Permissions};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;
use test_support::dialer::{
    Agent, CPING, CPONG, Handshake, Listener, QUIET, ends, expect, is_quiet, send,
};
use test_support::process::wait_for;

const KEY: &[u8] = b"a key that both sides know";

struct KeyFile {
    _directory: TempDir,
    path: PathBuf,
}

impl KeyFile {
    fn new(mode: u32) -> KeyFile {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("node1.key");
        fs::write(&path, [KEY, b"\r\n"].concat()).expect("it is ours");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        KeyFile { _directory: directory, path }
    }

    fn start(&self, httpd: &Listener, container: &Listener, more: &[&str]) -> Agent {
        let path = self.path.to_str().expect("ASCII");
        let key = ["--key-file", path, "--node", "node1"];
        let agent = Agent::between(httpd, container, &[&key[..], more].concat());
        // By now it has read the file, which is removed with `self`.
        agent.wait_for_line("as node \"node1\"");
        agent
    }
}

fn handshake(port: u16, nonce: u8) -> Handshake<'static> {
    Handshake { key: KEY, port, nonce: [nonce; 16] }
}

#[test]
fn requests_pass_after_the_handshake() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = KeyFile::new(0o600).start(&httpd, &container, &[]);
    let front = httpd.accept();
    assert_eq!(handshake(httpd.port, 1).shake(&front), b"node1");
    send(&front, CPING);
    let back = container.accept_used();
    expect(&back, CPING);
    send(&back, CPONG);
    expect(&front, CPONG);
}

#[test]
fn a_request_may_follow_the_proof_at_any_time() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = KeyFile::new(0o600).start(&httpd, &container, &[]);
    let front = httpd.accept();
    handshake(httpd.port, 1).shake(&front);
    assert!(is_quiet(&front), "neither the end nor anything else comes");
    send(&front, CPING);
    expect(&container.accept_used(), CPING);
}

#[test]
fn a_challenge_may_come_byte_by_byte() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = KeyFile::new(0o600).start(&httpd, &container, &[]);
    let front = httpd.accept();
    front.set_nodelay(true).expect("TCP");
    let (nonce, node) = Handshake::read_hello(&front);
    for byte in handshake(httpd.port, 1).challenge(&nonce, &node) {
        send(&front, &[byte]);
    }
    let mut proof = [0; 38];
    std::io::Read::read_exact(&mut &front, &mut proof).expect("the proof comes");
    send(&front, CPING);
    expect(&container.accept_used(), CPING);
}

#[test]
fn on_a_shared_port_the_challenge_brings_the_next_connection() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = KeyFile::new(0o600).start(&httpd, &container, &[]);
    let (first, _second) = (httpd.accept(), httpd.accept());
    assert!(httpd.accept_within(QUIET).is_none());
    handshake(httpd.port, 1).shake(&first);
    let _third = httpd.accept();
    assert!(httpd.accept_within(QUIET).is_none());
}

#[test]
fn on_a_port_with_one_process_the_challenge_brings_no_connection() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let more = ["--shared-ports", "false"];
    let _agent = KeyFile::new(0o600).start(&httpd, &container, &more);
    let fronts = [httpd.accept(), httpd.accept()];
    for front in &fronts {
        handshake(httpd.port, 1).shake(front);
    }
    assert!(httpd.accept_within(QUIET).is_none(), "or both sides would open ever more");
}

#[test]
fn an_httpd_with_another_key_gets_no_proof_and_is_logged_once() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let more = ["--backoff-max", "200"];
    let agent = KeyFile::new(0o600).start(&httpd, &container, &more);
    for nonce in 0..4 {
        let front = httpd.accept();
        let (container, node) = Handshake::read_hello(&front);
        let wrong =
            Handshake { key: b"a key of somebody else", port: httpd.port, nonce: [nonce; 16] };
        send(&front, &wrong.challenge(&container, &node));
        assert!(ends(&front));
    }
    let told = "the peer does not prove that it knows the key";
    assert_eq!(agent.count(told), 1, "{}", agent.log());

    let front = httpd.accept();
    handshake(httpd.port, 9).shake(&front);
    agent.wait_for_line("the handshake succeeds again");
    send(&front, CPING);
    expect(&container.accept_used(), CPING);
}

#[test]
fn a_challenge_made_for_another_port_is_refused() {
    // An attacker listens on the port that the agent connects to, and passes everything on to httpd, at
    // another port.
    let (relay, container) = (Listener::open(), Listener::open());
    let _agent = KeyFile::new(0o600).start(&relay, &container, &[]);
    let front = relay.accept();
    let (nonce, node) = Handshake::read_hello(&front);
    send(&front, &handshake(relay.port + 1, 1).challenge(&nonce, &node));
    assert!(ends(&front));
}

#[test]
fn a_challenge_from_an_earlier_connection_is_refused() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = KeyFile::new(0o600).start(&httpd, &container, &[]);
    let (first, second) = (httpd.accept(), httpd.accept());
    let (nonce, node) = Handshake::read_hello(&first);
    let recorded = handshake(httpd.port, 1).challenge(&nonce, &node);
    assert_ne!(Handshake::read_hello(&second).0, nonce);
    send(&second, &recorded);
    assert!(ends(&second));
}

#[test]
fn bytes_before_the_proof_never_reach_the_container() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let agent = KeyFile::new(0o600).start(&httpd, &container, &["--spare", "3"]);
    assert!(ends(&container.accept()), "the one that asked whether it is there");
    let fronts = [httpd.accept(), httpd.accept(), httpd.accept()];
    Handshake::read_hello(&fronts[0]);
    send(&fronts[0], CPING);
    assert!(ends(&fronts[0]));
    let (nonce, node) = Handshake::read_hello(&fronts[1]);
    let challenge = handshake(httpd.port, 1).challenge(&nonce, &node);
    send(&fronts[1], &[&challenge, CPING].concat());
    assert!(ends(&fronts[1]));
    Handshake::read_hello(&fronts[2]);
    send(&fronts[2], b"GET / HTTP/1.1\r\n\r\n");
    assert!(ends(&fronts[2]));
    assert!(container.accept_within(QUIET).is_none(), "{}", agent.log());
}

#[test]
fn a_challenge_that_does_not_end_is_abandoned() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let more = ["--connect-timeout", "2000"];
    let agent = KeyFile::new(0o600).start(&httpd, &container, &more);
    let front = httpd.accept();
    send(&front, &[0x12, 0x34, 0x00]);
    Handshake::read_hello(&front);
    assert!(ends(&front));
    agent.wait_for_line("did not complete its challenge within 2000 ms");
}

#[test]
fn an_httpd_that_closes_at_the_hello_is_tried_with_pauses() {
    // As a peer without a key does: it cannot read the hello.
    let (httpd, container) = (Listener::open(), Listener::open());
    let agent = KeyFile::new(0o600).start(&httpd, &container, &[]);
    // A connection that is closed late is taken for that of an httpd that ends. One that is opened after that is not.
    wait_for("it is told", || {
        if let Some(front) = httpd.accept_within(QUIET) {
            Handshake::read_hello(&front);
            front.shutdown(Shutdown::Both).expect("open");
        }
        (agent.count("it closes connections before using them") > 0).then_some(())
    });
}

#[test]
fn a_key_file_that_everybody_may_read_causes_a_warning() {
    for (mode, warned) in [(0o644, true), (0o640, false), (0o600, false)] {
        let (httpd, container) = (Listener::open(), Listener::open());
        let agent = KeyFile::new(mode).start(&httpd, &container, &[]);
        assert_eq!(agent.count("every user of this machine can access it") > 0, warned, "{mode:o}");
    }
}
