//! What dials in, with real sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{sync::Arc, thread};

use super::super::{
    AcquireFailure, AjpConnection, Backend, ConnectSettings, Connection, MaintenanceSettings,
    Refusal, key_of,
};
use super::Reverse;
use crate::config::{Pings, ReverseListener};
use crate::net::{ConnectOptions, Listener};
use crate::pool::{CloseReason, Lease, Limits, Wait};
use crate::protocol::handshake::{Container, Hello, Key};

#[path = "reverse_check_tests.rs"]
mod checks;
#[path = "reverse_handshake_tests.rs"]
mod handshakes;
#[path = "reverse_parked_tests.rs"]
mod parked;
#[path = "reverse_silent_tests.rs"]
mod silent;

const CPONG: [u8; 5] = [0x41, 0x42, 0, 1, 9];
const LONG: Duration = Duration::from_secs(60);

/// A backend, and the place where its container dials in.
struct Scene {
    reverse: Arc<Reverse>,
    backend: Backend,
    address: SocketAddr,
    settings: ConnectSettings,
}

impl Scene {
    fn new(words: &str) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = ReverseListener::parse(&format!("ajp://{address} {words}")).unwrap();
        let key = settings.key_file.is_some().then(key);
        let reverse = Arc::new(Reverse::new(settings, key, Some(listener), |_| {}));
        let settings = ConnectSettings {
            options: ConnectOptions::default(),
            address_ttl: None,
            pings: Pings::default(),
            limits: Limits { wait: Wait::For(LONG), ..Limits::default() },
        };
        let backend = Backend::reversed(key_of("127.0.0.1", address.port()), Arc::clone(&reverse));
        Self { reverse, backend, address, settings }
    }

    fn wait(mut self, wait: Duration) -> Self {
        self.settings.limits.wait = Wait::For(wait);
        self
    }

    fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    fn acquire(&self) -> Result<Lease<Connection>, AcquireFailure> {
        self.backend.acquire(&self.settings)
    }

    /// Looks again and again until that many have been sent away; tells why.
    fn refusals_once_there_are(&self, count: usize) -> Vec<String> {
        let mut refusals = Vec::new();
        let end = Instant::now() + 2 * LONG;
        while refusals.len() < count && Instant::now() < end {
            let found = self.reverse.accept(self.settings.pings.connect).unwrap();
            assert!(found.stream.is_none(), "{:?}", found.stream);
            refusals.extend(self.refusals());
            thread::sleep(Duration::from_millis(1));
        }
        refusals
    }

    fn refusals(&self) -> Vec<String> {
        self.reverse.take_refusals().iter().map(Refusal::to_string).collect()
    }
}

fn key() -> Key {
    Key::new(b"a key of more than 16 bytes").unwrap()
}

/// Does the lease lead to this peer?
fn leads_to(lease: &Lease<Connection>, peer: &TcpStream) -> bool {
    lease.peer().to_string() == peer.local_addr().unwrap().to_string()
}

/// Goes through the handshake as a container does; `Err`: sent away.
fn shake_hands(peer: &mut TcpStream, key: &Key, port: u16, node: &[u8]) -> Result<(), ()> {
    let container = Container::new(key, port, Hello::new([7; 16], node).unwrap());
    peer.write_all(&container.hello()).map_err(drop)?;
    let mut challenge = [0; 54];
    peer.read_exact(&mut challenge).map_err(drop)?;
    peer.write_all(&container.proof(&challenge[4..]).map_err(drop)?).map_err(drop)
}

#[test]
fn a_request_takes_what_has_dialled_in_first() {
    let scene = Scene::new("");
    let peers = [scene.dial(), scene.dial()];
    for peer in &peers {
        let lease = scene.acquire().unwrap();
        assert!(leads_to(&lease, peer));
        std::mem::forget(lease);
    }
}

