//! Requests that wait without a thread, in the company of other modules of httpd: each is loaded, and in use on
//! the location of the requests.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use test_support::ajp::{HoldingPeer, chunk, headers};
use test_support::http::{Client, Response};
use test_support::httpd::{Httpd, Setup};
use test_support::parking;
use test_support::process::wait_for;
use test_support::tls::Certificates;

/// A child with so many threads, in front of a container that holds its requests.
pub fn threads(count: usize, peer: &HoldingPeer) -> Setup {
    parking::threads(count).conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port()))
}

fn two_threads(peer: &HoldingPeer) -> Setup {
    threads(2, peer)
}

pub fn ask(httpd: &Httpd, target: &str, headers: &str) -> Client {
    let mut client = httpd.client();
    send(&mut client, target, headers);
    client
}

fn send(client: &mut Client, target: &str, headers: &str) {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
}

/// Twenty clients, whose requests wait at the container, each with its target.
pub fn twenty(httpd: &Httpd, peer: &HoldingPeer, headers: &str) -> Vec<(String, Client)> {
    let targets = (0..20).map(|number| format!("/app/{number}/{}", "x".repeat(200)));
    let asked = |target: String| {
        let client = ask(httpd, &target, headers);
        (target, client)
    };
    let clients = targets.map(asked).collect();
    peer.wait_for_held(20);
    clients
}

/// While twenty requests wait, others are served, and wait one after the other; then each of the twenty is
/// answered with its own path, as `read` finds it. (A connection between two requests is closed when all threads
/// are busy, so each has its own.)
fn each_has_its_own(
    httpd: &Httpd,
    peer: &HoldingPeer,
    headers: &str,
    read: impl Fn(&Response) -> String,
) {
    let clients = twenty(httpd, peer, headers);
    httpd.get("/").expect(404);
    for time in 0..3 {
        let target = format!("/app/again/{time}/{}", "y".repeat(200));
        let mut client = ask(httpd, &target, headers);
        peer.wait_for_held(21);
        peer.answer(&target);
        assert_eq!(read(&client.response("GET").expect(200)), target);
    }
    peer.answer_all_backwards();
    for (target, mut client) in clients {
        assert_eq!(read(&client.response("GET").expect(200)), target);
    }
}

#[test]
fn mod_reqtimeout_counts_no_time_that_a_request_waits_for_its_backend() {
    let peer = HoldingPeer::start();
    // A connection between two requests is closed when all threads are busy.
    let httpd = threads(8, &peer)
        .modules(&["reqtimeout"])
        .conf("RequestReadTimeout handshake=1 header=1 body=1")
        .start();
    let clients = twenty(&httpd, &peer, "");
    thread::sleep(Duration::from_millis(1500));
    httpd.get("/").expect(404);
    let mut answered = Vec::new();
    for (target, mut client) in clients {
        peer.answer(&target);
        assert_eq!(client.response("GET").expect(200).text(), target);
        answered.push(client);
    }
    let mut last = answered.pop().expect("there are twenty");
    last.send("GET /app/slow HTTP/1.1\r\n");
    assert_eq!(last.response("GET").status, 408, "it counts the time of the next header");
}

#[test]
fn mod_ratelimit_slows_the_answers_of_requests_that_have_waited() {
    let peer = HoldingPeer::start();
    let httpd = two_threads(&peer)
        .modules(&["ratelimit"])
        .conf("<Location /app>\nSetOutputFilter RATE_LIMIT\nSetEnv rate-limit 400\n</Location>")
        .start();
    each_has_its_own(&httpd, &peer, "", Response::text);
}

#[test]
fn mod_deflate_compresses_the_answers_of_requests_that_have_waited() {
    let peer = HoldingPeer::start();
    let httpd = two_threads(&peer)
        .modules(&["deflate"])
        .conf("<Location /app>\nSetOutputFilter DEFLATE\n</Location>")
        .start();
    each_has_its_own(&httpd, &peer, "Accept-Encoding: gzip\r\n", |response| {
        assert_eq!(response.header("Content-Encoding"), Some("gzip"));
        gunzip(&response.body)
    });
}

fn gunzip(data: &[u8]) -> String {
    let mut gunzip = Command::new("gunzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is part of every Debian");
    gunzip.stdin.take().expect("stdin is piped").write_all(data).expect("it is short");
    let output = gunzip.wait_with_output().expect("gunzip ends").stdout;
    String::from_utf8(output).expect("a path")
}

