//! Reverse connections: which containers are accepted, what is never done, and what a restart keeps.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread::scope;

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::members::{ONE_CHILD, serve};
use test_support::process::{DEADLINE, free_port, free_ports, wait_for};

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
const STRANGE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A container that connects to this port of httpd, and answers every request with `name`.
fn dialling(port: u16, from: Ipv4Addr, spare: usize, name: &'static str) -> ScriptedPeer {
    ScriptedPeer::dial(at(port), from, spare, move |conn| {
        serve(conn, &|conn, _| respond(conn, name).map(|()| true))
    })
}

fn at(port: u16) -> SocketAddr {
    (HOME, port).into()
}

/// One child, to which a container may connect from 127.0.0.1.
fn setup(port: u16, words: &str) -> Setup {
    Httpd::setup().conf(ONE_CHILD).conf(&format!(
        "ProxyAjpReverse ajp://127.0.0.1:{port} allow=127.0.0.1 {words}\n\
         ProxyPass /app ajp://127.0.0.1:{port}/app"
    ))
}

/// Whether it gets this answer in the end. Any other answer must be a 503.
#[track_caller]
fn answers(httpd: &Httpd, target: &str, name: &str) {
    wait_for("the container's answer", || {
        let answer = httpd.get(target);
        assert!([200, 503].contains(&answer.status), "{}", answer.status);
        (answer.status == 200 && answer.text() == name).then_some(())
    });
}

#[test]
fn a_stranger_is_refused_and_logged_once() {
    let port = free_port();
    let httpd = setup(port, "").start();
    let stranger = dialling(port, STRANGE, 3, "stolen");
    stranger.wait_for_connections(3);
    let container = dialling(port, HOME, 2, "ours");
    for _ in 0..20 {
        answers(&httpd, "/app/x", "ours");
    }
    assert_eq!((stranger.requests(), stranger.cpings()), (0, 0), "it gets no byte");
    assert!(container.requests() >= 20);
    let said = "connection from 127.0.0.2 refused: its address is not in allow=";
    wait_for("the line", || httpd.error_log().contains(said).then_some(()));
    assert_eq!(httpd.error_log().matches("127.0.0.2").count(), 1, "{}", httpd.error_log());
}

#[test]
fn strangers_cannot_fill_the_queue() {
    let port = free_port();
    // No request comes: the housekeeper alone removes them.
    let httpd = setup(port, "backlog=8").start();
    let stranger = dialling(port, STRANGE, 9, "stolen");
    stranger.wait_for_connections(9);
    let _container = dialling(port, HOME, 1, "ours");
    answers(&httpd, "/app/x", "ours");
    // Each connection that is closed is opened again.
    stranger.wait_for_connections(18);
}

#[test]
fn a_connection_that_died_in_the_queue_costs_no_request() {
    let port = free_port();
    // Not with a housekeeper, which might take one before it has died.
    let httpd = setup(port, "").conf("ProxyAjpMaintain 0").start();
    let dead: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(at(port)).unwrap()).collect();
    drop(dead);
    let container = dialling(port, HOME, 1, "ours");
    container.wait_for_connections(1);
    assert_eq!(httpd.get("/app/x").expect(200).text(), "ours");
    assert!(!httpd.error_log().contains("refused"), "{}", httpd.error_log());
}

#[test]
fn a_graceful_restart_keeps_the_connections_in_the_queue() {
    let port = free_port();
    // Not with a housekeeper, which takes one for a check.
    let httpd = setup(port, "").conf("ProxyAjpMaintain 0").start();
    let container = dialling(port, HOME, 2, "ours");
    container.wait_for_connections(2);
    httpd.graceful();
    assert_eq!(httpd.get("/app/x").expect(200).text(), "ours");
    // The one that was used, and the one that replaces it, besides the two.
    assert!(container.connections() <= 3, "{}", container.connections());
}

#[test]
fn a_graceful_restart_without_the_key_accepts_containers_that_send_nothing_first() {
    let port = free_port();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "0123456789abcdef").unwrap();
    let keyfile = format!("keyfile={}", key.display());
    let httpd = setup(port, &keyfile).start();
    httpd.get("/app/x").expect(503);
    let conf = httpd.root().join("httpd.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace(&keyfile, "")).unwrap();
    httpd.graceful();
    let _container = dialling(port, HOME, 2, "ours");
    answers(&httpd, "/app/x", "ours");
}