#[test]
fn a_connection_that_died_in_the_queue_is_skipped_without_a_word() {
    let scene = Scene::new("");
    drop([scene.dial(), scene.dial()]);
    let alive = scene.dial();
    assert!(leads_to(&scene.acquire().unwrap(), &alive));
    assert_eq!(scene.refusals(), [""; 0]);
}

#[test]
fn one_that_is_not_allowed_is_closed_and_named() {
    let scene = Scene::new("allow=10.0.0.0/8").wait(Duration::ZERO);
    let mut stranger = scene.dial();
    assert!(matches!(scene.acquire(), Err(AcquireFailure::NoInboundConnection { .. })));
    assert_eq!(stranger.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(
        scene.refusals(),
        ["connection from 127.0.0.1 refused: its address is not in allow="]
    );
}

#[test]
fn a_request_waits_for_one_to_dial_in() {
    let scene = &Scene::new("");
    thread::scope(|threads| {
        let waiting = threads.spawn(|| scene.acquire().unwrap());
        while scene.backend.stats().waiting == 0 {
            thread::yield_now();
        }
        let peer = scene.dial();
        assert!(leads_to(&waiting.join().unwrap(), &peer));
    });
}

#[test]
fn a_request_waits_no_longer_than_acquire() {
    let scene = Scene::new("").wait(Duration::from_millis(20));
    let start = Instant::now();
    let failure = scene.acquire().unwrap_err();
    assert!(
        matches!(failure, AcquireFailure::NoInboundConnection { is_gone: false, .. }),
        "{failure}"
    );
    assert!(start.elapsed() >= Duration::from_millis(20));
    let stats = scene.backend.stats();
    assert_eq!((stats.in_use, stats.waiting), (0, 0));
}

/// Whether it has been closed; what has come is read.
fn is_closed(mut peer: &TcpStream) -> bool {
    peer.set_nonblocking(true).unwrap();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).map_err(|error| error.kind()) != Err(ErrorKind::WouldBlock)
}

/// Peers that each use up all the time one connection is given.
#[test]
fn a_queue_of_peers_that_say_no_more_holds_a_request_up_no_longer_than_acquire() {
    let container = Container::new(&key(), 1, Hello::new([7; 16], b"").unwrap());
    let no_more = |words: &str, pings, first: &[u8]| {
        let mut scene = Scene::new(words).wait(Duration::from_millis(200));
        scene.settings.pings = pings;
        let peers: Vec<TcpStream> = (0..16).map(|_| scene.dial()).collect();
        peers.iter().for_each(|mut peer| peer.write_all(first).unwrap());
        assert!(scene.acquire().is_err());
        // Each that was taken from the queue has been given up.
        let given_up = peers.iter().filter(|peer| is_closed(peer)).count();
        assert!(given_up < 12, "{words}: {given_up} of sixteen were waited for");
    };
    no_more("keyfile=k", Pings::default(), &container.hello());
    no_more("", Pings::before_every_request(Duration::from_secs(1)), b"");
}

#[test]
fn where_nobody_has_been_for_a_while_one_request_waits_a_moment_and_the_others_not_at_all() {
    let scene = Scene::new("");
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let patience = |has_open, after| scene.reverse.patience(has_open, false, LONG, at(after));
    (0..=10).for_each(|second| scene.reverse.note_empty(at(second)));
    assert_eq!(patience(false, 1).time, LONG, "it may be that it restarts");
    assert_eq!(patience(true, 100).time, LONG, "what is open may come back");
    let first = patience(false, 10);
    assert_eq!((first.time, first.is_gone), (Duration::from_millis(50), true));
    assert_eq!(patience(false, 10).time, Duration::ZERO);
    drop(first);
    assert_eq!(patience(false, 10).time, Duration::from_millis(50));

    let _peer = scene.dial();
    drop(scene.acquire().unwrap());
    assert_eq!(patience(false, 100).time, LONG, "somebody was there");
}

