//! The figures of ajp-status are the peers' own, over all children, including those that have ended;
//! all formats agree, and none shows a secret.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use test_support::ajp::echo::{read_body, respond};
use test_support::ajp::{
    ForwardRequest, PeerConnection, ScriptedPeer, chunk, end_response, headers, raw,
};
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::members::{backend, balancer, hold, holding, named, prefork, serving};
use test_support::process::{free_port, signal, wait_for};
use test_support::status::{member, number, order, pool, report, report_over, with_status};

/// The bytes of bodies that peers have sent and received.
#[derive(Clone, Default)]
struct Bytes {
    sent: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
}

/// Treats a request as its path says. `Ok(false)`: the connection ends here.
fn misbehave(
    bytes: &Bytes,
    conn: &mut PeerConnection,
    request: &ForwardRequest,
) -> io::Result<bool> {
    let received = read_body(conn, request, 8192)?.len();
    bytes.received.fetch_add(received, SeqCst);
    let text = match request.uri.rsplit('/').next().unwrap_or_default() {
        "die" => return Ok(false),
        "garbage" => {
            conn.send(raw(b"HTTP/1.1 200 OK\r\n\r\nhello"))?;
            return Ok(false);
        }
        "silent" => {
            conn.expect_close()?;
            return Ok(false);
        }
        "cut" => {
            bytes.sent.fetch_add(4, SeqCst);
            conn.send(headers(200).header("Content-Length", "10"))?;
            conn.send(chunk(b"half"))?;
            return Ok(false);
        }
        "missing" => {
            conn.send(headers(404))?;
            conn.send(end_response())?;
            return Ok(true);
        }
        "large" => "x".repeat(8000),
        _ => "fine".to_owned(),
    };
    bytes.sent.fetch_add(text.len(), SeqCst);
    respond(conn, &text).map(|()| true)
}

/// As [`misbehave`]; without `dies`, paths that would end the connection are answered.
fn peer(bytes: &Bytes, dies: bool) -> ScriptedPeer {
    let bytes = bytes.clone();
    backend(move |conn, request| {
        if !dies && request.uri.ends_with("/die") {
            bytes.sent.fetch_add(2, SeqCst);
            return respond(conn, "ok").map(|()| true);
        }
        misbehave(&bytes, conn, request)
    })
}

/// Sends one request of each kind on a connection of its own or on a kept one, and checks the answers.
/// Returns how many a backend answered with 200.
fn mixed(httpd: &Httpd, rounds: usize) {
    for _ in 0..rounds {
        let mut client = httpd.client();
        client.get("/app/ok").expect(200);
        client.get("/app/large").expect(200);
        let body = vec![b'y'; 20_000];
        client.request("POST", "/app/ok", "Content-Length: 20000\r\n", &body).expect(200);
        client.get("/app/missing").expect(404);
        client.get("/app/garbage").expect(502);
        drop(client);
        assert!(!httpd.get("/app/cut").complete);
        httpd.get("/app/silent").expect(504);
        httpd.get("/down/x").expect(503);
    }
}

const CLIENTS: usize = 4;
const ROUNDS: usize = 3;

#[test]
fn the_figures_are_the_peers_own_after_a_mixed_load_with_faults_over_four_children() {
    let httpd = figures_are_the_peers_own(prefork(CLIENTS + 1));
    assert!(serving(&httpd) >= 4, "{} children", serving(&httpd));
}

#[test]
fn the_figures_are_the_peers_own_when_threads_of_several_children_count_at_once() {
    figures_are_the_peers_own(Httpd::setup().conf("StartServers 4\nMinSpareThreads 64"));
}

