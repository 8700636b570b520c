//! Mistakes in the settings of reverse connections, with the agent `ajp-dialer`: both logs name each of
//! them, and no request is needed for that.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;
use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::dialer::Agent;
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::members::{ONE_CHILD, serve};
use test_support::process::{free_port, free_ports, signal, wait_for};

/// Two keys, and a container that answers every request.
struct Site {
    _directory: TempDir,
    key: PathBuf,
    other_key: PathBuf,
    container: ScriptedPeer,
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let [key, other_key] = ["key", "other"].map(|name| {
            let path = directory.path().join(name);
            fs::write(&path, format!("0123456789abcdef {name}\n")).expect("it is ours");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
            path
        });
        let container = ScriptedPeer::start(|conn| {
            serve(conn, &|conn, _| respond(conn, "ours").map(|()| true))
        });
        Self { _directory: directory, key, other_key, container }
    }

    /// The configuration of httpd's side.
    fn conf(&self, port: u16, words: &str) -> String {
        format!(
            "ProxyAjpReverse ajp://127.0.0.1:{port} {}\n\
             ProxyPass /app ajp://127.0.0.1:{port}/app acquire=20000",
            words.replace("KEY", &self.key.display().to_string())
        )
    }

    fn setup(&self, port: u16, words: &str) -> Setup {
        Httpd::setup().conf(ONE_CHILD).conf(&self.conf(port, words))
    }

    /// Starts the agent. In its options, KEY and OTHER are the paths of the keys.
    fn agent(&self, ports: &str, options: &str) -> Agent {
        let options = options
            .replace("KEY", &self.key.display().to_string())
            .replace("OTHER", &self.other_key.display().to_string());
        let (httpd, container) =
            (format!("127.0.0.1:{ports}"), format!("127.0.0.1:{}", self.container.port()));
        let fixed = ["--httpd", &httpd, "--container", &container, "--backoff-max", "500"];
        let options: Vec<&str> = options.split_whitespace().collect();
        Agent::start(&[&fixed[..], &options].concat())
    }
}

