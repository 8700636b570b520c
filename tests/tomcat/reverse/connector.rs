//! A Tomcat that accepts no connections: it connects to httpd, with the connector of
//! `tomcat-connector/`.
//!
//! Pauses here are clients that think, or the time in which nothing must happen.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;
use std::time::Instant;

use test_support::http::{Generated, said, sha256};
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::members::{WAITS, crowd, waits};
use test_support::process::{self, free_port, free_ports, signal, wait_for};
use test_support::relay::Relay;
use test_support::tomcat::Tomcat;

/// A key file of this test, readable by its owner alone, and another one.
fn keys() -> &'static [PathBuf; 2] {
    static KEYS: OnceLock<[PathBuf; 2]> = OnceLock::new();
    KEYS.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory").keep();
        process::remove_at_end(&directory);
        ["0123456789abcdef-right\n", "0123456789abcdef-wrong\r\n"].map(|key| {
            let file = directory.join(&key[17..22]);
            fs::write(&file, key).expect("it is ours");
            fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
            file
        })
    })
}

/// The attributes of a connector that connects to this port with the key, as node1.
fn connector(port: u16, spare: u32, more: &str) -> String {
    format!(
        "address='127.0.0.1' port='{port}' spare='{spare}' keyFile='{}' nodeName='node1' \
         backoffMax='500' {more}",
        keys()[0].display()
    )
}

/// An httpd to which the container of `/app` connects at this port, with the key, as node1. Unless
/// `parameters` has another `acquire`, a request waits for the container as long as a client waits for
/// the request.
fn setup(mpm: Mpm, port: u16, parameters: &str) -> Setup {
    let acquire = if parameters.contains("acquire=") { "" } else { "acquire=60000" };
    Httpd::setup().mpm(mpm).conf(&format!(
        "ProxyAjpReverse ajp://127.0.0.1:{port} keyfile={} node=node1\n\
         ProxyPass /app ajp://127.0.0.1:{port}/app {acquire} {parameters}",
        keys()[0].display()
    ))
}

#[test]
fn pages_sessions_and_uploads_come_through_under_every_mpm() {
    let megabyte = Generated::bytes(1 << 20, 1);
    let digest = sha256([megabyte.clone()]);
    let servers = [Mpm::Event, Mpm::Worker, Mpm::Prefork].map(|mpm| (mpm, free_port()));
    let _tomcat = Tomcat::start_dialling(&servers.map(|(_, port)| connector(port, 2, "")));
    for (mpm, port) in servers {
        let httpd = setup(mpm, port, "").start();
        let page = httpd.get("/app/index.html").expect(200).text();
        assert!(page.contains("the application's index page"), "{mpm:?}: {page}");
        let mut client = httpd.client();
        let first = client.get("/app/session").expect(200);
        let cookie = first.header("Set-Cookie").expect("a session").split(';').next().unwrap();
        let cookie = format!("Cookie: {cookie}\r\n");
        let second = client.request("GET", "/app/session", &cookie, b"").expect(200);
        assert_eq!((second.said("count"), second.said("node")), ("2".into(), "node1".into()));
        for body in [&megabyte[..1000], &megabyte[..]] {
            let length = format!("Content-Length: {}\r\n", body.len());
            let answer = client.request("POST", "/app/upload", &length, body).expect(200);
            assert_eq!(answer.said("length"), body.len().to_string(), "{mpm:?}");
        }
        let chunked = "Transfer-Encoding: chunked\r\n";
        let mut body = format!("{:x}\r\n", megabyte.len()).into_bytes();
        body.extend_from_slice(&megabyte);
        body.extend_from_slice(b"\r\n0\r\n\r\n");
        let answer = client.request("POST", "/app/upload", chunked, &body).expect(200);
        assert_eq!(said(&answer.text(), "sha256"), digest, "{mpm:?}");
    }
}