#[test]
fn a_port_that_is_no_longer_configured_is_closed_by_a_graceful_restart() {
    let port = free_port();
    let httpd = setup(port, "").start();
    TcpStream::connect(at(port)).expect("it listens");
    let conf = httpd.root().join("httpd.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("ProxyAjpReverse", "#")).unwrap();
    httpd.graceful();
    wait_for("nobody listens", || TcpStream::connect(at(port)).is_err().then_some(()));
}

#[test]
fn httpd_never_connects_to_its_own_port_whatever_url_leads_there() {
    let port = free_port();
    let rewrite = format!(
        "RewriteEngine On\nRewriteRule ^/any/(.*)$ ajp://127.0.0.1:{port}/$1 [P]\n\
         RewriteRule ^/to/(.*?)/(.*)$ ajp://$1/$2 [P]"
    );
    let httpd = setup(port, "").conf(&rewrite).start();
    let urls = ["127.0.0.1", "LOCALHOST"].map(|host| format!("/to/{host}:{port}/x"));
    let targets = ["/app/x", "/any/x", &urls[0], &urls[1]];
    for target in targets {
        let answer = httpd.get(target).expect(503);
        assert_eq!(answer.header("Retry-After"), Some("1"), "{target}");
    }
    // One second, if acquire is not set.
    let said = format!("no container has connected to 127.0.0.1:{port} (waited 1s");
    assert!(httpd.error_log().contains(&said), "{}", httpd.error_log());
    let _container = dialling(port, HOME, 2, "ours");
    for target in targets {
        answers(&httpd, target, "ours");
    }
}

#[test]
fn a_proxy_remote_for_everything_does_not_divert_requests_over_reverse_connections() {
    let port = free_port();
    let remote =
        ScriptedPeer::start(|conn| serve(conn, &|conn, _| respond(conn, "remote").map(|()| true)));
    let line = format!("ProxyRemote * http://127.0.0.1:{}", remote.port());
    let httpd = setup(port, "").conf(&line).start();
    let _container = dialling(port, HOME, 2, "ours");
    answers(&httpd, "/app/x", "ours");
    assert_eq!(remote.connections(), 0);
}

#[test]
fn virtual_hosts_share_the_port_and_the_connections() {
    let port = free_port();
    let host = |name: &str| {
        format!(
            "<VirtualHost *:*>\nServerName {name}\n\
             ProxyPass /{name} ajp://127.0.0.1:{port}/app\n</VirtualHost>"
        )
    };
    // Not with a housekeeper: while it checks the idle connection, a request takes another.
    let setup = setup(port, "").conf("ProxyAjpMaintain 0");
    let httpd = setup.conf(&host("one")).conf(&host("two")).start();
    let container = dialling(port, HOME, 1, "ours");
    for name in ["one", "two", "one"] {
        let target = format!("/{name}/x");
        wait_for("the container", || {
            let mut client = httpd.client();
            client.send(format!("GET {target} HTTP/1.1\r\nHost: {name}\r\n\r\n"));
            (client.response("GET").status == 200).then_some(())
        });
    }
    assert!(container.connections() <= 2, "one in use, one spare: {}", container.connections());
}

#[test]
fn the_status_page_shows_how_many_reverse_connections_wait() {
    let port = free_port();
    let status = "<Location /ajp-status>\nSetHandler ajp-status\n</Location>";
    // Not with a housekeeper, which takes one for a check.
    let httpd = setup(port, "backlog=16").conf("ProxyAjpMaintain 0").conf(status).start();
    let container = dialling(port, HOME, 3, "ours");
    container.wait_for_connections(3);
    let report = httpd.get("/ajp-status?format=json").expect(200).text();
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let wanted = serde_json::json!({"at": at(port).to_string(), "waiting": 3, "backlog": 16});
    assert_eq!(report["pools"][0]["dials_in"], wanted, "{report}");
    let page = httpd.get("/ajp-status").expect(200).text();
    assert!(page.contains("3 of 16 waiting to be accepted"), "{page}");
}

#[test]
fn reversed_on_is_enough_on_this_machine() {
    let port = free_port();
    let httpd = Httpd::setup()
        .conf(ONE_CHILD)
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app reversed=On"))
        .start();
    let _container = dialling(port, HOME, 2, "ours");
    answers(&httpd, "/app/x", "ours");
}

#[test]
fn a_balancer_uses_another_member_at_once_and_the_container_again_when_it_is_back() {
    let port = free_port();
    let other =
        ScriptedPeer::start(|conn| serve(conn, &|conn, _| respond(conn, "other").map(|()| true)));
    let httpd = Httpd::setup()
        .conf(ONE_CHILD)
        .conf(&format!(
            "<Proxy balancer://b>\n\
             BalancerMember ajp://127.0.0.1:{port} reversed=On route=a acquire=100\n\
             BalancerMember ajp://127.0.0.1:{} route=b\n\
             </Proxy>\nProxyPass /app balancer://b/app",
            other.port()
        ))
        .start();
    for _ in 0..10 {
        let answer = httpd.get("/app/x").expect(200);
        assert_eq!(answer.text(), "other");
        assert_eq!(answer.header("Retry-After"), None);
    }
    let _container = dialling(port, HOME, 2, "ours");
    answers(&httpd, "/app/x", "ours");
}

#[test]
fn with_a_key_bytes_before_the_handshake_are_refused_and_logged() {
    let port = free_port();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "0123456789abcdef").unwrap();
    let httpd = setup(port, &format!("keyfile={}", key.display())).start();
    let mut http = TcpStream::connect(at(port)).unwrap();
    http.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    httpd.get("/app/x").expect(503);
    let mut answer = Vec::new();
    let _ = http.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
    let named = "connection from 127.0.0.1 refused: ";
    wait_for("the refusal", || httpd.error_log().contains(named).then_some(()));

    // A silent peer is not even accepted, and delays no request.
    let _silent = TcpStream::connect(at(port)).unwrap();
    httpd.get("/app/x").expect(503);
    assert_eq!(httpd.error_log().matches(named).count(), 1, "{}", httpd.error_log());
}

