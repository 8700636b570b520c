//! The memory that children share: it exists from the start, is created again at a restart, and never
//! in a test of the configuration.

use std::fs;

use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::manager::{member, said};
use test_support::members::{balancer, children, hold_in_turn, holding};
use test_support::process::{signal, wait_for};
use test_support::tomcat::{SECRET, Tomcat};

/// The log line about it, each time it is created.
const MADE: &str = " bytes of shared memory for ";

fn setup(mpm: Mpm) -> Setup {
    let setup = Httpd::setup().mpm(mpm).define("AJP_PORT", Tomcat::shared().port);
    setup.log_level("info proxy_ajp:debug").example("proxy.conf")
}

/// The numbers of each line: bytes, workers, children.
fn made(log: &str) -> Vec<[usize; 3]> {
    let lines = log.lines().filter(|line| line.contains(MADE));
    let numbers = lines.map(|line| {
        let text = line.split("mod_proxy_ajp_rs: ").nth(1).expect("the module's text");
        let numbers = text.split(' ').filter_map(|word| word.parse().ok());
        numbers.collect::<Vec<_>>().try_into().expect("three numbers")
    });
    numbers.collect()
}

/// The mappings of `pid` that other processes share, and that have exactly the pages for this many
/// bytes (and for APR's own first word, and alignment).
fn shared_mappings(pid: u32, bytes: usize) -> usize {
    let pages = |bytes: usize| bytes.next_multiple_of(4096);
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let fits = |line: &&str| {
        let mut words = line.split_whitespace();
        let (range, access) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (start, end) = range.split_once('-').expect("a range");
        let [start, end] = [start, end].map(|at| usize::from_str_radix(at, 16).expect("hex"));
        access == "rw-s" && (end - start == pages(bytes + 64) || end - start == pages(bytes + 128))
    };
    maps.lines().filter(fits).count()
}

#[track_caller]
fn shares_memory(mpm: Mpm) {
    let httpd = setup(mpm).start();
    httpd.get("/app/echo").expect(200);

    let first = made(&httpd.error_log());
    assert_eq!(first.len(), 1, "once, though httpd reads its configuration twice: {first:?}");
    let [bytes, workers, children] = first[0];
    assert!(workers > 64, "the configured ones and 64 more: {workers}");
    let limit = if mpm == Mpm::Prefork { 40 } else { 8 };
    assert_eq!(children, 2 * limit);
    for pid in httpd.children().into_iter().chain([httpd.pid()]) {
        assert_eq!(shared_mappings(pid, bytes), 1, "process {pid}");
    }
    let before = httpd.children();
    httpd.graceful();
    httpd.get("/app/echo").expect(200);
    assert_eq!(made(&httpd.error_log()), [first[0], first[0]]);
    assert_eq!(shared_mappings(httpd.pid(), bytes), 1, "the old one is gone");
    httpd.wait_for_new_children(&before, 1);
    for pid in httpd.children() {
        assert_eq!(shared_mappings(pid, bytes), 1, "child {pid}");
    }
}

#[test]
fn every_child_shares_memory_that_a_graceful_restart_creates_again_under_event() {
    shares_memory(Mpm::Event);
}

#[test]
fn every_child_shares_memory_that_a_graceful_restart_creates_again_under_worker() {
    shares_memory(Mpm::Worker);
}

#[test]
fn every_child_shares_memory_that_a_graceful_restart_creates_again_under_prefork() {
    shares_memory(Mpm::Prefork);
}

#[test]
fn a_configuration_test_creates_no_shared_memory() {
    let (good, printed) = setup(Mpm::Event).configtest();
    assert!(good, "{printed}");
    assert!(!printed.contains(MADE), "{printed}");
}

#[test]
fn workers_of_several_servers_have_one_slot_and_growth_has_room() {
    let text = "<Proxy balancer://a growth=7>\n\
                BalancerMember ajp://127.0.0.1:1\nBalancerMember ajp://127.0.0.1:2\n\
                BalancerMember http://127.0.0.1:3\n</Proxy>\n\
                ProxyPass /a balancer://a\nProxyPass /b ajp://127.0.0.1:1/b\n\
                <VirtualHost *:*>\nServerName other\nProxyPass /c ajp://127.0.0.1:1/b\n\
                ProxyPass /d ajp://127.0.0.1:4\n</VirtualHost>";
    let httpd = Httpd::setup().modules(&["proxy_http"]).log_level("info proxy_ajp:debug");
    let httpd = httpd.conf(text).start();
    // Two members, two plain workers, 7 for growth and 64 spare ones.
    let workers = made(&httpd.error_log())[0][1];
    assert_eq!(workers, 2 + 2 + 7 + 64);
}