#[test]
fn thirty_two_children_share_two_spare_connections_and_every_request_gets_one() {
    let port = free_port();
    let _tomcat = Tomcat::start_dialling(&[connector(port, 2, "")]);
    let httpd = setup(Mpm::Prefork, port, "")
        .conf("StartServers 32\nMinSpareServers 32\nMaxSpareServers 33\nMaxRequestWorkers 32")
        .conf(WAITS)
        .start();
    // Tomcat has just been started in the first round. In each of the others the children are new, and
    // have no connection yet.
    let mut seen = 0;
    for round in 1..=3 {
        crowd(&httpd, 32, 60, "/app/static.txt");
        let (children, longest) = waits(&httpd, seen, 32 * 60);
        // This time also shows how busy this machine is: it is for a person who runs the test by hand.
        println!("round {round}: {children} children, longest wait {longest} us");
        assert!(children >= 30, "{children} children served");
        seen += 32 * 60;
        let old = httpd.children();
        httpd.graceful();
        // On a busy machine, a child that has been told to end may still accept a connection: it answers
        // one request and closes the connection, which the next one of this client would find closed.
        wait_for("the old children have ended", || {
            let children = httpd.children();
            old.iter().all(|child| !children.contains(child)).then_some(())
        });
    }
}

#[test]
fn a_graceful_restart_and_a_killed_child_lose_no_request_except_the_child_s_own() {
    let ports = [Mpm::Event, Mpm::Prefork].map(|mpm| (mpm, free_port()));
    let _tomcat = Tomcat::start_dialling(&ports.map(|(_, port)| connector(port, 4, "")));
    for (mpm, port) in ports {
        let httpd = setup(mpm, port, "").start();
        httpd.get("/app/static.txt").expect(200);
        let (end, lost, served) = Default::default();
        scope(|scope| {
            for client in 0..8 {
                let (end, lost, served): (&AtomicBool, &AtomicUsize, &AtomicUsize) =
                    (&end, &lost, &served);
                let httpd = &httpd;
                scope.spawn(move || {
                    let mut number = 0;
                    while !end.load(Ordering::Relaxed) {
                        number += 1;
                        let id = format!("{client}-{number}");
                        // Requests that are cut were in the killed child.
                        match httpd.client().try_get(&format!("/app/echo?id={id}")) {
                            Some(answer) if answer.complete => {
                                let answer = answer.expect(200);
                                assert!(answer.text().contains(&id), "another's answer");
                                served.fetch_add(1, Ordering::Relaxed);
                            }
                            _ => drop(lost.fetch_add(1, Ordering::Relaxed)),
                        }
                    }
                });
            }
            let more = || {
                let before = served.load(Ordering::Relaxed);
                wait_for("they are served", || {
                    (served.load(Ordering::Relaxed) > before + 50).then_some(())
                });
            };
            for _ in 0..3 {
                more();
                httpd.graceful();
            }
            more();
            assert_eq!(lost.load(Ordering::Relaxed), 0, "{mpm:?}: lost in a graceful restart");
            signal("KILL", httpd.children()[0]);
            more();
            end.store(true, Ordering::Relaxed);
        });
        let (lost, served) = (lost.into_inner(), served.into_inner());
        println!("{mpm:?}: {served} served, {lost} lost with the killed child");
        assert!(lost <= 8, "{mpm:?}: {lost}: one for each client at most");
    }
}