#[test]
fn filters_change_what_arrives_in_pieces_with_a_wait_before_each() {
    let peer = HoldingPeer::start();
    let httpd = two_threads(&peer)
        .modules(&["substitute", "sed", "buffer"])
        .conf("<Location /app>\nSubstitute s/world/moon/\nOutputSed s/hello/goodbye/")
        .conf("SetOutputFilter SUBSTITUTE;Sed\n</Location>")
        .conf("<Location /app/whole>\nSetOutputFilter SUBSTITUTE;Sed;BUFFER\n</Location>")
        .start();
    let targets: Vec<String> = (0..20)
        .map(|number| {
            if number % 2 == 0 { format!("/app/{number}") } else { format!("/app/whole/{number}") }
        })
        .collect();
    let clients: Vec<Client> = targets.iter().map(|target| ask(&httpd, target, "")).collect();
    peer.wait_for_held(20);
    for target in &targets {
        peer.send(target, headers(200).header("Content-Type", "text/plain"));
    }
    for piece in ["hel", "lo ", "wor", "ld ", "from "] {
        targets.iter().rev().for_each(|target| peer.send(target, chunk(piece)));
        httpd.get("/").expect(404);
    }
    for target in &targets {
        peer.send(target, chunk(target));
        peer.end(target);
    }
    for (target, mut client) in targets.iter().zip(clients) {
        let text = client.response("GET").expect(200).text();
        assert_eq!(text.trim_end(), format!("goodbye moon from {target}"));
    }
}

#[test]
fn mod_remoteip_gives_each_request_that_waits_its_own_client() {
    let peer = HoldingPeer::start();
    let httpd = two_threads(&peer)
        .modules(&["remoteip"])
        .conf("RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1")
        .start();
    let target = |number: usize| format!("/app/{number}");
    let clients: Vec<Client> = (0..20)
        .map(|number| ask(&httpd, &target(number), &format!("X-Client: 192.0.2.{number}\r\n")))
        .collect();
    peer.wait_for_held(20);
    peer.answer_all_backwards();
    for (number, mut client) in clients.into_iter().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), target(number));
        let start = format!("192.0.2.{number} 200");
        let request = format!("\"GET {} HTTP/1.1\"", target(number));
        let is_its_own = |line: &String| line.starts_with(&start) && line.contains(&request);
        wait_for("the access log", || httpd.access_log().iter().any(is_its_own).then_some(()));
    }
}

/// The answer to a request with this URI, to be kept in a cache.
fn answer_for_a_minute(peer: &HoldingPeer, uri: &str) {
    peer.send(uri, headers(200).header("Cache-Control", "max-age=60"));
    peer.send(uri, chunk(uri));
    peer.end(uri);
}

fn directory_of_a_cache() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    root
}

#[test]
fn mod_cache_keeps_what_requests_have_waited_for_with_its_lock_on_disk_and_in_memory() {
    let root = directory_of_a_cache();
    let on_disk = format!("CacheRoot \"{}\"\nCacheEnable disk /app", root.path().display());
    let in_memory = "CacheSocache shmcb\nCacheEnable socache /app";
    for (modules, enable) in [
        (&["cache", "cache_disk"][..], &*on_disk),
        (&["cache", "socache_shmcb", "cache_socache"], in_memory),
    ] {
        for quick in ["On", "Off"] {
            let peer = HoldingPeer::start();
            let locks = directory_of_a_cache();
            let httpd = two_threads(&peer)
                .modules(modules)
                .conf(enable)
                .conf(&format!("CacheLock On\nCacheLockPath \"{}\"", locks.path().display()))
                .conf(&format!("CacheQuickHandler {quick}"))
                .start();
            let uri = |number: usize| format!("/app/{quick}/{number}");
            // Two for each page, of which the cache lets one through to be kept.
            let clients: Vec<Client> =
                (0..20).map(|number| ask(&httpd, &uri(number / 2), "")).collect();
            peer.wait_for_held(20);
            httpd.get("/").expect(404);
            for uri in peer.held() {
                answer_for_a_minute(&peer, &uri);
            }
            for (number, mut client) in clients.into_iter().enumerate() {
                assert_eq!(client.response("GET").expect(200).text(), uri(number / 2));
            }
            (0..10).for_each(|number| is_kept(&httpd, &peer, &uri(number)));
        }
    }
}