#[track_caller]
fn figures_are_the_peers_own(setup: Setup) -> Httpd {
    let (of_a, of_b) = (Bytes::default(), Bytes::default());
    let (a, b) = (peer(&of_a, true), peer(&of_b, false));
    let common = "ping=60 maxreplytimeouts=100000";
    let members = [
        format!("ajp://127.0.0.1:{} route=a {common}", a.port()),
        format!("ajp://127.0.0.1:{} route=b lbset=1 {common}", b.port()),
    ];
    let down = free_port();
    let setup = setup.conf("CustomLog children.log \"%P\"");
    // The other requests wait for their answers.
    let setup = setup.conf("SetEnvIf Request_URI /silent$ ajp-reply-timeout=200");
    let setup = setup.conf(&format!("ProxyPass /down ajp://127.0.0.1:{down}"));
    let httpd = with_status(balancer(setup, &members)).start();

    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| mixed(&httpd, ROUNDS));
        }
    });
    // One after the other: while one fails over to another member, its own is in error for an instant,
    // and gets no other requests.
    (0..CLIENTS * ROUNDS).for_each(|_| drop(httpd.get("/app/die").expect(200)));
    let each = CLIENTS * ROUNDS;
    let (port_a, port_b) = (format!(":{}", a.port()), format!(":{}", b.port()));

    // The last connections end a moment after their requests.
    let report = wait_for("no connection is in use", || {
        let report = report(&httpd);
        let quiet = |port: &str| number(&pool(&report, port)["in_use"]) == 0;
        (quiet(&port_a) && quiet(&port_b)).then_some(report)
    });
    for (peer, port, bytes) in [(&a, &port_a, &of_a), (&b, &port_b, &of_b)] {
        let (member, pool) = (member(&report, port), pool(&report, port));
        let of = |name: &str| number(&member[name]);
        // A request that timed out counts as sent before the peer has read it. A connection that has ended
        // was read to its end.
        peer.wait_for_connections(number(&pool["created"]));
        peer.wait_for_open_connections(number(&pool["open"]));
        assert_eq!(of("sent"), peer.requests(), "{member:#}");
        assert_eq!(of("bytes_sent"), bytes.received.load(SeqCst), "{member:#}");
        assert_eq!(of("bytes_received"), bytes.sent.load(SeqCst), "{member:#}");
        assert_eq!(of("sent") - of("requests"), of("retries"));
        assert_eq!(number(&member["duration"]["count"]), of("requests"));
        assert_eq!(number(&pool["created"]), peer.connections(), "{pool:#}");
        assert_eq!(number(&pool["cpings"]), peer.cpings(), "{pool:#}");
        assert_eq!(number(&pool["open"]), peer.open_connections(), "{pool:#}");
        assert_eq!(number(&pool["open"]), number(&pool["idle"]), "{pool:#}");
        let closed = pool["closed"].as_object().expect("a map").values();
        let closed: usize = closed.map(number).sum();
        assert_eq!(number(&pool["created"]) - closed, number(&pool["open"]), "{pool:#}");
    }
    let (first, second) = (member(&report, &port_a), member(&report, &port_b));
    let answers = |member: &serde_json::Value, class: &str| number(&member["answers"][class]);
    assert_eq!((answers(first, "2xx"), answers(first, "4xx")), (3 * each, each), "{first:#}");
    assert_eq!((answers(second, "2xx"), number(&second["requests"])), (each, each));
    for reason in ["died", "protocol", "broken_off", "reply_timeout"] {
        assert_eq!(number(&first["errors"][reason]), each, "{reason}: {first:#}");
    }
    assert_eq!(number(&first["reply_timeouts"]), each);
    assert_eq!((number(&first["failovers"]), number(&second["failovers"])), (each, 0));
    let all: usize = first["errors"].as_object().expect("a map").values().map(number).sum();
    assert_eq!(all, 4 * each, "{first:#}");
    let nobody = member(&report, &format!(":{down}"));
    assert_eq!(number(&nobody["errors"]["connect"]), each, "{nobody:#}");
    assert_eq!((number(&nobody["requests"]), number(&nobody["sent"])), (each, 0));
    assert_eq!((number(&first["busy"]), number(&second["busy"])), (0, 0));
    assert_eq!(number(&report["children"]), httpd.children().len());
    httpd
}

#[test]
fn the_counts_of_a_killed_child_stay_and_its_connections_are_no_longer_counted() {
    let (peer, gate) = holding();
    let port = format!(":{}", peer.port());
    let lines = [format!("ajp://127.0.0.1:{} route=a", peer.port())];
    // A connection that the housekeeper looks at counts as in use.
    let setup = prefork(4).conf("ProxyAjpMaintain 0");
    let httpd = with_status(balancer(setup, &lines)).start();
    let mut clients: Vec<Client> = (0..2).map(|_| httpd.client()).collect();
    clients.iter_mut().for_each(|client| drop(client.get("/app/x").expect(200)));
    let held = hold(&httpd, 1);
    peer.wait_for_requests(3);
    let now = report_over(&mut clients[0]);
    assert_eq!(number(&member(&now, &port)["busy"]), 1);
    let (of, open) = (pool(&now, &port), peer.open_connections());
    assert_eq!((number(&of["open"]), number(&of["in_use"])), (open, 1), "{of:#}");

    drop((held, clients));
    let before = httpd.children();
    before.iter().for_each(|child| signal("KILL", *child));
    gate.open();
    wait_for("httpd has noticed", || {
        httpd.children().iter().all(|child| !before.contains(child)).then_some(())
    });
    let after = wait_for("nothing is open", || {
        let text = httpd.client().try_get("/ajp-status?format=json")?;
        let report: serde_json::Value = serde_json::from_str(&text.text()).expect("JSON");
        (number(&pool(&report, &port)["open"]) == 0).then_some(report)
    });
    let (of, member) = (pool(&after, &port), member(&after, &port));
    assert_eq!(number(&of["created"]), peer.connections());
    assert_eq!((number(&member["requests"]), number(&member["busy"])), (2, 0), "{member:#}");
}

