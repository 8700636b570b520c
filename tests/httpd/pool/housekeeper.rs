//! The housekeeper: idle connections are kept in order though no request comes.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer, cpong, raw};
use test_support::http::Client;
use test_support::httpd::{Httpd, Mpm};
use test_support::process::{free_port, signal, wait_for};

/// Four children, under an MPM with threads. Prefork has four anyway.
const FOUR_CHILDREN: &str = "StartServers 4\nMinSpareThreads 64\nMaxSpareThreads 128\n";

fn proxy(mpm: Mpm, peer: &ScriptedPeer, parameters: &str) -> Httpd {
    proxy_with(mpm, peer, parameters, "")
}

fn proxy_with(mpm: Mpm, peer: &ScriptedPeer, parameters: &str, conf: &str) -> Httpd {
    Httpd::setup()
        .mpm(mpm)
        .conf(conf)
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app {parameters}", peer.port()))
        .start()
}

/// Requests on so many connections that stay open: under prefork, each occupies a child.
fn ask(httpd: &Httpd, count: usize) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| httpd.client()).collect();
    for client in &mut clients {
        client.get("/app/hello").expect(200);
    }
    clients
}

/// The states of the TCP sockets that httpd's children have to a port of this machine.
fn sockets(httpd: &Httpd, port: u16) -> Vec<u8> {
    let mut inodes = Vec::new();
    for child in httpd.children() {
        // A child may end meanwhile.
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

const CLOSE_WAIT: u8 = 8;

/// The housekeepers of the children: process and thread id.
fn housekeepers(httpd: &Httpd) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for child in httpd.children() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{child}/task")) else { continue };
        for task in tasks.flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.trim_end() == "ajp-housekeeper" {
                found.push((child, task.file_name().to_string_lossy().into_owned()));
            }
        }
    }
    found
}

#[track_caller]
fn idle_connections_are_closed_after_ttl(mpm: Mpm) {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy(mpm, &peer, "ttl=1");
    let _clients = ask(&httpd, 4);
    assert!(peer.connections() >= 1);

    peer.wait_for_open_connections(0);
    wait_for("no socket is left", || sockets(&httpd, peer.port()).is_empty().then_some(()));
    assert_eq!(peer.requests(), 4, "no further request was needed");
}

#[test]
fn after_ttl_all_idle_connections_are_closed_with_no_request_under_event() {
    idle_connections_are_closed_after_ttl(Mpm::Event);
}

#[test]
fn after_ttl_all_idle_connections_are_closed_with_no_request_under_worker() {
    idle_connections_are_closed_after_ttl(Mpm::Worker);
}

#[test]
fn after_ttl_all_idle_connections_are_closed_with_no_request_under_prefork() {
    idle_connections_are_closed_after_ttl(Mpm::Prefork);
}

#[test]
fn idlemax_closes_idle_connections_as_ttl_does() {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy(Mpm::Event, &peer, "ttl=600 idlemax=300");
    let _clients = ask(&httpd, 2);
    peer.wait_for_open_connections(0);
}

/// The backend goes away; httpd's sockets, one at least in each of four children, do too.
#[track_caller]
fn nothing_stays_in_close_wait(mpm: Mpm, parameters: &str, conf: &str) {
    let peer = ScriptedPeer::start(uris);
    let port = peer.port();
    let httpd = proxy_with(mpm, &peer, parameters, conf);
    let _clients = ask(&httpd, 4);
    wait_for("four children have connections", || (sockets(&httpd, port).len() >= 4).then_some(()));

    drop(peer);
    wait_for("no socket is left", || sockets(&httpd, port).is_empty().then_some(()));

    assert_eq!(httpd.get("/app/hello").status, 503, "the backend is away, httpd is not");
}

#[test]
fn what_the_backend_closes_does_not_stay_in_close_wait_under_event() {
    nothing_stays_in_close_wait(Mpm::Event, "min=1", FOUR_CHILDREN);
}

#[test]
fn what_the_backend_closes_does_not_stay_in_close_wait_under_worker() {
    nothing_stays_in_close_wait(Mpm::Worker, "min=1", FOUR_CHILDREN);
}

