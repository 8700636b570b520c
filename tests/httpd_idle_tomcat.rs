//! Idle connections cost nothing: not a request, not a socket in CLOSE_WAIT, not a thread of a
//! Tomcat that has few. The experiments that users have written down, with a real Tomcat.
//!
//! Time is what these tests are about: their pauses are the experiment.
#![cfg(feature = "httpd")]

mod support;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::OnceLock;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use support::http::{Generated, said};
use support::httpd::{Httpd, Mpm, Setup};
use support::members::children;
use support::sockets::{self, State};
use support::tomcat::Tomcat;

/// After so long a small connector closes an idle connection.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// `more_ports`: two that close idle connections after 2 s, one for each test that counts, and four
/// small ones, two for each test that needs them.
fn tomcat() -> &'static Tomcat {
    static SHARED: OnceLock<Tomcat> = OnceLock::new();
    SHARED.get_or_init(|| {
        // One thread for each connection, as with the blocking connectors of old: today's gives an
        // idle connection no thread, but leaves an eleventh unaccepted just the same.
        let small = &format!(
            "maxThreads='10' minSpareThreads='10' maxConnections='10' keepAliveTimeout='{}'",
            KEEP_ALIVE.as_millis()
        );
        let impatient = "connectionTimeout='2000' keepAliveTimeout='2000'";
        Tomcat::start_with(&[impatient, impatient, small, small, small, small])
    })
}

/// An httpd in front of the connector with this number.
fn setup(mpm: Mpm, connector: usize) -> Setup {
    let port = tomcat().more_ports[connector];
    Httpd::setup().mpm(mpm).conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app ttl=60"))
}

const CLIENTS: u64 = 50;
const ROUNDS: u64 = 10;

/// One of 500 requests; its id is its own.
fn ask(httpd: &Httpd, id: &str, kind: u64, megabyte: &[u8]) {
    let target = format!("/app/count?id={id}&pages=1..3");
    let upload = |body: &[u8]| {
        let headers = format!("Content-Length: {}\r\n", body.len());
        let answer = httpd.client().request("POST", &target, &headers, body).expect(200);
        assert_eq!(answer.said("length"), body.len().to_string(), "{id}");
    };
    match kind {
        0 => drop(httpd.get(&target).expect(200)),
        1 => upload(&megabyte[..1024]),
        2 => upload(megabyte),
        _ => drop(httpd.request("HEAD", &target, "").expect(200)),
    }
}

// row 38
#[test]
fn behind_a_tomcat_that_closes_after_2_s_every_request_is_answered_once_under_every_mpm() {
    let megabyte = Generated::bytes(1 << 20, 1);
    let servers: Vec<(Mpm, Httpd)> = [Mpm::Event, Mpm::Worker, Mpm::Prefork]
        .map(|mpm| (mpm, setup(mpm, 0).start()))
        .into_iter()
        .collect();
    scope(|scope| {
        for (mpm, httpd) in &servers {
            for client in 0..CLIENTS {
                let megabyte = &megabyte;
                scope.spawn(move || {
                    // Knuth's generator: pauses that are the same in each run.
                    let mut state = client;
                    for round in 0..ROUNDS {
                        ask(
                            httpd,
                            &format!("{mpm:?}-{client}-{round}"),
                            (client + round) % 4,
                            megabyte,
                        );
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        sleep(Duration::from_millis((state >> 33) % 5000));
                    }
                });
            }
        }
    });

    let report = servers[0].1.get("/app/count/report").expect(200).text();
    assert_eq!(said(&report, "ids"), (3 * CLIENTS * ROUNDS).to_string());
    assert_eq!(said(&report, "most"), "1", "no request was executed twice");
}

// rows 8 and 9
#[test]
fn what_tomcat_has_closed_is_out_of_close_wait_within_two_passes_under_every_mpm() {
    let impatient = SocketAddrV4::new(Ipv4Addr::LOCALHOST, tomcat().more_ports[1]);
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let httpd = setup(mpm, 1).start();
        scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| httpd.get("/app/slow?ms=700").expect(200));
            }
        });
        let open = sockets::count(State::Established, impatient);
        assert!(open >= 4, "{mpm:?}: {open} connections are idle now");

        // No request from here on. Who is in CLOSE_WAIT, and since when?
        let (mut since, mut longest) = (HashMap::new(), Duration::ZERO);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(7) {
            let waiting = sockets::ports(State::CloseWait, impatient);
            since.retain(|port, _| waiting.contains(port));
            for port in waiting {
                longest = longest.max(since.entry(port).or_insert_with(Instant::now).elapsed());
            }
            sleep(Duration::from_millis(50));
        }
        assert!(longest < Duration::from_millis(2300), "{mpm:?}: in CLOSE_WAIT for {longest:?}");
        for state in [State::Established, State::CloseWait] {
            assert_eq!(sockets::count(state, impatient), 0, "{mpm:?}: {state:?}");
        }
    }
}

/// Has `count` clients at once ask for `target`; the longest that one had to wait.
fn burst(httpd: &Httpd, target: &str, count: usize) -> Duration {
    scope(|scope| {
        let ask = |_| {
            scope.spawn(|| {
                let start = Instant::now();
                httpd.get(target).expect(200);
                start.elapsed()
            })
        };
        let clients: Vec<_> = (0..count).map(ask).collect();
        clients.into_iter().map(|client| client.join().expect("a 200")).max().unwrap_or_default()
    })
}

/// Twenty children of prefork before two Tomcats that take ten connections each, with `parameter`
/// on both workers: bursts that both Tomcats have room for, then such as need a connection of every
/// child, then single requests. The longest wait of each.
fn waits(parameter: &str, connectors: [usize; 2]) -> [Duration; 6] {
    let [one, two] = connectors.map(|connector| tomcat().more_ports[connector]);
    let httpd = Httpd::setup()
        .mpm(Mpm::Prefork)
        .conf(&children(20))
        .conf(&format!("ProxyPass /one ajp://127.0.0.1:{one}/app {parameter}"))
        .conf(&format!("ProxyPass /two ajp://127.0.0.1:{two}/app {parameter}"))
        .start();
    [("one", 10), ("two", 10), ("one", 20), ("two", 20), ("one", 1), ("two", 1)]
        .map(|(name, count)| burst(&httpd, &format!("/{name}/slow?ms=500"), count))
}

/// Who waits for so long waits until Tomcat closes idle connections. A little less than
/// [`KEEP_ALIVE`]: that counts from a connection's last request, which may be of the burst before.
const STARVED: Duration = Duration::from_secs(8);

// row 3
#[test]
fn idle_connections_do_not_eat_the_threads_of_a_small_tomcat_with_forceclose_or_a_short_ttl() {
    for parameter in ["forceclose=On", "ttl=1"] {
        // A request takes 500 ms; the last of twenty waits for ten others, and for their ttl.
        let waits = waits(parameter, [2, 3]);
        assert!(waits.iter().all(|wait| *wait < STARVED), "{parameter}: {waits:?}");
    }
}

// row 3, the control
#[test]
fn without_either_idle_connections_of_some_children_starve_the_others_until_tomcat_closes_them() {
    let [first, second, crowd, other_crowd, ..] = waits("", [4, 5]);
    let room = [first, second];
    assert!(room.iter().all(|wait| *wait < STARVED), "ten find room: {room:?}");
    // Ten of the twenty children have a connection; the other ten get one after Tomcat's time.
    let crowds = [crowd, other_crowd];
    assert!(crowds.iter().all(|wait| *wait >= STARVED), "none starved: {crowds:?}");
}