#[test]
fn a_child_that_has_not_looked_for_a_while_does_not_take_the_container_for_gone() {
    let scene = Scene::new("");
    let start = Instant::now();
    let looks = |second| {
        let now = start + Duration::from_secs(second);
        scene.reverse.note_empty(now);
        scene.reverse.patience(false, false, LONG, now).is_gone
    };
    assert!(!looks(0));
    assert!(!looks(600), "other children may have taken, this moment, what has dialled in since");
    assert!(!looks(601));
    assert!(looks(602));
}

#[test]
fn a_peer_with_the_key_is_let_in_and_one_with_another_or_none_is_not() {
    let scene = &Scene::new("keyfile=k node=node1");
    let port = scene.address.port();
    let other = Key::new(b"another key of 16 bytes or more").unwrap();
    let mut wrong = scene.dial();
    let mut silent = scene.dial();
    let mut relayed = scene.dial();
    let mut renamed = scene.dial();
    let mut right = scene.dial();
    thread::scope(|threads| {
        threads.spawn(move || shake_hands(&mut wrong, &other, port, b"node1").unwrap_err());
        threads.spawn(move || silent.read(&mut [0]));
        // As dialled at another port of the range, and passed on to this one.
        threads.spawn(move || shake_hands(&mut relayed, &key(), port ^ 1, b"node1").unwrap_err());
        threads.spawn(move || shake_hands(&mut renamed, &key(), port, b"node2").unwrap());
        let right = threads.spawn(move || {
            shake_hands(&mut right, &key(), port, b"node1").unwrap();
            right
        });
        let lease = scene.acquire().unwrap();
        assert!(leads_to(&lease, &right.join().unwrap()));
        // One for each address and kind: the relayed one, or the silent one, is left out.
        let refusals = scene.refusals_once_there_are(2).join("\n");
        for part in [
            "closed the connection during the handshake",
            "its node name is \"node2\", but node=node1 is configured",
        ] {
            assert!(refusals.contains(part), "{refusals}");
        }
        // The silent one is still there.
        scene.reverse.give_up();
    });
}

#[test]
fn a_peer_that_said_hello_and_died_is_skipped_without_a_word() {
    let scene = Scene::new("keyfile=k");
    let container = Container::new(&key(), scene.address.port(), Hello::new([7; 16], b"").unwrap());
    scene.dial().write_all(&container.hello()).unwrap();
    let mut alive = scene.dial();
    let port = scene.address.port();
    thread::scope(|threads| {
        threads.spawn(move || {
            shake_hands(&mut alive, &key(), port, b"").unwrap();
            alive.read(&mut [0])
        });
        drop(scene.acquire().unwrap());
    });
    assert_eq!(scene.refusals(), [""; 0]);
}

#[test]
fn a_proof_of_another_handshake_is_refused() {
    let scene = &Scene::new("keyfile=k");
    let port = scene.address.port();
    let container = Container::new(&key(), port, Hello::new([7; 16], b"").unwrap());
    let mut peer = scene.dial();
    peer.write_all(&container.hello()).unwrap();
    let proof = thread::scope(|threads| {
        let peer = threads.spawn(move || {
            let mut challenge = [0; 54];
            peer.read_exact(&mut challenge).unwrap();
            let proof = container.proof(&challenge[4..]).unwrap();
            peer.write_all(&proof).unwrap();
            (peer, proof, container.hello())
        });
        drop(scene.acquire().expect("this one is right"));
        peer.join().unwrap()
    });
    let (_peer, proof, hello) = proof;
    let mut replayed = scene.dial();
    replayed.write_all(&hello).unwrap();
    let mut refusals = Vec::new();
    thread::scope(|threads| {
        threads.spawn(move || {
            replayed.read_exact(&mut [0; 54]).unwrap();
            replayed.write_all(&proof).unwrap();
            assert_eq!(replayed.read(&mut [0]).unwrap_or(0), 0);
        });
        refusals = scene.refusals_once_there_are(1);
    });
    assert!(refusals[0].contains("does not prove that it knows the key"), "{refusals:?}");
}

