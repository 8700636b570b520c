//! Starts and stops of httpd under load, thousands of them: no process of httpd may end by a signal.
//!
//! `ci/startstop` runs them and keeps count. What runs at each end: requests in flight, a housekeeper every
//! second, a name that is looked up, health checks by CPING (the watchdog's threads), and a member that is
//! being drained.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use test_support::ajp::ScriptedPeer;
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::manager::NONCE;
use test_support::members::named;
use test_support::process::{DEADLINE, signal, wait_for};
use test_support::random::Random;
use test_support::status::{nonce, with_status};

/// The clients of a round, and the most milliseconds between two of its signals.
const CLIENTS: usize = 12;
const PAUSE: usize = 400;

#[test]
fn httpd_starts_and_stops_under_load_and_no_process_ends_by_a_signal() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let (first, rounds) =
        (number("AJP_FIRST_ROUND").unwrap_or(0), number("AJP_ROUNDS").unwrap_or(3));
    for round in first..first + rounds {
        let mpm = [Mpm::Event, Mpm::Worker, Mpm::Prefork][round as usize % 3];
        // The seed of a round repeats its plan, though not the moments at which the system runs each part.
        match run(mpm, &mut Random::new(round)) {
            0 => println!("round {round} {mpm:?}: no crash"),
            _ => println!("round {round} {mpm:?}: a crash of httpd's own"),
        }
    }
}

/// Runs a round. Returns how many processes have crashed, by httpd's own fault.
fn run(mpm: Mpm, random: &mut Random) -> usize {
    let (a, b) = (named("a"), named("b"));
    let mut httpd = setup(mpm, &a, &b, random).start();
    let key = nonce(&httpd);
    let (answers, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (address, answers, over) = (httpd.address(), &answers, &over);
            scope.spawn(move || load(address, client, answers, over));
        }
        wait_for("requests are answered", || {
            (answers.load(Ordering::Relaxed) >= CLIENTS).then_some(())
        });
        if random.once_in(2) {
            let order = format!("action=drain&member=a&nonce={key}");
            let post = format!(
                "POST /ajp-status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{order}",
                order.len()
            );
            httpd.client().send(post);
        }
        for _ in 0..random.below(3) {
            pause(random);
            // A signal that comes while httpd reads its configuration again is lost: each waits for the end of it.
            if random.once_in(2) { httpd.graceful() } else { httpd.restart() }
        }
        pause(random);
        signal(random.pick(&["TERM", "TERM", "WINCH"]), httpd.pid());
        over.store(true, Ordering::Relaxed);
    });
    wait_for("httpd has ended", || httpd.has_ended().then_some(()));
    let crashes = httpd.crashes();
    assert!(crashes.are_httpds_own(), "{mpm:?}: {crashes}");
    crashes.count()
}

fn pause(random: &mut Random) {
    thread::sleep(Duration::from_millis(random.below(PAUSE) as u64));
}

/// Sends requests until httpd has been told to end: on one connection, and on a new one where httpd closes it.
///
/// Answers may be cut while httpd ends: what has come is all that is looked at.
fn load(address: SocketAddr, client: usize, answers: &AtomicUsize, over: &AtomicBool) {
    let targets = ["/app/x", "/app/x;JSESSIONID=1.a", "/named/x", "/app/x;JSESSIONID=1.b"];
    let request =
        format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", targets[client % targets.len()]);
    let mut buffer = [0; 4096];
    while !over.load(Ordering::Relaxed) {
        let Ok(mut connection) = TcpStream::connect(address) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        connection.set_read_timeout(Some(DEADLINE)).expect("not zero");
        while connection.write_all(request.as_bytes()).is_ok() {
            let Ok(length @ 1..) = connection.read(&mut buffer) else { break };
            if buffer[..length].starts_with(b"HTTP/1.1 200") {
                answers.fetch_add(1, Ordering::Relaxed);
            }
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn setup(mpm: Mpm, a: &ScriptedPeer, b: &ScriptedPeer, random: &mut Random) -> Setup {
    let (port_a, port_b) = (a.port(), b.port());
    let method = random.pick(&["CPING", "TCP"]);
    let parking = mpm == Mpm::Event && random.once_in(2);
    let setup = Httpd::setup().mpm(mpm).modules(&["proxy_hcheck"]);
    with_status(setup).conf(&format!(
        "ProxyAjpMaintain 1
        ProxyAjpParking {}
        ProxyPass /named ajp://localhost:{port_b} min=1 ping=2
        <Proxy balancer://members>
            BalancerMember ajp://127.0.0.1:{port_a} route=a hcmethod={method} hcinterval=1 min=2
            BalancerMember ajp://localhost:{port_b} route=b hcmethod={method} hcinterval=1
            ProxySet nonce={NONCE} stickysession=JSESSIONID|jsessionid
        </Proxy>
        ProxyPass /app balancer://members",
        if parking { "On" } else { "Off" },
    ))
}
