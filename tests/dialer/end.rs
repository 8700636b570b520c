//! How the agent `ajp-dialer` begins and ends: its command line, and signals.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use test_support::dialer::{
    Agent, END_RESPONSE, Listener, QUIET, ends, expect, joined, pinged, send,
};

#[test]
fn at_sigterm_unused_connections_are_closed_at_once_and_a_request_is_finished() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let mut agent = Agent::between(&httpd, &container, &[]);
    let (front, back) = joined(&httpd, &container);
    let fresh = [httpd.accept(), httpd.accept()];
    agent.signal("TERM");
    assert!(fresh.iter().all(ends));
    agent.wait_for_line("stopping; requests in progress: 1");
    send(&back, b"AB\0\x06\x03\0\x02hi\0");
    expect(&front, b"AB\0\x06\x03\0\x02hi\0");
    assert!(httpd.accept_within(QUIET).is_none(), "none is dialled any more");
    send(&back, END_RESPONSE);
    expect(&front, END_RESPONSE);
    assert!(ends(&front));
    assert_eq!(agent.wait_for_end().code(), Some(0));
}

#[test]
fn a_connection_between_two_requests_does_not_delay_the_end() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let mut agent = Agent::between(&httpd, &container, &["--drain-timeout", "3600000"]);
    let (front, back) = pinged(&httpd, &container);
    agent.signal("INT");
    assert_eq!(agent.wait_for_end().code(), Some(0));
    assert!(ends(&front) && ends(&back));
}

#[test]
fn a_request_that_httpd_has_given_up_does_not_delay_the_end() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let mut agent = Agent::between(&httpd, &container, &["--drain-timeout", "3600000"]);
    let (front, back) = joined(&httpd, &container);
    drop(front);
    assert!(ends(&back), "and the container goes on");
    agent.signal("TERM");
    assert_eq!(agent.wait_for_end().code(), Some(0));
}

#[test]
fn a_request_that_takes_longer_than_drain_timeout_is_cut() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let mut agent = Agent::between(&httpd, &container, &["--drain-timeout", "300"]);
    let front = httpd.accept();
    send(&front, b"request");
    let _back = container.accept_used();
    agent.signal("TERM");
    assert!(ends(&front));
    assert_eq!(agent.wait_for_end().code(), Some(0));
    agent.wait_for_line("requests cut off: 1");
}

#[test]
fn a_second_signal_ends_the_agent_at_once() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let mut agent = Agent::between(&httpd, &container, &["--drain-timeout", "3600000"]);
    let front = httpd.accept();
    send(&front, b"request");
    let _back = container.accept_used();
    agent.signal("TERM");
    agent.wait_for_line("stopping");
    agent.signal("TERM");
    assert!(ends(&front));
    assert_eq!(agent.wait_for_end().code(), Some(0));
}

#[test]
fn a_wrong_command_line_is_refused_with_option_and_value() {
    for (arguments, texts) in [
        (&["--httpd", "web1"][..], &["'web1'", "--httpd", "expected HOST:PORT"][..]),
        (&["--httpd", "web1:9115-9100"], &["'web1:9115-9100'", "--httpd"]),
        (&["--httpd", "web1:1", "--spare", "0"], &["'0'", "--spare", "1..=1000"]),
        (&["--httpd", "web1:1", "--container", "unix:x"], &["'unix:x'", "--container"]),
        (&["--httpd", "web1:1", "--connect-timeout", "3s"], &["'3s'", "--connect-timeout"]),
        (&["--httpd", "web1:1", "--backoff-max", "50"], &["--backoff-max 50", "--backoff-min 100"]),
        (&["--httpd", "web1:1", "--key-file", "/dev/null"], &["--key-file /dev/null", "0 bytes"]),
        (&["--httpd", "web1:1", "--key-file", "/no/key"], &["--key-file /no/key", "No such file"]),
        (&[], &["--httpd"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ajp-dialer"))
            .args(arguments)
            .output()
            .expect("it was built for this test");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(texts.iter().all(|text| said.contains(text)), "{arguments:?}: {said}");
    }
}

#[test]
fn a_request_that_has_arrived_when_the_signal_is_read_is_answered() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let mut agent = Agent::between(&httpd, &container, &[]);
    let (front, back) = pinged(&httpd, &container);
    let fresh = httpd.accept();
    // It reads neither before it goes on.
    agent.signal("STOP");
    send(&front, b"request");
    send(&fresh, b"another");
    agent.signal("TERM");
    agent.signal("CONT");
    expect(&back, b"request");
    send(&back, END_RESPONSE);
    expect(&front, END_RESPONSE);
    let other = container.accept_used();
    expect(&other, b"another");
    send(&other, END_RESPONSE);
    expect(&fresh, END_RESPONSE);
    assert!(agent.wait_for_end().success());
}

#[test]
fn a_key_file_that_the_user_of_the_agent_may_not_read_is_named() {
    const NOBODY: u32 = 65534;
    let directory = tempfile::tempdir().expect("a directory");
    let [program, key] = ["agent", "node1.key"].map(|name| directory.path().join(name));
    // Not by this process: a program that is open for writing cannot be run, and another test's child may
    // have inherited the file.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_ajp-dialer")).arg(&program);
    assert!(copy.status().expect("cp is there").success());
    fs::write(&key, "a key of more than 16 bytes").expect("it is ours");
    let modes: [(&Path, u32); 3] = [(directory.path(), 0o755), (&program, 0o755), (&key, 0o000)];
    for (path, mode) in modes {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }
    let mut agent = Command::new(&program);
    agent.args(["--httpd", "web1:1", "--key-file"]).arg(&key);
    // Root may read every file.
    if rustix::process::geteuid().is_root() {
        agent.uid(NOBODY).gid(NOBODY);
    }
    let output = agent.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("--key-file {}: Permission denied", key.display())), "{said}");
}