/// So many children come and go that each row has had several.
#[test]
fn children_that_end_release_their_row() {
    let httpd = setup(Mpm::Prefork).start();
    for _ in 0..3 {
        let old = httpd.children();
        for child in &old {
            signal("TERM", *child);
        }
        wait_for("others have taken their place", || {
            let now = httpd.children();
            (!now.is_empty() && now.iter().all(|child| !old.contains(child))).then_some(())
        });
        httpd.get("/app/echo").expect(200);
    }
    let log = httpd.error_log();
    assert!(!log.contains("no room for this child"), "{log}");
}

#[test]
fn busylimit_counts_over_all_children_without_those_that_have_died() {
    let tomcat = Tomcat::shared();
    let app = format!("ProxyPass /app ajp://127.0.0.1:{}/app secret={SECRET}", tomcat.port);
    let httpd = Httpd::setup().mpm(Mpm::Prefork).conf(&format!("{app} busylimit=1")).start();
    let before = httpd.children();
    let gate = format!("busy-{}", std::process::id());
    let mut client = httpd.client();
    client.send(format!("GET /app/stream?gate={gate}&pieces=2 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    for _ in 0..10 {
        httpd.get("/app/echo").expect(503);
    }

    // They end at once, in a signal handler: no request is counted out.
    for child in before {
        signal("TERM", child);
    }
    wait_for("the request no longer counts", || {
        (httpd.client().try_get("/app/echo")?.status == 200).then_some(())
    });
    let log = httpd.error_log();
    assert!(log.contains("ended with 1 AJP requests in flight"), "{log}");
    httpd.get(&format!("/app/gate?id={gate}")).expect(200);
    drop(client);
    for _ in 0..10 {
        httpd.get("/app/echo").expect(200);
    }
}

// row 107
#[test]
fn a_killed_child_leaves_no_request_counted_on_a_member_and_no_socket_open() {
    for sessions in ["", "stickysession=JSESSIONID", "lbmethod=bybusyness"] {
        let (peer, gate) = holding();
        let members = [format!("ajp://127.0.0.1:{} route=a busylimit=4", peer.port())];
        let setup = Httpd::setup().mpm(Mpm::Prefork).modules(&["lbmethod_bybusyness"]);
        let httpd = balancer(setup.conf(&children(6)), &members)
            .conf(&format!("ProxySet balancer://members {sessions}"))
            .start();
        let busy = || said(&member(&httpd, peer.port()), "busy").to_owned();
        let held = hold_in_turn(&httpd, &peer, 4);
        assert_eq!(busy(), "4", "{sessions}");
        httpd.get("/app/x").expect(503);

        let before = httpd.children();
        before.iter().for_each(|child| signal("KILL", *child));
        drop(held);
        wait_for("httpd has noticed", || {
            httpd.children().iter().all(|child| !before.contains(child)).then_some(())
        });
        wait_for("httpd serves again", || {
            (httpd.client().try_get("/app/x")?.status == 200).then_some(())
        });
        wait_for("nothing is counted", || (busy() == "0").then_some(()));
        gate.open();
        for _ in 0..20 {
            httpd.get("/app/x").expect(200);
        }
        wait_for("nothing is counted", || (busy() == "0").then_some(()));
        let open = httpd.children().len();
        wait_for("no socket of a dead child is open", || {
            (peer.open_connections() <= open).then_some(())
        });
    }
}

// row 107
#[test]
fn a_child_that_ends_subtracts_its_own_requests_from_the_member_and_no_others() {
    for signal_name in ["KILL", "TERM"] {
        let (peer, gate) = holding();
        let members = [format!("ajp://127.0.0.1:{} route=a", peer.port())];
        let setup = Httpd::setup().mpm(Mpm::Prefork).conf(&children(2));
        let httpd = balancer(setup, &members).start();
        let busy = || said(&member(&httpd, peer.port()), "busy").to_owned();
        let mut held = hold_in_turn(&httpd, &peer, 2);

        // Both children are occupied: the page comes from the child that replaces this one.
        signal(signal_name, httpd.children()[0]);
        wait_for("one is still counted", || (busy() == "1").then_some(()));
        gate.open();
        let answered = held.iter_mut().filter_map(|client| client.try_response("GET")).count();
        assert_eq!(answered, 1, "{signal_name}: the other child's");
        drop(held);
        wait_for("none is counted", || (busy() == "0").then_some(()));
    }
}