#[test]
fn what_the_backend_closes_does_not_stay_in_close_wait_under_prefork() {
    nothing_stays_in_close_wait(Mpm::Prefork, "", "");
}

#[test]
fn an_idle_connection_with_unread_bytes_is_closed() {
    let now = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&now);
    let peer = ScriptedPeer::start(move |conn: &mut PeerConnection| {
        conn.expect_forward_request()?;
        respond(conn, "hello")?;
        wait_for("the test says so", || told.load(Ordering::Acquire).then_some(()));
        conn.send(raw(b"A"))?;
        conn.expect_close()
    });
    let httpd = proxy(Mpm::Event, &peer, "");
    let _clients = ask(&httpd, 1);
    assert_eq!(peer.open_connections(), 1);

    now.store(true, Ordering::Release);

    peer.wait_for_open_connections(0);
    assert_eq!(peer.requests(), 1);
}

/// Closes a connection on which nothing comes for eight seconds, as Tomcat's keepAliveTimeout.
const IMPATIENCE: Duration = Duration::from_secs(8);

fn impatient(conn: &mut PeerConnection) -> io::Result<()> {
    conn.set_read_timeout(IMPATIENCE)?;
    while let Some(payload) = conn.read_packet()? {
        if payload == [0x0A] {
            conn.send(cpong())?;
        } else {
            respond(conn, &forward_request(&payload)?.uri)?;
        }
    }
    Ok(())
}

#[track_caller]
fn interval_pings_keep_a_connection_alive(mpm: Mpm) {
    let peer = ScriptedPeer::start(impatient);
    let httpd = proxy(mpm, &peer, "pinginterval=1");
    let mut clients = ask(&httpd, 1);
    wait_for("longer than the backend's patience", || (peer.cpings() >= 10).then_some(()));

    clients[0].get("/app/hello").expect(200);
    assert_eq!(peer.connections(), 1);
    assert!(peer.errors().is_empty(), "{:?}", peer.errors());
}

#[test]
fn interval_pings_keep_a_connection_alive_under_event() {
    interval_pings_keep_a_connection_alive(Mpm::Event);
}

#[test]
fn interval_pings_keep_a_connection_alive_under_prefork() {
    interval_pings_keep_a_connection_alive(Mpm::Prefork);
}

#[test]
fn a_connection_that_does_not_answer_an_interval_ping_is_closed_with_no_request() {
    let peer = ScriptedPeer::start(|conn: &mut PeerConnection| {
        conn.expect_forward_request()?;
        respond(conn, "hello")?;
        conn.expect_cping()?;
        conn.expect_close()
    });
    let httpd = proxy(Mpm::Worker, &peer, "pinginterval=1 pingmode=interval ping=200ms");
    let _clients = ask(&httpd, 1);

    wait_for("a CPING", || (peer.cpings() == 1).then_some(()));
    peer.wait_for_open_connections(0);
    assert!(peer.errors().is_empty(), "{:?}", peer.errors());
}

/// Answers requests, and no CPING at all.
fn answers_no_cping(conn: &mut PeerConnection) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        if payload != [0x0A] {
            respond(conn, "hello")?;
        }
    }
    Ok(())
}

#[test]
fn a_backend_that_hangs_does_not_delay_what_is_done_for_another() {
    let silent = ScriptedPeer::start(answers_no_cping);
    let peer = ScriptedPeer::start(uris);
    let conf =
        format!("ProxyPass /silent ajp://127.0.0.1:{}/ pinginterval=1 ping=600", silent.port());
    let conf = format!("{conf} pingmode=interval");
    let httpd = proxy_with(Mpm::Event, &peer, "", &conf);
    httpd.get("/silent").expect(200);
    let _clients = ask(&httpd, 1);
    wait_for("a CPING without answer", || (silent.cpings() > 0).then_some(()));

    let port = peer.port();
    drop(peer);
    wait_for("the other's socket is closed", || sockets(&httpd, port).is_empty().then_some(()));

    assert_eq!(silent.open_connections(), 1, "its ten minutes are not over");
}

/// One child, so that connections can be counted.
const ONE_CHILD: &str = "ServerLimit 1\nStartServers 1\nMaxRequestWorkers 16\n\
                         MinSpareThreads 1\nMaxSpareThreads 16\n";