#[test]
fn requests_that_wait_for_a_connection_are_counted_while_they_wait() {
    let (peer, gate) = holding();
    let setup = Httpd::setup().conf("StartServers 1\nServerLimit 1\nMaxRequestWorkers 16");
    let httpd = with_status(balancer(
        setup,
        &[format!("ajp://127.0.0.1:{} route=a max=2 acquire=5000", peer.port())],
    ));
    let httpd = httpd.conf("ThreadsPerChild 16\nMaxSpareThreads 16").start();
    let port = format!(":{}", peer.port());
    let mut held = hold(&httpd, 2);
    peer.wait_for_requests(2);
    let mut late = httpd.client();
    late.send("GET /app/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for("one waits", || {
        let report = report(&httpd);
        let of = pool(&report, &port);
        (number(&of["waiting"]) == 1 && number(&of["in_use"]) == 2).then_some(())
    });
    late.response("GET").expect(503);
    let report = report(&httpd);
    assert_eq!(number(&pool(&report, &port)["acquire_timeouts"]), 1);
    assert_eq!(number(&member(&report, &port)["errors"]["busy"]), 1);
    assert_eq!(number(&pool(&report, &port)["waiting"]), 0);
    gate.open();
    held.iter_mut().for_each(|client| drop(client.response("GET").expect(200)));
}

/// A page that needs a password.
fn guarded(setup: Setup) -> Setup {
    setup.conf(
        "<Location /ajp-status>\nSetHandler ajp-status\nAuthType Basic\nAuthName a\n\
         AuthBasicProvider file\nAuthUserFile users\nRequire user admin\n</Location>\n\
         <Location /closed-status>\nSetHandler ajp-status\nRequire all denied\n</Location>",
    )
}

#[test]
fn a_user_without_access_gets_401_or_403_and_no_format_shows_a_secret() {
    let peer = backend(|conn, _| respond(conn, "fine").map(|()| true));
    let lines = [format!("ajp://127.0.0.1:{} route=a secret=s3cret-word", peer.port())];
    let httpd = guarded(balancer(prefork(2), &lines)).start();
    httpd.get("/app/x").expect(200);
    for query in ["", "?format=json", "?format=openmetrics", "?mime=prop", "?format=nonce"] {
        httpd.get(&format!("/closed-status{query}")).expect(403);
        let text = httpd.get(&format!("/ajp-status{query}")).expect(401).text();
        assert!(!text.contains("127.0.0.1"), "{text}");
    }

    let open = with_status(balancer(prefork(2), &lines)).start();
    open.get("/app/x").expect(200);
    for query in ["", "?format=json", "?format=openmetrics", "?mime=prop", "?format=nonce"] {
        let page = open.get(&format!("/ajp-status{query}")).expect(200);
        assert_eq!(page.header("Cache-Control"), Some("no-store"));
        assert!(!page.text().contains("s3cret"), "{}", page.text());
    }
    for query in ["?format=json", "?format=openmetrics", "?mime=prop"] {
        let text = open.get(&format!("/ajp-status{query}")).expect(200).text();
        let nonce = test_support::status::nonce(&open);
        assert!(!text.contains(&nonce), "a scraper's output is no place for it");
    }
    open.get("/ajp-status?format=xml").expect(400);
    open.request("PUT", "/ajp-status", "Content-Length: 0\r\n").expect(405);
    let head = open.request("HEAD", "/ajp-status?format=json", "").expect(200);
    assert!(head.body.is_empty());
}

