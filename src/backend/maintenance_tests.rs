//! Rounds of maintenance over a backend with real sockets and a made-up clock.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::MaintenanceSettings;
use super::super::{Backend, BackendKey, ConnectSettings, Connection, key_of};
use super::MaintenanceReport;
use crate::config::Pings;
use crate::net::{Address, ConnectOptions, Stream};
use crate::pool::{CloseReason, Keep, Limits};

const CPONG: [u8; 5] = [0x41, 0x42, 0, 1, 9];
const CPING: [u8; 5] = [0x12, 0x34, 0, 1, 10];

/// A backend whose peer is in this thread's hands.
struct Scene {
    listener: TcpListener,
    backend: Backend,
    maintenance: MaintenanceSettings,
    start: Instant,
}

impl Scene {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let key = key_of("127.0.0.1", listener.local_addr().unwrap().port());
        let connect = ConnectSettings {
            options: ConnectOptions::default(),
            address_ttl: None,
            pings: Pings::default(),
            limits: Limits::default(),
        };
        let maintenance = MaintenanceSettings { connect, min: 0 };
        Self { listener, backend: Backend::new(key), maintenance, start: Instant::now() }
    }

    fn min(mut self, min: usize) -> Self {
        self.maintenance.min = min;
        self
    }

    fn ping(mut self, every: u64, wait: u64) -> Self {
        let seconds = Duration::from_secs;
        self.maintenance.connect.pings.interval = Some((seconds(every), seconds(wait)));
        self
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn round(&self, seconds: u64) -> MaintenanceReport {
        let sweep = self.backend.sweep(&self.maintenance, self.at(seconds));
        self.backend.maintain(&self.maintenance, sweep, self.at(seconds))
    }

    /// Connections idle since these times, as the peer has them.
    fn idle<const N: usize>(&self, since: [u64; N]) -> [TcpStream; N] {
        since.map(|seconds| {
            let address = Address::Inet(self.listener.local_addr().unwrap());
            let stream = Stream::connect(&address, &ConnectOptions::default()).unwrap();
            let vacancy = self.backend.pool.vacancy_below(usize::MAX).unwrap();
            vacancy.stock(Connection::new(stream, self.start, Arc::default()), self.at(seconds));
            self.accept()
        })
    }

    fn accept(&self) -> TcpStream {
        self.listener.accept().unwrap().0
    }

    fn closed(&self, reason: CloseReason) -> u64 {
        self.backend.stats().closed.of(reason)
    }
}

fn expect_cping(mut peer: &TcpStream) {
    let mut bytes = [0; 5];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, CPING);
}

