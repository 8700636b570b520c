//! A Tomcat as the distribution ships it, without a jar of ours: the agent `ajp-dialer` beside it
//! connects to httpd.
//!
//! Pauses here are clients that think, or the time in which nothing must happen.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;

use test_support::dialer::Agent;
use test_support::http::{Generated, said, sha256};
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::members::{WAITS, crowd, waits};
use test_support::process::{self, free_port};
use test_support::tomcat::Tomcat;

/// A key file readable by its owner alone.
fn key() -> &'static str {
    static KEY: OnceLock<PathBuf> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory").keep();
        process::remove_at_end(&directory);
        let file = directory.join("key");
        fs::write(&file, "0123456789abcdef\n").expect("it is ours");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
        file
    });
    key.to_str().expect("ASCII")
}

/// Unless `parameters` has another `acquire`, a request waits for the agent as long as a client waits
/// for the request.
fn setup(mpm: Mpm, port: u16, parameters: &str) -> Setup {
    let acquire = if parameters.contains("acquire=") { "" } else { "acquire=60000" };
    Httpd::setup().mpm(mpm).conf(&format!(
        "ProxyAjpReverse ajp://127.0.0.1:{port} keyfile={} node=node1\n\
         ProxyPass /app ajp://127.0.0.1:{port}/app {acquire} {parameters}",
        key()
    ))
}

fn agent(ports: &[u16], container: &str, more: &[&str]) -> Agent {
    let mut arguments = vec!["--key-file", key(), "--node", "node1", "--container", container];
    let ports: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    ports.iter().for_each(|port| arguments.extend(["--httpd", port]));
    arguments.extend(more);
    Agent::start(&arguments)
}

fn tomcat() -> String {
    format!("127.0.0.1:{}", Tomcat::shared().port)
}

#[test]
fn pages_and_uploads_come_through_under_every_mpm() {
    let megabyte = Generated::bytes(1 << 20, 1);
    let digest = sha256([megabyte.clone()]);
    let servers = [Mpm::Event, Mpm::Worker, Mpm::Prefork].map(|mpm| (mpm, free_port()));
    let _agent = agent(&servers.map(|(_, port)| port), &tomcat(), &[]);
    for (mpm, port) in servers {
        let httpd = setup(mpm, port, "ping=60").start();
        let mut client = httpd.client();
        for _ in 0..5 {
            let page = client.get("/app/index.html").expect(200).text();
            assert!(page.contains("the application's index page"), "{mpm:?}: {page}");
        }
        let length = format!("Content-Length: {}\r\n", megabyte.len());
        let answer = client.request("POST", "/app/upload", &length, &megabyte).expect(200);
        assert_eq!(said(&answer.text(), "sha256"), digest, "{mpm:?}");
    }
}

#[test]
fn thirty_two_children_share_two_spare_connections() {
    let port = free_port();
    let _agent = agent(&[port], &tomcat(), &["--spare", "2"]);
    let httpd = setup(Mpm::Prefork, port, "")
        .conf("StartServers 32\nMinSpareServers 32\nMaxSpareServers 33\nMaxRequestWorkers 32")
        .conf(WAITS)
        .start();
    crowd(&httpd, 32, 60, "/app/static.txt");
    let (children, longest) = waits(&httpd, 0, 32 * 60);
    // For a person who runs this by hand: see the same with the connector.
    println!("{children} children, longest wait {longest} us");
    assert!(children >= 30, "{children} children served");
}

#[test]
fn without_the_container_a_request_gets_503_and_pages_again_when_it_is_back() {
    let port = free_port();
    let mut tomcat = Tomcat::start();
    let container = format!("127.0.0.1:{}", tomcat.port);
    let agent = agent(&[port], &container, &["--backoff-max", "200"]);
    let httpd = setup(Mpm::Event, port, "acquire=1000").start();
    let pages_come = || (httpd.get("/app/static.txt").status == 200).then_some(());
    process::wait_for("it has dialled in", pages_come);
    tomcat.stop();
    // The first request over a connection finds it out; that connection is closed unanswered. A request that gets no
    // connection finds out nothing.
    process::wait_for("the agent knows", || {
        let status = httpd.get("/app/static.txt").status;
        assert!(matches!(status, 502 | 503), "{status}");
        (agent.count("is unreachable") > 0).then_some(())
    });
    // Whatever the method: it has not been sent, so it may go to another member.
    let post = httpd.client().request("POST", "/app/upload", "Content-Length: 1\r\n", b"x");
    post.expect(503);
    tomcat.start_again();
    process::wait_for("a page", pages_come);
}

#[test]
fn an_agent_that_is_replaced_under_load_loses_no_request() {
    let port = free_port();
    let httpd = setup(Mpm::Event, port, "").start();
    let mut old = agent(&[port], &tomcat(), &["--spare", "4"]);
    httpd.get("/app/static.txt").expect(200);
    let (end, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = httpd.client();
                while !end.load(Ordering::Relaxed) {
                    client.get("/app/static.txt").expect(200);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..3 {
            let before = served.load(Ordering::Relaxed);
            let new = agent(&[port], &tomcat(), &["--spare", "4"]);
            process::wait_for("requests meanwhile", || {
                (served.load(Ordering::Relaxed) > before + 200).then_some(())
            });
            old.signal("TERM");
            assert_eq!(old.wait_for_end().code(), Some(0), "{}", old.log());
            old = new;
        }
        end.store(true, Ordering::Relaxed);
    });
}