/// Asks for a page until it comes from the cache; modules keep no page for which they would wait for each other.
#[track_caller]
fn is_kept(httpd: &Httpd, peer: &HoldingPeer, uri: &str) {
    wait_for("the page is kept", || {
        let mut client = ask(httpd, uri, "");
        let answered = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !answered.load(SeqCst) {
                    peer.held().iter().for_each(|uri| answer_for_a_minute(peer, uri));
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let response = client.response("GET").expect(200);
            answered.store(true, SeqCst);
            assert_eq!(response.text(), uri);
            response.header("Age").is_some().then_some(())
        })
    });
}

#[test]
fn a_client_that_leaves_while_it_holds_the_lock_of_mod_cache_leaves_a_cache_that_works() {
    let (root, locks) = (directory_of_a_cache(), directory_of_a_cache());
    let peer = HoldingPeer::start();
    let httpd = two_threads(&peer)
        .modules(&["cache", "cache_disk"])
        .conf(&format!("CacheRoot \"{}\"\nCacheEnable disk /app", root.path().display()))
        .conf(&format!("CacheLock On\nCacheLockPath \"{}\"", locks.path().display()))
        .start();
    let client = ask(&httpd, "/app/x", "");
    peer.wait_for_held(1);
    drop(client);
    peer.wait_for_held(0);

    let mut client = ask(&httpd, "/app/x", "");
    peer.wait_for_held(1);
    answer_for_a_minute(&peer, "/app/x");
    assert_eq!(client.response("GET").expect(200).text(), "/app/x");
    is_kept(&httpd, &peer, "/app/x");
}

#[test]
fn requests_over_http_1_wait_without_a_thread_while_streams_of_http_2_wait_in_theirs() {
    let peer = HoldingPeer::start();
    // A connection of HTTP/2 with streams has a thread of the MPM, too; and a child whose threads were all busy
    // takes no connections before two of them are idle.
    let httpd = threads(4, &peer).modules(&["http2"]).conf("Protocols h2c http/1.1").start();
    let url = |number: usize| format!("http://localhost:{}/app/stream/{number}", httpd.port());
    let streams = Command::new("nghttp")
        .args(["--timeout=60", "--verbose"])
        .args((0..4).map(url))
        .stdout(Stdio::piped())
        .spawn()
        .expect("nghttp is installed (ci/setup)");
    peer.wait_for_held(4);
    let target = |number: usize| format!("/app/{number}");
    let clients: Vec<Client> = (0..20).map(|number| ask(&httpd, &target(number), "")).collect();
    peer.wait_for_held(24);
    httpd.get("/").expect(404);
    peer.answer_all_backwards();
    for (number, mut client) in clients.into_iter().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), target(number));
    }
    let output = streams.wait_with_output().expect("nghttp ends").stdout;
    let said = String::from_utf8_lossy(&output);
    assert_eq!(said.matches(":status: 200").count(), 4, "{said}");
    for number in 0..4 {
        assert!(said.contains(&format!("\n/app/stream/{number}")), "{said}");
    }
}

#[test]
fn tls_clients_wait_without_a_thread_with_mod_http2_loaded() {
    let peer = HoldingPeer::start();
    let certificates = Certificates::new();
    let authority = certificates.file("ca.pem").to_str().expect("ASCII").to_owned();
    let directory = certificates.directory().display();
    let httpd = two_threads(&peer)
        .modules(&["socache_shmcb", "ssl", "http2"])
        .conf("Protocols h2 http/1.1\nSSLEngine On")
        .conf(&format!("SSLCertificateFile \"{directory}/server.pem\""))
        .conf(&format!("SSLCertificateKeyFile \"{directory}/server.key\""))
        .start();
    let page = |target: &str| httpd.curl(&["--http1.1", "--cacert", &authority], "https", target);
    thread::scope(|scope| {
        let page = &page;
        let ask = |number: usize| scope.spawn(move || page(&format!("/app/{number}")));
        let pages: Vec<_> = (0..20).map(ask).collect();
        peer.wait_for_held(20);
        assert!(page("/").contains("404"));
        peer.answer_all_backwards();
        for (number, page) in pages.into_iter().enumerate() {
            assert_eq!(page.join().expect("curl runs"), format!("/app/{number}"));
        }
    });
}