fn has_nothing_to_read(mut peer: &TcpStream) -> bool {
    peer.set_nonblocking(true).unwrap();
    let found = peer.read(&mut [0]);
    peer.set_nonblocking(false).unwrap();
    found.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn the_settings_bring_the_limits_before_any_request() {
    let mut scene = Scene::new();
    scene.maintenance.connect.limits.max = std::num::NonZeroUsize::new(1);
    scene.backend.set_maintenance(scene.maintenance.clone());
    let vacancy = scene.backend.pool.vacancy_below(usize::MAX);
    assert!(vacancy.is_some() && scene.backend.pool.vacancy_below(usize::MAX).is_none());
}

#[test]
fn what_the_backend_closed_what_has_unread_bytes_and_what_has_expired_is_closed_in_one_round() {
    let mut scene = Scene::new();
    scene.maintenance.connect.limits.ttl = Some(Duration::from_secs(10));
    let [_expired, gone, mut chatty, _good] = scene.idle([0, 5, 5, 5]);
    drop(gone);
    chatty.write_all(b"x").unwrap();

    // Loopback delivers both before the calls above return.
    let report = scene.round(10);

    let sweep = report.sweep;
    assert_eq!((sweep.expired, sweep.closed_by_peer, sweep.unread, sweep.kept), (1, 1, 1, 1));
    assert_eq!(scene.backend.stats().idle, 1);
}

#[test]
fn a_connection_idle_for_the_interval_is_pinged_and_back_in_the_pool_once_it_has_answered() {
    let scene = Scene::new().ping(5, 10);
    let [mut peer] = scene.idle([0]);
    assert_eq!(scene.round(4).awaited, 0);
    assert!(has_nothing_to_read(&peer));

    assert_eq!(scene.round(5).awaited, 1);
    expect_cping(&peer);
    assert_eq!(scene.backend.stats().idle, 0, "out of the pool meanwhile");
    peer.write_all(&CPONG).unwrap();

    assert_eq!(scene.round(6).awaited, 0);
    assert_eq!(scene.backend.stats().idle, 1);
    assert_eq!(scene.round(10).awaited, 0, "5 s after the answer, not after the question");
    assert!(has_nothing_to_read(&peer));
    assert_eq!(scene.round(11).awaited, 1);
}

#[test]
fn an_answer_that_comes_at_once_is_waited_for() {
    let mut scene = Scene::new().ping(5, 10);
    let [a, b, c] = scene.idle([0, 0, 0]);
    let answering = [a, b, c].map(|mut peer| {
        std::thread::spawn(move || {
            expect_cping(&peer);
            peer.write_all(&CPONG).unwrap();
            peer
        })
    });
    // However slow the machine is: rounds until all three have been asked and have answered.
    let mut second = 5;
    while scene.round(5).awaited > 0 {
        second += 1;
        assert!(second < 1000, "no answer in a thousand moments");
    }
    scene.maintenance.connect.pings = Pings::default();
    assert_eq!(scene.round(5).sweep.kept, 3);
    let _peers = answering.map(|thread| thread.join().unwrap());
}

#[test]
fn one_that_does_not_answer_in_time_is_closed_with_all_that_have_been_idle_longer() {
    let scene = Scene::new().ping(5, 10);
    let peers = scene.idle([0, 1, 2, 4]);
    // Half of them are asked: those idle since 0 s and 1 s.
    assert_eq!(scene.round(6).awaited, 2);
    (&peers[0]).write_all(&CPONG).unwrap();
    assert_eq!(scene.round(7).awaited, 1, "the first has answered");
    assert_eq!(scene.round(15).unanswered, 0, "not yet");

    let report = scene.round(16);

    assert_eq!(scene.closed(CloseReason::Broken), 1);
    assert_eq!(scene.closed(CloseReason::Suspect), 0, "the older one has answered since");
    assert!(report.unanswered == 1 && report.awaited > 0, "and the others are asked: {report:?}");
}

#[test]
fn one_that_answered_before_the_silent_one_was_asked_goes_with_it() {
    let scene = Scene::new().ping(5, 10);
    let [mut first, _second] = scene.idle([0, 4]);
    assert_eq!(scene.round(5).awaited, 1);
    first.write_all(&CPONG).unwrap();
    assert_eq!(scene.round(6).awaited, 0);
    assert_eq!(scene.round(9).awaited, 1, "the second one");

    let report = scene.round(19);

    assert_eq!((report.unanswered, scene.closed(CloseReason::Suspect)), (2, 1));
    assert_eq!(scene.backend.stats().closed.total(), 2);
}

#[test]
fn another_answer_than_cpong_and_a_closed_connection_end_it() {
    let scene = Scene::new().ping(5, 10);
    let [mut liar, gone] = scene.idle([0, 0]);
    assert_eq!(scene.round(5).awaited, 1);
    liar.write_all(b"HTTP/1.1 400").unwrap();
    let report = scene.round(6);
    assert_eq!((report.unanswered, report.awaited), (1, 1), "the other one's turn");
    drop(gone);
    assert_eq!(scene.round(7).unanswered, 1);
    assert_eq!(scene.backend.stats().closed.total(), 2);
}

#[test]
fn min_connections_are_opened_without_a_request() {
    let scene = Scene::new().min(2);

    assert_eq!(scene.round(0).opened, 2);

    let stats = scene.backend.stats();
    assert_eq!((stats.idle, stats.in_use), (2, 0));
    assert_eq!(scene.round(1).opened, 0);
    drop(scene.accept());
    let report = scene.round(2);
    assert_eq!((report.sweep.closed_by_peer, report.opened), (1, 1), "replaced in the same round");
}

#[test]
fn connections_in_use_count_for_min() {
    let scene = Scene::new().min(2);
    let lease = scene.backend.acquire(&scene.maintenance.connect).unwrap();
    assert_eq!(scene.round(0).opened, 1);
    drop(lease);
    assert_eq!(scene.round(1).opened, 1);
}

#[test]
fn min_is_not_exceeded_when_ttl_takes_what_a_burst_has_left() {
    let mut scene = Scene::new().min(2);
    scene.maintenance.connect.limits.ttl = Some(Duration::from_secs(10));
    let _peers = scene.idle([0, 0, 0, 0, 0]);

    let report = scene.round(10);

    assert_eq!((report.sweep.expired, report.opened), (5, 2));
    assert_eq!(scene.backend.stats().idle, 2);
}

#[test]
fn a_dead_backend_is_tried_less_and_less_often_up_to_once_a_minute() {
    let mut scene = Scene::new().min(1);
    // The port is taken on another address of this machine: here nobody listens.
    let key = BackendKey { host: "127.0.0.3".into(), ..scene.backend.key().clone() };
    scene.backend = Backend::new(key);

    let tries: Vec<_> = (0..200).filter(|second| scene.round(*second).failure.is_some()).collect();

    assert_eq!(tries, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    let stats = scene.backend.stats();
    assert_eq!((stats.idle, stats.in_use, stats.created), (0, 0, 0));
}

#[test]
fn a_warm_connection_is_pinged_where_new_ones_are() {
    let mut scene = Scene::new().min(1);
    scene.maintenance.connect.pings.connect = Some(Duration::from_millis(20));

    let report = scene.round(0);

    assert!(report.failure.is_some(), "nobody answered: {report:?}");
    assert_eq!(scene.backend.stats().idle, 0);
    expect_cping(&scene.accept());
}

#[test]
fn a_backend_that_has_moved_keeps_no_connection_to_its_old_address() {
    let mut scene = Scene::new();
    let _peers = scene.idle([0, 0]);
    let leased = scene.backend.acquire(&scene.maintenance.connect).unwrap();
    assert_eq!(scene.backend.keep(&leased), Keep::Pool);
    scene.maintenance.connect.address_ttl = Some(Duration::from_secs(5));
    let mut moved = scene.backend.key.clone();
    moved.host = "127.0.0.2".into();

    // As if the name server answered otherwise from now on.
    scene.backend.resolve(None).unwrap();
    scene.backend.addresses.resolve(&moved.host, moved.port, scene.at(0)).unwrap();

    assert_eq!(scene.round(1).moved, 1);
    assert_eq!(scene.backend.keep(&leased), Keep::Close(CloseReason::Moved));
    assert_eq!(scene.closed(CloseReason::Moved), 1);
}

#[test]
fn what_either_of_two_workers_asks_for_is_done() {
    let one = Scene::new().min(1).ping(9, 3).maintenance;
    let two = Scene::new().min(4).ping(5, 3).maintenance;
    let none = Scene::new().maintenance;

    let both = one.with(&none).with(&two);

    assert_eq!(both.min, 4);
    let seconds = Duration::from_secs;
    assert_eq!(both.connect.pings.interval, Some((seconds(5), seconds(3))));
}
