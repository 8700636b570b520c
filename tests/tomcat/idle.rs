//! Idle connections cost nothing: no request, no socket in CLOSE_WAIT, no thread of a small Tomcat. The
//! experiments that users have described, with a real Tomcat.
//!
//! The tests are about time: their pauses are the experiment.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::sync::OnceLock;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use test_support::http::{Generated, said};
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::members::children;
use test_support::process::wait_for;
use test_support::sockets::{self, State};
use test_support::tomcat::Tomcat;

/// The time after which two of the small connectors close an idle connection; the others never close
/// one while a client waits.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// `more_ports`: two that close idle connections after 2 s, one for each test that counts them, and six
/// small ones, two for each set of bursts: the middle two close idle connections after [`KEEP_ALIVE`].
fn tomcat() -> &'static Tomcat {
    static SHARED: OnceLock<Tomcat> = OnceLock::new();
    SHARED.get_or_init(|| {
        // One thread for each connection, as with the former blocking connectors: today's give an idle
        // connection no thread, but leave an eleventh connection unaccepted just the same.
        let small = |keep_alive: Duration| {
            format!(
                "maxThreads='10' minSpareThreads='10' maxConnections='10' keepAliveTimeout='{}'",
                keep_alive.as_millis()
            )
        };
        let (closing, keeping) = (small(KEEP_ALIVE), small(KEEP_ALIVE * 60));
        let impatient = "connectionTimeout='2000' keepAliveTimeout='2000'";
        Tomcat::start_with(&[
            impatient, impatient, &keeping, &keeping, &closing, &closing, &keeping, &keeping,
        ])
    })
}

/// An httpd in front of the connector with this number.
fn setup(mpm: Mpm, connector: usize) -> Setup {
    let port = tomcat().more_ports[connector];
    Httpd::setup().mpm(mpm).conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app ttl=60"))
}

const CLIENTS: u64 = 50;
const ROUNDS: u64 = 10;

/// Rounds without uploads, which all clients end before one of them uploads. An upload may not be resent, so the
/// module keeps it off a connection that Tomcat may be closing at that moment. Each child learns when that is from the
/// first connections that Tomcat closes. On a busy machine the moment is long.
const ROUNDS_OF_LEARNING: u64 = 2;

/// The same children all the time: a new one would have learned nothing.
fn fixed(mpm: Mpm) -> String {
    match mpm {
        // Two with 16 threads each, as many as are started.
        Mpm::Event | Mpm::Worker => "MaxRequestWorkers 32".to_owned(),
        Mpm::Prefork => children(20),
    }
}

/// The pause after a request, up to five seconds: the same in each run, by Knuth's generator.
fn pause(client: u64, round: u64) -> Duration {
    let next = |state: u64, _| {
        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
    };
    Duration::from_millis(((0..=round).fold(client, next) >> 33) % 5000)
}

/// Sends one of 500 requests, each with an id of its own.
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
        .map(|mpm| (mpm, setup(mpm, 0).conf(&fixed(mpm)).start()))
        .into_iter()
        .collect();
    let send = |rounds: Range<u64>| {
        scope(|scope| {
            for (mpm, httpd) in &servers {
                for client in 0..CLIENTS {
                    let (megabyte, rounds) = (&megabyte, rounds.clone());
                    scope.spawn(move || {
                        for round in rounds {
                            let kind = match (client + round) % 4 {
                                1 | 2 if round < ROUNDS_OF_LEARNING => 0,
                                kind => kind,
                            };
                            ask(httpd, &format!("{mpm:?}-{client}-{round}"), kind, megabyte);
                            sleep(pause(client, round));
                        }
                    });
                }
            }
        });
    };
    send(0..ROUNDS_OF_LEARNING);
    // Tomcat closes the connections of these rounds, and the housekeepers see it.
    sleep(Duration::from_secs(4));
    send(ROUNDS_OF_LEARNING..ROUNDS);

    let report = servers[0].1.get("/app/count/report").expect(200).text();
    assert_eq!(said(&report, "ids"), (3 * CLIENTS * ROUNDS).to_string());
    assert_eq!(said(&report, "most"), "1", "no request was executed twice");
}

// rows 8 and 9
#[test]
fn a_connection_that_tomcat_has_closed_does_not_stay_in_close_wait_under_every_mpm() {
    let impatient = SocketAddrV4::new(Ipv4Addr::LOCALHOST, tomcat().more_ports[1]);
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let httpd = setup(mpm, 1).start();
        scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| httpd.get("/app/slow?ms=700").expect(200));
            }
            wait_for("four connections", || {
                (sockets::count(State::Established, impatient) >= 4).then_some(())
            });
        });

        // No request from here on. Tomcat closes all of them, and so does httpd, in its next round.
        wait_for("Tomcat's end and httpd's are closed", || {
            let left = [State::Established, State::CloseWait];
            left.iter().all(|state| sockets::count(*state, impatient) == 0).then_some(())
        });
    }
}

/// Sends `count` requests for `target` at once, and checks the answers.
fn burst(httpd: &Httpd, target: &str, count: usize) {
    scope(|scope| {
        (0..count).for_each(|_| drop(scope.spawn(|| httpd.get(target).expect(200))));
    });
}

/// Twenty prefork children in front of two Tomcats that accept ten connections each, with `parameter`
/// on both workers: `/one` and `/two`.
fn twenty_children(parameter: &str, connectors: [usize; 2]) -> Httpd {
    let [one, two] = connectors.map(|connector| tomcat().more_ports[connector]);
    Httpd::setup()
        .mpm(Mpm::Prefork)
        .conf(&children(20))
        .conf(&format!("ProxyPass /one ajp://127.0.0.1:{one}/app {parameter}"))
        .conf(&format!("ProxyPass /two ajp://127.0.0.1:{two}/app {parameter}"))
        .start()
}

/// Bursts for which both Tomcats have room.
const ROOM: [(&str, usize); 2] = [("one", 10), ("two", 10)];

/// Bursts that need a connection of every child, then single requests.
const CROWD: [(&str, usize); 4] = [("one", 20), ("two", 20), ("one", 1), ("two", 1)];

fn bursts(httpd: &Httpd, all: &[(&str, usize)]) {
    all.iter().for_each(|(name, count)| burst(httpd, &format!("/{name}/slow?ms=500"), *count));
}

// row 3
#[test]
fn idle_connections_do_not_use_up_the_threads_of_a_small_tomcat_with_forceclose_or_a_short_ttl() {
    for parameter in ["forceclose=On", "ttl=1"] {
        // These Tomcats close no idle connection while a client waits: a child without one would get no
        // answer.
        let httpd = twenty_children(parameter, [2, 3]);
        bursts(&httpd, &ROOM);
        bursts(&httpd, &CROWD);
    }
}

// row 3, the control
#[test]
fn without_either_idle_connections_of_some_children_starve_the_others_until_tomcat_closes_them() {
    // Ten fit, although no connection is closed for them.
    bursts(&twenty_children("", [6, 7]), &ROOM);
    for name in ["one", "two"] {
        let httpd = twenty_children("", [4, 5]);
        let start = Instant::now();
        // Ten of the twenty children have a connection; the other ten get one after Tomcat's time.
        bursts(&httpd, &[(name, 10), (name, 20)]);
        assert!(start.elapsed() >= KEEP_ALIVE, "none starved: {:?}", start.elapsed());
    }
}