#[test]
fn a_request_does_not_wait_while_the_only_connection_is_pinged() {
    let peer = ScriptedPeer::start(answers_no_cping);
    let parameters = "max=1 pinginterval=1 pingmode=interval ping=600";
    let httpd = proxy_with(Mpm::Event, &peer, parameters, ONE_CHILD);
    httpd.get("/app/hello").expect(200);
    wait_for("a CPING without answer", || (peer.cpings() > 0).then_some(()));

    // Else it would for ten minutes, and no client waits that long.
    httpd.get("/app/hello").expect(200);

    assert_eq!((peer.requests(), peer.connections()), (2, 2), "over a new connection");
}

#[track_caller]
fn min_connections_are_open_before_the_first_request(mpm: Mpm) {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy_with(mpm, &peer, "min=2", ONE_CHILD);
    peer.wait_for_connections(2);

    for _ in 0..5 {
        httpd.get("/app/hello").expect(200);
    }
    assert_eq!((peer.connections(), peer.open_connections()), (2, 2), "the warm ones are used");
}

#[test]
fn min_connections_are_open_before_the_first_request_under_event() {
    min_connections_are_open_before_the_first_request(Mpm::Event);
}

#[test]
fn min_connections_are_open_before_the_first_request_under_worker() {
    min_connections_are_open_before_the_first_request(Mpm::Worker);
}

#[test]
fn a_balancer_member_is_kept_warm_too_and_virtual_hosts_share_what_is_warm() {
    let peer = ScriptedPeer::start(uris);
    let member = format!("BalancerMember ajp://127.0.0.1:{} min=2", peer.port());
    let httpd = Httpd::setup()
        .conf(ONE_CHILD)
        .conf(&format!("<Proxy balancer://one>\n{member}\n</Proxy>"))
        .conf("ProxyPass /app balancer://one/app")
        .conf("<VirtualHost *>\nServerName other\n</VirtualHost>")
        .start();
    peer.wait_for_connections(2);

    httpd.get("/app/hello").expect(200);
    assert_eq!(peer.connections(), 2);
}

#[test]
fn a_member_enabled_at_run_time_is_kept_warm_from_then_on() {
    let peer = ScriptedPeer::start(uris);
    let warm = ScriptedPeer::start(uris);
    let member = format!("BalancerMember ajp://127.0.0.1:{} min=2 status=+D", peer.port());
    let httpd = Httpd::setup()
        .conf(ONE_CHILD)
        .conf(&format!("<Proxy balancer://one>\n{member}\nProxySet nonce=of-the-tests\n</Proxy>"))
        .conf("ProxyPass /app balancer://one/app")
        .conf(&format!("ProxyPass /warm ajp://127.0.0.1:{}/ min=1", warm.port()))
        .conf("<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>")
        .start();
    warm.wait_for_connections(1);
    assert_eq!(peer.connections(), 0);

    let form = format!("b=one&nonce=of-the-tests&w=ajp://127.0.0.1:{}&w_status_D=0", peer.port());
    let headers = format!(
        "Referer: http://localhost:{}/balancer-manager\r\nContent-Length: {}\r\n",
        httpd.port(),
        form.len()
    );
    httpd.client().request("POST", "/balancer-manager", &headers, form.as_bytes()).expect(200);

    peer.wait_for_connections(2);
}

#[test]
fn a_burst_leaves_min_connections_once_ttl_has_passed() {
    let go = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&go);
    let peer = ScriptedPeer::start(move |conn: &mut PeerConnection| {
        while let Some(payload) = conn.read_packet()? {
            let uri = forward_request(&payload)?.uri;
            if uri.ends_with("hold") {
                wait_for("all have come", || told.load(Ordering::Acquire).then_some(()));
            }
            respond(conn, &uri)?;
        }
        Ok(())
    });
    let httpd = proxy_with(Mpm::Event, &peer, "min=2 ttl=4", ONE_CHILD);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..5).map(|_| scope.spawn(|| httpd.get("/app/hold"))).collect();
        peer.wait_for_requests(5);
        assert!(peer.open_connections() >= 5);
        go.store(true, Ordering::Release);
        for thread in asked {
            thread.join().expect("answered").expect(200);
        }
    });

    wait_for("two are left", || (peer.open_connections() == 2).then_some(()));
    // New ones take the place of those that ttl closes.
    let before = peer.connections();
    peer.wait_for_connections(before + 2);
    wait_for("still two", || (peer.open_connections() == 2).then_some(()));
    assert!(sockets(&httpd, peer.port()).len() <= 2);
}