/// Waits until httpd's log has a line with all of these words.
fn httpd_says(httpd: &Httpd, words: &[&str]) {
    wait_for(&format!("a line with {words:?}"), || {
        let log = httpd.error_log();
        log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}

/// Starts both sides with these settings, and waits until each has said that; nothing is asked for.
fn both_say(httpd_words: &str, agent_options: &str, httpd_line: &[&str], agent_line: &[&str]) {
    let (site, port) = (Site::new(), free_port());
    let httpd = site.setup(port, httpd_words).start();
    let agent = site.agent(&port.to_string(), agent_options);
    let address = format!("127.0.0.1:{port}: connection from 127.0.0.1 refused: ");
    httpd_says(&httpd, &[&[address.as_str()], httpd_line].concat());
    for word in agent_line {
        agent.wait_for_line(word);
    }
    assert_eq!(agent.count("is available"), 0, "{}", agent.log());
}

#[test]
fn a_container_without_a_key_where_httpd_wants_one_is_said_on_both_sides() {
    both_say(
        "keyfile=KEY",
        "",
        &["AJP0351", "no hello within 5s: its side probably has no key"],
        &["connected, waiting for httpd", "it has keyfile= and --key-file is missing here"],
    );
}

#[test]
fn a_container_with_a_key_where_httpd_has_none_is_said_on_both_sides() {
    both_say(
        "",
        "--key-file KEY --node node1",
        &[
            "AJP0352",
            "it begins a handshake, so its side has a key",
            "but keyfile= is not set here",
        ],
        &["it closes connections before using them", "keyfile= is missing there"],
    );
}

#[test]
fn a_wrong_key_is_said_on_both_sides() {
    both_say(
        "keyfile=KEY node=node1",
        "--key-file OTHER --node node1",
        &["AJP0350", "its key (keyFile, --key-file) is probably not that of keyfile="],
        &["the peer does not prove that it knows the key", "have different keys"],
    );
}

#[test]
fn a_wrong_node_is_said_on_both_sides() {
    both_say(
        "keyfile=KEY node=node1",
        "--key-file KEY --node node2",
        &["AJP0320", "its node name is \"node2\", but node=node1 is configured"],
        &["it closes connections after the handshake", "is probably not \"node2\""],
    );
}

#[test]
fn an_address_that_is_not_allowed_is_said_on_both_sides() {
    both_say(
        "allow=127.0.0.9 keyfile=KEY",
        "--key-file KEY",
        &["AJP0316", "its address is not in allow="],
        &["allow= of its ProxyAjpReverse does not include this machine"],
    );
}

#[test]
fn a_container_that_cannot_read_its_key_says_so_and_httpd_that_none_connects() {
    let (site, port) = (Site::new(), free_port());
    let httpd = site.setup(port, "keyfile=KEY").start();
    let mut agent = site.agent(&port.to_string(), "--key-file /nonexistent/node1.key");
    assert_eq!(agent.wait_for_end().code(), Some(2));
    let said = "--key-file /nonexistent/node1.key: No such file or directory";
    assert!(agent.log().contains(said), "{}", agent.log());
    let address = format!("AJP0353: 127.0.0.1:{port}: no container has connected for ");
    httpd_says(&httpd, &[&address, "If it cannot read its key file, its own log says so"]);

    let agent = site.agent(&port.to_string(), "--key-file KEY");
    agent.wait_for_line("is available");
    httpd_says(&httpd, &[&format!("AJP0354: 127.0.0.1:{port}: a container has connected again")]);
}

#[test]
fn without_a_mistake_the_agent_waits_for_httpd_and_is_available_before_the_first_request() {
    for (words, options) in [("keyfile=KEY node=n", "--key-file KEY --node n"), ("", "")] {
        let (site, port) = (Site::new(), free_port());
        let httpd = site.setup(port, words).start();
        let agent = site.agent(&port.to_string(), options);
        agent.wait_for_line("is available");
        assert_eq!(httpd.get("/app/x").expect(200).text(), "ours");
        let log = httpd.error_log();
        assert!(!log.contains("refused") && !log.contains("no container"), "{log}");
    }
}

#[test]
fn without_a_housekeeper_the_agent_waits_for_the_first_request() {
    let (site, port) = (Site::new(), free_port());
    let setup = site.setup(port, "keyfile=KEY").conf("ProxyAjpMaintain 0");
    let httpd = setup.start();
    let agent = site.agent(&port.to_string(), "--key-file KEY");
    agent.wait_for_line("connected, waiting for httpd");
    assert_eq!(agent.count("is available"), 0, "{}", agent.log());
    wait_for("the agent's connection", || (httpd.get("/app/x").status == 200).then_some(()));
    agent.wait_for_line("is available");
}

#[test]
fn in_a_range_every_connection_is_checked_when_it_comes() {
    let site = Site::new();
    let first = free_ports(2);
    let range = format!("{first}-{}", first + 1);
    let line = format!(
        "ProxyAjpReverse ajp://node1 listen=127.0.0.1:{range} keyfile={}\n\
         ProxyPass /app ajp://node1/app",
        site.key.display()
    );
    let httpd = Httpd::setup().conf(ONE_CHILD).conf(&line).start();
    let agent = site.agent(&range, "--key-file KEY --spare 3 --verbose");
    wait_for("all are checked", || (agent.count("has completed its handshake") == 3).then_some(()));
    agent.wait_for_line(&format!("httpd 127.0.0.1:{first} is available"));
    let wrong = site.agent(&range, "--key-file OTHER");
    wrong.wait_for_line("the peer does not prove that it knows the key");
    httpd_says(&httpd, &["its key (keyFile, --key-file) is probably not that of keyfile="]);
}

#[test]
fn of_many_children_one_checks_the_port_and_another_one_when_that_one_has_ended() {
    let (site, port) = (Site::new(), free_port());
    let start = Instant::now();
    let httpd = Httpd::setup()
        .mpm(Mpm::Prefork)
        .conf("StartServers 6\nMinSpareServers 6\nMaxSpareServers 7\nMaxRequestWorkers 6\nServerLimit 6")
        .conf(&site.conf(port, "keyfile=KEY"))
        .start();
    let agent = site.agent(&port.to_string(), "--key-file KEY --spare 2 --verbose");
    let handshakes = || agent.count("has completed its handshake");
    agent.wait_for_line("is available");
    // One more each ten seconds, over all children: six would have made it six at once.
    let before = handshakes();
    let due = 1 + usize::try_from(start.elapsed().as_secs() / 10).expect("it has not taken years");
    assert!(before <= due, "{before} of {due}: {}", agent.log());
    // Whichever of them has the port.
    for child in httpd.children() {
        signal("KILL", child);
    }
    wait_for("another child takes over", || (handshakes() > before).then_some(()));
    assert_eq!(httpd.get("/app/x").expect(200).text(), "ours");
}