#[test]
fn programs_that_httpd_starts_do_not_inherit_the_port() {
    let port = free_port();
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let script = directory.path().join("fds");
    fs::write(&script, "#!/bin/sh\necho Content-Type: text/plain\necho\nls -l /proc/self/fd\n")
        .unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let httpd = Httpd::setup()
        .mpm(Mpm::Prefork)
        .modules(&["cgi"])
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app reversed=On"))
        .conf(&format!(
            "<Directory \"{}\">\nRequire all granted\n</Directory>",
            directory.path().display()
        ))
        .conf(&format!("ScriptAlias /fds \"{}\"", script.display()))
        .start();
    let listed = httpd.get("/fds").expect(200).text();
    assert!(listed.contains("/proc"), "{listed}");
    let suffix = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let listener = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| fields[1].ends_with(&suffix) && fields[3] == "0A")
        .expect("httpd listens");
    assert!(!listed.contains(&format!("socket:[{}]", listener[9])), "{listed}");
}

#[test]
fn while_all_connections_are_in_use_a_request_gets_the_first_that_is_released() {
    let port = free_port();
    // Unless acquire says otherwise, each would wait for a second at most. The peer below knows no CPING,
    // which the housekeeper would send.
    let httpd = Httpd::setup()
        .conf(ONE_CHILD)
        .conf("ProxyAjpMaintain 0")
        .conf(&format!(
            "ProxyAjpReverse ajp://127.0.0.1:{port} allow=127.0.0.1\n\
             ProxyPass /app ajp://127.0.0.1:{port}/app acquire=60000"
        ))
        .start();
    // One connection and no other: eight requests at once share it.
    let mut only = TcpStream::connect(at(port)).unwrap();
    scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| httpd.get("/app/x").expect(200));
        }
        only.set_read_timeout(Some(DEADLINE)).unwrap();
        for _ in 0..8 {
            let mut header = [0; 4];
            only.read_exact(&mut header).unwrap();
            let length = u16::from_be_bytes([header[2], header[3]]);
            only.read_exact(&mut vec![0; length.into()]).unwrap();
            // SEND_HEADERS 200 OK with nothing, END_RESPONSE with reuse.
            let headers = [0x41, 0x42, 0, 10, 4, 0, 200, 0, 2, b'O', b'K', 0, 0, 0];
            only.write_all(&headers).unwrap();
            only.write_all(&[0x41, 0x42, 0, 2, 5, 1]).unwrap();
        }
    });
}