#[test]
fn a_worker_without_reuse_is_not_kept_warm() {
    let peer = ScriptedPeer::start(uris);
    let warm = ScriptedPeer::start(uris);
    let conf = format!("ProxyPass /warm ajp://127.0.0.1:{}/ min=1", warm.port());
    let httpd = proxy_with(Mpm::Event, &peer, "min=3 forceclose=On", &conf);
    warm.wait_for_connections(httpd.children().len());

    assert_eq!(peer.connections(), 0);
    httpd.get("/app/hello").expect(200);
    assert_eq!(peer.connections(), 1);
}

/// The name of a backend leads to another address while httpd runs.
#[track_caller]
fn a_backend_that_moves_is_found_without_a_restart(mpm: Mpm) {
    let port = free_port();
    let start = |host| ScriptedPeer::start_at(SocketAddr::from((host, port)), uris);
    let old = start([127, 0, 0, 1]).expect("a free port");
    let new = start([127, 0, 0, 2]).expect("a free port");
    let hosts = tempfile::NamedTempFile::new().expect("a temporary file");
    // httpd's children, which are another user, read it.
    fs::set_permissions(hosts.path(), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let lead_to = |address: &str| {
        fs::write(hosts.path(), format!("127.0.0.1 localhost\n{address} backend.test\n"))
            .expect("it is ours");
    };
    lead_to("127.0.0.1");
    let httpd = Httpd::setup()
        .mpm(mpm)
        .hosts(hosts.path())
        .conf(&format!("ProxyPass /app ajp://backend.test:{port}/app addressttl=1"))
        .start();
    let _clients = ask(&httpd, 4);
    assert!(old.open_connections() > 0);

    lead_to("127.0.0.2");

    old.wait_for_open_connections(0);
    assert_eq!(old.requests(), 4, "no request was needed to leave the old address");
    let _clients = ask(&httpd, 4);
    assert_eq!((old.requests(), new.requests()), (4, 4));
}

#[test]
fn a_backend_that_moves_is_found_without_a_restart_under_event() {
    a_backend_that_moves_is_found_without_a_restart(Mpm::Event);
}

#[test]
fn a_backend_that_moves_is_found_without_a_restart_under_prefork() {
    a_backend_that_moves_is_found_without_a_restart(Mpm::Prefork);
}

#[test]
fn every_child_has_one_housekeeper_and_no_signal_handler_runs_on_it() {
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let peer = ScriptedPeer::start(uris);
        let httpd = proxy(mpm, &peer, "");
        let _clients = ask(&httpd, 1);
        wait_for("each child has one", || {
            let mut owners: Vec<_> = housekeepers(&httpd).into_iter().map(|(pid, _)| pid).collect();
            let mut children = httpd.children();
            owners.sort_unstable();
            children.sort_unstable();
            (!owners.is_empty() && owners == children).then_some(())
        });
        for (pid, task) in housekeepers(&httpd) {
            let Ok(status) = fs::read_to_string(format!("/proc/{pid}/task/{task}/status")) else {
                continue;
            };
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
            let blocked = u64::from_str_radix(blocked.expect("Linux").trim(), 16).expect("hex");
            for (name, number) in [("HUP", 1), ("USR1", 10), ("TERM", 15), ("WINCH", 28)] {
                assert_ne!(blocked & (1 << (number - 1)), 0, "{name} under {mpm:?}");
            }
            // The thread that started it has its own mask again.
            let main = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let mask = main.lines().find_map(|line| line.strip_prefix("SigBlk:"));
            if let (Mpm::Prefork, Some(mask)) = (mpm, mask) {
                assert_eq!(mask.trim(), "0000000000000000");
            }
        }
    }
}