#[test]
fn a_tomcat_that_is_killed_or_restarted_while_idle_is_used_again_at_once() {
    let port = free_port();
    let mut tomcat = Tomcat::start_dialling(&[connector(port, 4, "")]);
    let httpd = setup(Mpm::Event, port, "").start();
    for round in 0..6 {
        httpd.get("/app/static.txt").expect(200);
        // The connections of the killed Tomcat are in pools and in the queue, dead.
        if round % 2 == 0 {
            tomcat.kill();
        } else {
            tomcat.stop();
        }
        tomcat.start_again();
        let start = Instant::now();
        wait_for("it dials again", || {
            let answer = httpd.get("/app/static.txt");
            assert!([200, 503].contains(&answer.status), "{}", answer.status);
            (answer.status == 200).then_some(())
        });
        println!("round {round}: {} ms", start.elapsed().as_millis());
        for _ in 0..20 {
            httpd.get("/app/static.txt").expect(200);
        }
    }
    // A handshake in progress when Tomcat is killed is rightly logged.
    let log = httpd.error_log();
    let was_killed = "closed the connection during the handshake";
    let mut refused = log.lines().filter(|line| line.contains("refused"));
    assert!(refused.all(|line| line.contains(was_killed)), "nobody else was: {log}");
}

#[test]
fn a_tomcat_that_is_killed_under_load_loses_its_requests_in_progress_and_causes_no_wrong_answer() {
    let port = free_port();
    let mut tomcat = Tomcat::start_dialling(&[connector(port, 4, "")]);
    let httpd = setup(Mpm::Event, port, "").start();
    let (end, lost, served) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    scope(|scope| {
        for client in 0..8 {
            let (end, lost, served, httpd) = (&end, &lost, &served, &httpd);
            scope.spawn(move || {
                let mut number = 0;
                while !end.load(Ordering::Relaxed) {
                    number += 1;
                    let id = format!("{client}-{number}");
                    let answer = httpd.client().try_get(&format!("/app/echo?id={id}"));
                    match answer.as_ref().map(|answer| (answer.status, answer.complete)) {
                        Some((200, true)) => {
                            assert!(answer.unwrap().text().contains(&id), "another's answer");
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        // No container has connected.
                        Some((503, true)) => {}
                        // The killed Tomcat was working on this one.
                        Some((502, true) | (200, false)) => {
                            lost.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        let more = |what| {
            let before = served.load(Ordering::Relaxed);
            wait_for(what, || (served.load(Ordering::Relaxed) > before + 100).then_some(()));
        };
        more("it serves");
        tomcat.kill();
        tomcat.start_again();
        more("it serves again");
        end.store(true, Ordering::Relaxed);
    });
    let (lost, served) = (lost.into_inner(), served.into_inner());
    println!("{served} served, {lost} lost");
    assert!(lost <= 8, "{lost}: one for each client at most");
}

#[test]
fn without_a_tomcat_503_comes_within_acquire_and_its_return_is_noticed_at_once() {
    let port = free_port();
    let mut tomcat = Tomcat::start_dialling(&[connector(port, 2, "")]);
    let httpd = setup(Mpm::Event, port, "acquire=300")
        .conf("ServerLimit 1\nStartServers 1\nMaxRequestWorkers 16\nMaxSpareThreads 16")
        .start();
    // The connector connects when it can, which may be after the first request has given up.
    let pages_come = || (httpd.get("/app/static.txt").status == 200).then_some(());
    wait_for("it has dialled in", pages_come);
    tomcat.stop();
    // How long each has waited, from the log of the last one.
    let waited = || {
        let answer = httpd.get("/app/static.txt").expect(503);
        assert_eq!(answer.header("Retry-After"), Some("1"));
        let log = httpd.error_log();
        let (_, last) = log.rsplit_once("(waited ").expect("why it is a 503");
        last.split_once(')').expect("what begins ends").0.to_owned()
    };
    assert_eq!(waited(), "300ms");
    let later = wait_for("it is known to be gone", || {
        Some(waited()).filter(|waited| waited.contains("none for a while"))
    });
    assert_eq!(later, "50ms; none for a while");
    tomcat.start_again();
    wait_for("it is back", pages_come);
}

#[test]
fn a_tomcat_with_another_key_name_or_no_key_is_refused_and_logged_once() {
    let ports = [free_port(), free_port(), free_port()];
    let bare = |port: u16, more: &str| {
        format!("address='127.0.0.1' port='{port}' backoffMin='50' backoffMax='200' {more}")
    };
    let wrong = format!("keyFile='{}' nodeName='node1'", keys()[1].display());
    let renamed = format!("keyFile='{}' nodeName='node2'", keys()[0].display());
    let _tomcat = Tomcat::start_dialling(&[
        bare(ports[0], &wrong),
        bare(ports[1], &renamed),
        bare(ports[2], ""),
    ]);
    for (port, said) in [
        (ports[0], "closed the connection during the handshake"),
        (ports[1], "its node name is \"node2\", but node=node1 is configured"),
        (ports[2], "no hello within"),
    ] {
        // A handshake has half of it: a container that is slow would be logged for that.
        let httpd = setup(Mpm::Event, port, "acquire=4000")
            .conf("ServerLimit 1\nStartServers 1\nMaxRequestWorkers 16\nMaxSpareThreads 16")
            .start();
        // No key, no hello: the kernel holds that connection back.
        if said.starts_with("no hello") {
            httpd.get("/app/static.txt").expect(503);
            continue;
        }
        for _ in 0..3 {
            httpd.get("/app/static.txt").expect(503);
        }
        let log = wait_for("the refusal is in the log", || {
            let log = httpd.error_log();
            log.contains(said).then_some(log)
        });
        assert_eq!(log.matches(said).count(), 1, "{log}");
    }
}

#[test]
fn a_handshake_relayed_from_another_port_is_refused() {
    let port = free_port();
    // A handshake has half of acquire, as above.
    let httpd = setup(Mpm::Event, port, "acquire=4000")
        .conf("ServerLimit 1\nStartServers 1\nMaxRequestWorkers 16\nMaxSpareThreads 16")
        .start();
    // Tomcat connects to a peer that is not httpd, and that would be between the two.
    let between = Relay::to(([127, 0, 0, 1], port).into());
    let tomcat = Tomcat::start_dialling(&[connector(between.port, 2, "")]);
    wait_for("Tomcat has dialled", || (between.connections() >= 2).then_some(()));
    for _ in 0..3 {
        httpd.get("/app/static.txt").expect(503);
    }
    let said = "closed the connection during the handshake";
    wait_for("the refusal is in the log", || httpd.error_log().contains(said).then_some(()));
    assert_eq!(httpd.error_log().matches(said).count(), 1, "{}", httpd.error_log());
    assert!(
        tomcat.log().contains("no requests are accepted from it"),
        "Tomcat says so too: {}",
        tomcat.log()
    );
}

#[test]
fn in_a_range_each_child_has_a_port_and_a_restart_finds_them_all_again() {
    let first = free_ports(8);
    let _tomcat = Tomcat::start_dialling(&[connector(first, 2, "portRange='8' backoffMin='50'")]);
    let httpd = Httpd::setup()
        .mpm(Mpm::Prefork)
        .conf("ServerLimit 8\nStartServers 4\nMinSpareServers 4\nMaxSpareServers 5\nMaxRequestWorkers 4")
        .conf(&format!(
            "ProxyAjpReverse ajp://node1 listen=127.0.0.1:{first}-{} keyfile={} node=node1\n\
             ProxyPass /app ajp://node1/app acquire=60000",
            first + 7,
            keys()[0].display()
        ))
        .conf("CustomLog children.log \"%P %s\"")
        .start();
    let ask_all = |at_least: usize| {
        wait_for("every child has served", || {
            scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| httpd.get("/app/slow?ms=50").expect(200));
                }
            });
            (test_support::members::serving(&httpd) >= at_least).then_some(())
        });
    };
    ask_all(4);
    let log = httpd.error_log();
    assert_eq!(log.matches("listening for containers at 127.0.0.1:").count(), 4, "{log}");
    httpd.graceful();
    ask_all(8);
    assert!(!httpd.error_log().contains("no port of"), "{}", httpd.error_log());
}