#[test]
fn without_a_key_one_that_speaks_first_is_refused() {
    let scene = Scene::new("").wait(Duration::ZERO);
    let mut peer = scene.dial();
    peer.write_all(b"AB").unwrap();
    // Until it has arrived.
    while scene.acquire().is_ok() {
        peer = scene.dial();
        peer.write_all(b"AB").unwrap();
    }
    assert!(scene.refusals()[0].contains("sent data before it was asked to"));
}

#[test]
fn without_a_key_cping_is_sent_where_the_worker_says_so() {
    let mut scene = Scene::new("");
    scene.settings.pings = Pings::before_every_request(LONG);
    let mut http = scene.dial();
    let mut tomcat = scene.dial();
    thread::scope(|threads| {
        threads.spawn(move || {
            let _ = http.read_exact(&mut [0; 5]);
            http.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        let tomcat = threads.spawn(move || {
            tomcat.read_exact(&mut [0; 5]).unwrap();
            tomcat.write_all(&CPONG).unwrap();
            tomcat
        });
        let lease = scene.acquire().unwrap();
        assert!(leads_to(&lease, &tomcat.join().unwrap()));
    });
    assert_eq!(scene.refusals_once_there_are(1).len(), 1);
}

#[test]
fn a_queue_that_is_more_than_half_full_is_tidied_up_to_the_first_that_is_good() {
    let scene = Scene::new("");
    drop([scene.dial(), scene.dial()]);
    let alive = scene.dial();
    let _behind = scene.dial();
    assert!(scene.reverse.tidy(Some((4, 8))).stream.is_none(), "it is not that full");
    let found = scene.reverse.tidy(Some((5, 8)));
    let stream = found.stream.as_ref().expect("the third is good");
    assert_eq!(stream.peer().to_string(), alive.local_addr().unwrap().to_string());
    scene.backend.take_in(found);
    assert_eq!(scene.backend.stats().idle, 1);
    assert!(leads_to(&scene.acquire().unwrap(), &alive));
}

#[test]
fn min_takes_what_is_there_and_an_idle_connection_without_an_answer_is_closed() {
    let scene = Scene::new("");
    let _peer = scene.dial();
    let maintenance = MaintenanceSettings { connect: scene.settings.clone(), min: 2 };
    scene.backend.set_maintenance(maintenance);
    let maintenance = scene.backend.maintenance().unwrap();
    let (every, wait) = maintenance.connect.pings.interval.expect("idle ones are pinged");
    let start = Instant::now();
    let pass = |at| scene.backend.maintain(&maintenance, scene.backend.sweep(&maintenance, at), at);
    assert_eq!(pass(start).opened, 1);
    assert_eq!(pass(start + every).awaited, 1);
    assert_eq!(pass(start + every + wait).unanswered, 1);
    assert_eq!(scene.backend.stats().closed.of(CloseReason::Broken), 1);
}

#[test]
fn each_child_takes_the_lowest_free_port_of_a_range_and_gives_it_up_for_the_next() {
    // A port whose neighbour is likely to be free; where it is not, another.
    let (first, children) = loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port > u16::MAX - 2 {
            continue;
        }
        let line = format!("ajp://127.0.0.1:1 listen=127.0.0.1:{port}-{}", port + 1);
        let child = || Reverse::new(ReverseListener::parse(&line).unwrap(), None, None, |_| {});
        let children = [child(), child(), child()];
        if children[0].listen() == Ok(Some((children[0].settings().address, port).into()))
            && children[1].listen().is_ok()
        {
            break (port, children);
        }
    };
    assert!(children[2].listen().is_err(), "there is no third");
    assert!(children[2].note_failure() && !children[2].note_failure(), "told once");
    assert!(children[2].accept(None).is_err());
    assert_eq!(children[0].listen(), Ok(None), "it has one");
    children[0].give_up();
    let port = children[2].listen().unwrap().expect("free again").port();
    assert_eq!(port, first);
    assert!(children[2].note_failure(), "and again after it had one");
}