#[test]
fn the_reference_parser_reads_the_openmetrics_and_finds_the_same_figures() {
    let peer = backend(|conn, request| {
        let status = if request.uri.ends_with("/bad") { 500 } else { 200 };
        conn.send(headers(status))?;
        conn.send(chunk(b"fine"))?;
        conn.send(end_response()).map(|()| true)
    });
    let lines = [format!("ajp://127.0.0.1:{} route=a ping=60", peer.port())];
    let setup = prefork(2).conf(&format!("ProxyPass /down ajp://127.0.0.1:{}", free_port()));
    let httpd = with_status(balancer(setup, &lines)).start();
    for path in ["/app/x", "/app/y", "/app/bad", "/down/x"] {
        httpd.get(path);
    }
    let page = httpd.get("/ajp-status?format=openmetrics").expect(200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(page.header("Content-Type"), Some(kind));
    let found = parsed(&page.text());
    let worker = format!("balancer=members,route=a,worker=ajp://127.0.0.1:{}", peer.port());
    for (name, labels, value) in [
        ("ajp_requests_total", worker.clone(), "3"),
        ("ajp_responses_total", format!("balancer=members,class=2xx,{}", &worker[17..]), "2"),
        ("ajp_responses_total", format!("balancer=members,class=5xx,{}", &worker[17..]), "1"),
        ("ajp_request_duration_seconds_count", worker.clone(), "3"),
        ("ajp_worker_usable", worker.clone(), "1"),
        ("ajp_pool_cpings_total", format!("pool=ajp://127.0.0.1:{}", peer.port()), "3"),
    ] {
        let line = format!("{name} {labels} {value}");
        assert!(found.lines().any(|found| found == line), "{line} in {found}");
    }
    let report = report(&httpd);
    let of = member(&report, &format!(":{}", peer.port()));
    assert_eq!((number(&of["requests"]), number(&of["answers"]["5xx"])), (3, 1));
}

/// The output of Prometheus' own parser in Python: a line for each sample, labels in their order.
#[track_caller]
fn parsed(text: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        for family in parse(sys.stdin.read()):\n\
        \x20   assert family.documentation and family.name.startswith('ajp_'), family\n\
        \x20   for s in family.samples:\n\
        \x20       labels = ','.join(k + '=' + v for k, v in sorted(s.labels.items()))\n\
        \x20       print(s.name, labels, format(s.value, 'g'))\n";
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Debian's python3 is installed (ci/setup)");
    python.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}{text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn workers_that_differ_only_in_their_unix_socket_are_shown_separately() {
    let directory = tempfile::tempdir().expect("a directory");
    let sockets = ["a", "b"].map(|name| directory.path().join(name));
    let open_to_all = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is ours");
    };
    open_to_all(directory.path());
    let peers = sockets.each_ref().map(|path| {
        let peer =
            ScriptedPeer::start_unix(path, test_support::ajp::echo::uris).expect("a free path");
        open_to_all(path);
        peer
    });
    let mut setup = prefork(1);
    for (host, path) in ["one", "two"].iter().zip(&sockets) {
        setup = setup.conf(&format!(
            "<VirtualHost *:*>\nServerName {host}\n\
             ProxyPass /app unix:{}|ajp://localhost/app\n</VirtualHost>",
            path.display()
        ));
    }
    let httpd = with_status(setup).start();
    for (host, count) in [("one", 1), ("two", 2)] {
        for _ in 0..count {
            let request = format!("GET /app/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let mut client = httpd.client();
            client.send(request);
            client.response("GET").expect(200);
        }
    }
    assert_eq!(peers.each_ref().map(ScriptedPeer::requests), [1, 2]);

    let found = parsed(&httpd.get("/ajp-status?format=openmetrics").expect(200).text());
    let report = report(&httpd);
    for (path, count) in sockets.iter().zip([1, 2]) {
        let url = format!("unix:{}|ajp://localhost/app", path.display());
        let line = format!("ajp_requests_total balancer=,route=,worker={url} {count}");
        assert!(found.lines().any(|found| found == line), "{line} in {found}");
        assert_eq!(number(&member(&report, &url)["requests"]), count);
    }
    let prop = httpd.get("/ajp-status?mime=prop").expect(200).text();
    for path in &sockets {
        assert!(prop.contains(path.file_name().and_then(|name| name.to_str()).unwrap()), "{prop}");
    }
}

#[test]
fn scripts_for_mod_jk_find_the_fields_that_they_know() {
    let peer = backend(|conn, _| respond(conn, "fine").map(|()| true));
    let down = free_port();
    let lines = [
        format!("ajp://127.0.0.1:{} route=node1", peer.port()),
        format!("ajp://127.0.0.1:{down} route=node2 status=+N"),
    ];
    let httpd = with_status(balancer(prefork(2), &lines)).start();
    httpd.get("/app/x").expect(200);
    httpd.request("GET", "/app/x", "Cookie: JSESSIONID=x.node2\r\n").expect(200);
    let text = httpd.get("/ajp-status?cmd=list&mime=prop").expect(200).text();
    for line in [
        "worker.list=members",
        "worker.members.type=lb",
        "worker.members.balance_workers=node1",
        "worker.members.balance_workers=node2",
        "worker.members.member_count=2",
        "worker.members.good=1",
        "worker.members.bad=1",
        "worker.node1.activation=ACT",
        "worker.node1.state=OK",
        "worker.node1.errors=0",
        "worker.node1.busy=0",
        "worker.node1.read=8",
        "worker.node2.activation=DIS",
        "worker.node2.state=ERR",
        "worker.node2.errors=1",
        "worker.result.type=OK",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn mod_status_shows_a_summary_in_both_forms_with_proxystatus_on() {
    let peer = backend(|conn, _| respond(conn, "fine").map(|()| true));
    let lines = [format!("ajp://127.0.0.1:{} route=a", peer.port())];
    let status = "<Location /server-status>\nSetHandler server-status\n</Location>";
    let setup = prefork(2).conf(status);
    let httpd = balancer(setup.clone(), &lines).conf("ProxyStatus On").start();
    httpd.get("/app/x").expect(200);
    let auto = httpd.get("/server-status?auto").expect(200).text();
    let name = format!("AjpWorker[0]Name: balancer://members ajp://127.0.0.1:{}", peer.port());
    for line in [&*name, "AjpWorker[0]Requests: 1", "AjpWorker[0]State: ok", "AjpPool[0]Open: 1"] {
        assert!(auto.lines().any(|found| found == line), "{line} in {auto}");
    }
    let page = httpd.get("/server-status").expect(200).text();
    assert!(page.contains("AJP workers (mod_proxy_ajp_rs)"), "{page}");
    assert!(page.trim_end().ends_with("</body></html>"), "{page}");
    drop(httpd);

    let httpd = balancer(setup, &lines).start();
    httpd.get("/app/x").expect(200);
    let auto = httpd.get("/server-status?auto").expect(200).text();
    assert!(!auto.contains("AjpWorker"), "{auto}");
}

#[test]
fn a_restart_resets_the_counters_and_the_page_shows_since_when() {
    let peer = backend(|conn, _| respond(conn, "fine").map(|()| true));
    let lines = [format!("ajp://127.0.0.1:{} route=a", peer.port())];
    let httpd = with_status(balancer(Httpd::setup(), &lines)).start();
    httpd.get("/app/x").expect(200);
    let before = report(&httpd);
    httpd.graceful();
    let since = |report: &serde_json::Value| report["counting_since"].as_f64().expect("a number");
    // An old child may have accepted the connection.
    let after = wait_for("a new child answers", || {
        Some(report(&httpd)).filter(|after| since(after) > since(&before))
    });
    let port = format!(":{}", peer.port());
    assert_eq!(number(&member(&before, &port)["requests"]), 1);
    assert_eq!(number(&member(&after, &port)["requests"]), 0);
    assert!(since(&after) <= after["time"].as_f64().expect("a number"));
}

#[test]
fn the_last_minutes_show_which_member_has_requests_and_sessions() {
    let (a, b) = (named("a"), named("b"));
    let lines = [(a.port(), "a"), (b.port(), "b")]
        .map(|(port, route)| format!("ajp://127.0.0.1:{port} route={route}"));
    let httpd = with_status(balancer(prefork(2), &lines)).start();
    let of = |port: u16, name: &str| member(&report(&httpd), &format!(":{port}"))[name].clone();
    assert!(of(a.port(), "last_request").is_null());
    let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("later").as_secs_f64();
    for cookie in ["1.a", "2.a", "3.a"] {
        let cookie = format!("Cookie: JSESSIONID={cookie}\r\n");
        assert_eq!(httpd.request("GET", "/app/x", &cookie).expect(200).text(), "a");
    }
    // A session of no member, and none at all.
    for cookie in ["Cookie: JSESSIONID=1.c\r\n", "", "", ""] {
        httpd.request("GET", "/app/x", cookie).expect(200);
    }
    order(&httpd, "stop", "a");
    httpd.request("GET", "/app/x", "Cookie: JSESSIONID=4.a\r\n").expect(200);
    for name in ["session_requests", "session_requests_5min"] {
        assert_eq!(number(&of(a.port(), name)), 3, "{name}");
        assert_eq!(number(&of(b.port(), name)), 0, "{name}: of another member");
    }
    for port in [a.port(), b.port()] {
        let last = of(port, "last_request").as_f64().expect("a time");
        // Two clocks, and milliseconds.
        assert!(last > began - 1.0, "{last} {began}");
        assert!(of(port, "request_rate").as_f64().expect("a number") > 0.0);
    }
    order(&httpd, "reset", "a");
    assert_eq!(number(&of(a.port(), "session_requests_5min")), 0);
    assert!(of(a.port(), "last_request").is_null());
}