#[test]
fn misleading_settings_cause_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "0123456789abcdef").unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let (own, port) = (free_port(), free_ports(2));
    let httpd = Httpd::setup()
        .port(own)
        .conf(&format!(
            "ProxyAjpReverse ajp://node1 listen=127.0.0.1:{port}-{} keyfile={}\n\
             ProxyPass /app ajp://node1/app connectiontimeout=5 addressttl=60",
            port + 1,
            key.display()
        ))
        .start();
    let log = httpd.error_log();
    for said in [
        format!("ajp://node1:8009: 127.0.0.1:{port}-{} has 2 ports and ServerLimit is 8", port + 1),
        "ajp://node1:8009: connectiontimeout has no effect".into(),
        "ajp://node1:8009: addressttl has no effect".into(),
        format!("keyfile {} can be read by every user", key.display()),
    ] {
        assert!(log.contains(&said), "no {said:?} in {log}");
    }
}

#[test]
fn invalid_settings_are_refused_at_the_start() {
    let worker = "ProxyPass /app ajp://127.0.0.1:9100/app";
    let directory = tempfile::tempdir().unwrap();
    let short = directory.path().join("short");
    fs::write(&short, "15 bytes and LF\n").unwrap();
    let short =
        format!("ProxyAjpReverse ajp://127.0.0.1:9100 keyfile={}\n{worker}", short.display());
    for (conf, words) in [
        (
            "ProxyAjpReverse ajp://127.0.0.1:9101\nProxyPass /app ajp://127.0.0.1:9100/app",
            &["ajp://127.0.0.1:9101", "no such worker"][..],
        ),
        ("ProxyAjpReverse ajp://10.0.0.5:9100", &["ajp://10.0.0.5:9100", "allow=network"]),
        ("ProxyAjpReverse ajp://127.0.0.1:9100 allow=x", &["allow=x", "10.1.2.0/24"]),
        ("ProxyAjpReverse ajp://127.0.0.1:9100 color=red", &["color=red", "keyfile="]),
        ("ProxyPass /app ajp://10.0.0.5:9100/app reversed=On", &["10.0.0.5", "ProxyAjpReverse"]),
        ("ProxyPass /app ajp://127.0.0.1:9/app reversed=maybe", &["reversed=maybe", "On or Off"]),
        (
            "ProxyAjpReverse ajp://127.0.0.1:9100 keyfile=conf/none\n\
             ProxyPass /app ajp://127.0.0.1:9100/app",
            &["conf/none", "No such file"],
        ),
        (&short, &["a key of 15 bytes", "16 are needed"]),
        (
            "<Proxy balancer://b>\nBalancerMember ajp://127.0.0.1:9100 reversed=On hcmethod=CPING\n\
             </Proxy>",
            &["ajp://127.0.0.1:9100", "hcmethod"],
        ),
        (
            "ProxyAjpReverse ajp://a:1 listen=127.0.0.1:9100-9110\n\
             ProxyAjpReverse ajp://b:1 listen=127.0.0.1:9110\n\
             ProxyPass /a ajp://a:1/\nProxyPass /b ajp://b:1/",
            &["ajp://b:1", "overlaps 127.0.0.1:9100-9110 of ajp://a:1"],
        ),
        (
            "ProxyAjpReverse ajp://a:1 listen=127.0.0.1:9100\n\
             ProxyAjpReverse ajp://A:1 listen=127.0.0.1:9101\nProxyPass /a ajp://a:1/",
            &["ajp://a:1", "two ProxyAjpReverse lines", "127.0.0.1:9101"],
        ),
        (
            "ProxyPass /app unix:/run/x.sock|ajp://127.0.0.1:9100/app reversed=On",
            &["/run/x.sock", "reversed=On"],
        ),
    ] {
        let (accepted, printed) = Httpd::setup().modules(&["proxy_hcheck"]).conf(conf).configtest();
        assert!(!accepted, "{conf} was accepted");
        for word in words {
            assert!(printed.contains(word), "{conf}: no {word:?} in: {printed}");
        }
    }
    let setup = Httpd::setup().port(free_port());
    let port = free_port();
    let own = format!("ProxyPass /app ajp://127.0.0.1:{port}/app reversed=On");
    let (accepted, printed) = setup.port(port).conf(&own).configtest();
    assert!(!accepted && printed.contains("overlaps httpd's own Listen on port"), "{printed}");
}
