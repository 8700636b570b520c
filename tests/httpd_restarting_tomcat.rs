//! A Tomcat that is restarted ten times while 50 clients ask for pages.
//!
//! Pauses here are clients that think, and nobody's synchronisation.
#![cfg(feature = "httpd")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use support::httpd::{Httpd, Setup};
use support::members::{ONE_CHILD, balancer};
use support::tomcat::Tomcat;

const RESTARTS: usize = 10;

/// What it takes that a stopping Tomcat costs a balancer nothing. What it closes, with or without
/// having read it, goes to the other member anyway; but it also answers: 503 while it pauses, and
/// 404 when its applications are gone.
const OUTLIVES_A_STOP: &str = "failstatus=503,-404";

/// What a client gets from a Tomcat that stops, starts or is not there: refused and closed
/// connections, and Tomcat's own answers.
const OF_A_STOP: [u16; 3] = [404, 502, 503];

/// One request: its span of time, and the status it got.
type Seen = (Instant, Instant, u16);

/// Asks for pages until the end.
fn ask(httpd: &Httpd, end: &AtomicBool) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut client = httpd.client();
    while !end.load(Ordering::Relaxed) {
        let start = Instant::now();
        let answer = client.get(&format!("/app/echo?n={}", seen.len()));
        assert!(answer.complete, "{} was cut", answer.status);
        seen.push((start, Instant::now(), answer.status));
        if answer.header("Connection") == Some("close") {
            client = httpd.client();
        }
        sleep(Duration::from_millis(100));
    }
    seen
}

fn fifty_threads() -> Setup {
    Httpd::setup().conf(&ONE_CHILD.replace("16", "64")).conf("ThreadLimit 64")
}

#[test]
fn ten_restarts_lose_only_what_no_tomcat_could_have_served_and_a_balancer_of_two_nothing() {
    let steady = Tomcat::shared();
    let mut restarted = Tomcat::start();
    let member = format!("ajp://127.0.0.1:{}", restarted.port);
    let alone = fifty_threads().conf(&format!("ProxyPass /app {member}/app ping=5")).start();
    let members = [
        format!("{member} route=node1 retry=1 {OUTLIVES_A_STOP}"),
        format!("ajp://127.0.0.1:{} route=node2", steady.node2_port),
    ];
    let balanced = balancer(fifty_threads(), &members).start();
    let (end, mut down) = (AtomicBool::new(false), Vec::new());

    let (of_alone, of_balanced) = scope(|scope| {
        let clients = |httpd| -> Vec<_> {
            let end = &end;
            (0..25).map(|_| scope.spawn(move || ask(httpd, end))).collect()
        };
        let (alone, balanced) = (clients(&alone), clients(&balanced));
        for _ in 0..RESTARTS {
            let start = Instant::now();
            restarted.stop();
            restarted.start_again();
            down.push((start, Instant::now()));
            // For so long it is there.
            sleep(Duration::from_millis(1500));
        }
        end.store(true, Ordering::Relaxed);
        let all = |clients: Vec<std::thread::ScopedJoinHandle<'_, Vec<Seen>>>| -> Vec<Seen> {
            clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
        };
        (all(alone), all(balanced))
    });

    assert!(of_alone.len() > 1000 && of_balanced.len() > 1000, "there was something to lose");
    let lost: Vec<_> = of_balanced.iter().filter(|seen| seen.2 != 200).map(|seen| seen.2).collect();
    assert!(lost.is_empty(), "a balancer of two lost {lost:?}");
    let while_down = |(start, end, status): &Seen| {
        OF_A_STOP.contains(status) && down.iter().any(|(from, to)| start < to && from < end)
    };
    let lost: Vec<_> = of_alone.iter().filter(|seen| seen.2 != 200).collect();
    let unexplained: Vec<_> = lost.iter().filter(|seen| !while_down(seen)).collect();
    assert!(unexplained.is_empty(), "{unexplained:?} of {} lost", lost.len());
}