#[test]
fn proxy_ajp_maintain_0_switches_it_off() {
    let peer = ScriptedPeer::start(uris);
    let port = peer.port();
    let httpd = proxy_with(Mpm::Event, &peer, "ttl=1 min=2", "ProxyAjpMaintain 0");
    let _clients = ask(&httpd, 1);
    assert_eq!(housekeepers(&httpd), []);
    assert_eq!(peer.connections(), 1, "nothing is kept warm");

    drop(peer);
    wait_for("the socket waits to be closed", || {
        (sockets(&httpd, port) == [CLOSE_WAIT]).then_some(())
    });
}

#[test]
fn proxy_ajp_maintain_says_how_often() {
    let peer = ScriptedPeer::start(uris);
    // And no limit to how long a child may take to end.
    let conf = "ProxyAjpMaintain 3600\nGracefulShutdownTimeout 0";
    let httpd = proxy_with(Mpm::Event, &peer, "ttl=1", conf);
    let _clients = ask(&httpd, 1);
    // The first pass was at the start; the next one is in an hour.
    let waited = Instant::now();
    wait_for("well past ttl", || (waited.elapsed() > Duration::from_secs(3)).then_some(()));
    assert_eq!(peer.open_connections(), 1);
    // And an hour's wait does not keep a child from ending.
    signal("WINCH", httpd.pid());
    wait_for("the children end", || httpd.children().is_empty().then_some(()));
}

#[test]
fn a_wrong_proxy_ajp_maintain_is_refused_with_name_value_and_range() {
    for value in ["-1", "3601", "soon", "1s"] {
        let (good, said) = Httpd::setup().conf(&format!("ProxyAjpMaintain {value}")).configtest();
        assert!(!good);
        let expected = format!(
            "ProxyAjpMaintain={value}: must be 0 (off) or a whole number of seconds from 1 to 3600"
        );
        assert!(said.contains(&expected), "{said}");
    }
    assert!(Httpd::setup().conf("ProxyAjpMaintain 60").configtest().0);
}

#[test]
fn proxy_ajp_maintain_is_for_the_whole_server() {
    let conf = "<VirtualHost *>\nProxyAjpMaintain 5\n</VirtualHost>";
    let (good, said) = Httpd::setup().conf(conf).configtest();
    assert!(!good && said.contains("ProxyAjpMaintain"), "{said}");
}

#[test]
fn a_prefork_child_ends_at_once_on_term_and_usr1() {
    // With a pass each second, and with none for an hour.
    for maintain in ["", "ProxyAjpMaintain 3600"] {
        let peer = ScriptedPeer::start(uris);
        let httpd = proxy_with(Mpm::Prefork, &peer, "pinginterval=1", maintain);
        for name in ["TERM", "USR1", "TERM", "USR1", "TERM", "USR1"] {
            drop(ask(&httpd, 4));
            let children = httpd.children();
            for child in &children {
                signal(name, *child);
            }
            wait_for("they are gone", || {
                httpd.children().iter().all(|child| !children.contains(child)).then_some(())
            });
        }
        httpd.get("/app/hello").expect(200);
    }
}

#[track_caller]
fn a_graceful_restart_ends_old_children_with_their_housekeepers(mpm: Mpm) {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy(mpm, &peer, "min=2 ttl=5 pinginterval=1");
    for _ in 0..3 {
        let before = httpd.children();
        let mut clients = ask(&httpd, 4);
        httpd.graceful();
        for client in &mut clients {
            let _ = client.try_get("/app/hello");
        }
        drop(clients);
        wait_for("the old children are gone", || {
            httpd.children().iter().all(|child| !before.contains(child)).then_some(())
        });
    }
    wait_for("one housekeeper a child", || {
        (housekeepers(&httpd).len() == httpd.children().len()).then_some(())
    });
    httpd.get("/app/hello").expect(200);
}

#[test]
fn a_graceful_restart_ends_old_children_with_their_housekeepers_under_event() {
    a_graceful_restart_ends_old_children_with_their_housekeepers(Mpm::Event);
}

#[test]
fn a_graceful_restart_ends_old_children_with_their_housekeepers_under_worker() {
    a_graceful_restart_ends_old_children_with_their_housekeepers(Mpm::Worker);
}

#[test]
fn a_graceful_restart_ends_old_children_with_their_housekeepers_under_prefork() {
    a_graceful_restart_ends_old_children_with_their_housekeepers(Mpm::Prefork);
}
