//! What happens to httpd and its backends during a run.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::ajp::ScriptedPeer;
use test_support::httpd::Httpd;
use test_support::process::{free_port, signal, wait_for};
use test_support::random::Random;
use test_support::status::post;
use test_support::tomcat::Tomcat;

use super::accounts::{self, Unended};
use super::peer::{self, Treatments};

/// The most milliseconds between two disturbances.
const PAUSE: usize = 1500;

/// Orders of an operator, and the members for which they are given: the others serve all the time.
const ORDERS: [&str; 4] = ["drain", "stop", "activate", "recover"];
const MEMBERS: [&str; 2] = ["node1", "p"];

/// The backends of a run.
#[derive(Debug)]
pub struct Backends {
    pub tomcat: Tomcat,
    pub peers: [Option<ScriptedPeer>; 2],
    pub addresses: [SocketAddr; 2],
    pub treatments: Treatments,
}

/// What a request may not survive, at least over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A child of httpd is killed.
    ChildKilled,
    /// A container that misbehaves ends, and starts again.
    PeerRestarted,
    /// Tomcat is killed, and starts again.
    TomcatKilled,
    /// httpd is restarted, and lets its children end what they do.
    Restarted,
}

/// A disturbance, from its beginning until what ends has ended, and until there is another in its place.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance {
    pub kind: Kind,
    pub from: Instant,
    pub ended: Instant,
    pub back: Instant,
}

/// What was done in a run.
#[derive(Debug, Default)]
pub struct Done {
    pub disturbances: Vec<Disturbance>,
    /// What killed children have left in the counters, since httpd was started or restarted.
    pub unended: Unended,
}

/// Disturbs until the run is over. Then every member serves again.
pub fn disturb(
    httpd: &Httpd,
    backends: &mut Backends,
    seed: u64,
    restarts: bool,
    over: &AtomicBool,
) -> Done {
    let mut random = Random::new(seed);
    let mut peers_started = 2;
    let mut done = Done::default();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100 + random.below(PAUSE) as u64));
        let from = Instant::now();
        let loss = match random.below(12) {
            0..3 => {
                let before = accounts::left_unended(httpd);
                if let Some(child) = httpd.children().first() {
                    signal("KILL", *child);
                    // A restart before httpd has noticed would replace it twice.
                    wait_for("httpd has noticed", || {
                        (!httpd.children().contains(child)).then_some(())
                    });
                }
                let ended = Instant::now();
                for (url, count) in accounts::left_unended(httpd) {
                    let more = count.saturating_sub(before.get(&url).copied().unwrap_or(0));
                    *done.unended.entry(url).or_default() += more;
                }
                Some((Kind::ChildKilled, ended))
            }
            3..6 => restarts.then(|| {
                httpd.graceful();
                done.unended.clear();
                (Kind::Restarted, Instant::now())
            }),
            6..8 => {
                let which = random.below(2);
                // Its threads end what they do, which may be a pause of seconds: nobody listens meanwhile.
                let old = backends.peers[which].take();
                let ending = thread::spawn(move || drop(old));
                thread::sleep(Duration::from_millis(random.below(300) as u64));
                peers_started += 1;
                let address = backends.addresses[which];
                backends.peers[which] =
                    Some(peer::start_at(address, seed + peers_started, &backends.treatments));
                ending.join().expect("the old one has ended");
                Some((Kind::PeerRestarted, Instant::now()))
            }
            8 => {
                // The servlet counts in memory: what it has counted is taken before it ends.
                backends.take_counts(httpd);
                backends.tomcat.kill();
                let ended = Instant::now();
                backends.tomcat.start_again();
                Some((Kind::TomcatKilled, ended))
            }
            _ => {
                give(httpd, random.pick(&ORDERS), random.pick(&MEMBERS));
                None
            }
        };
        done.disturbances.extend(loss.map(|(kind, ended)| Disturbance {
            kind,
            from,
            ended,
            back: Instant::now(),
        }));
    }
    for action in ["activate", "recover"] {
        wait_for("a child takes the order", || give(httpd, action, "*").then_some(()));
    }
    backends.take_counts(httpd);
    done
}

/// Gives an order. Returns whether it was taken: a child from before a restart refuses the new nonce.
fn give(httpd: &Httpd, action: &str, member: &str) -> bool {
    let Some(nonce) = httpd.client().try_get("/ajp-status?format=nonce") else { return false };
    let form = format!("action={action}&member={member}&nonce={}", nonce.text().trim());
    post(&mut httpd.client(), "", &form).status == 200
}

impl Backends {
    /// Starts Tomcat with two nodes, and two containers that misbehave.
    pub fn start(seed: u64) -> Self {
        let treatments = Treatments::default();
        let addresses = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let mut number = 0;
        let peers = addresses.map(|address| {
            number += 1;
            Some(peer::start_at(address, seed + number, &treatments))
        });
        Self { tomcat: Tomcat::start(), peers, addresses, treatments }
    }

    /// Takes what the servlets of both nodes have counted. What is executed between this and the end of a Tomcat
    /// is not counted.
    pub fn take_counts(&self, httpd: &Httpd) {
        for node in ["node1", "node2"] {
            let text =
                httpd.client().try_get(&format!("/{node}/count/take")).map(|answer| answer.text());
            for line in text.unwrap_or_default().lines() {
                if let Some((id, times)) = line.split_once('=') {
                    let [id, times] = [id, times].map(|word| word.parse::<u64>().unwrap_or(0));
                    self.treatments.count(id, times as usize);
                }
            }
        }
    }
}
