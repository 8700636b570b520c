//! Many requests that wait at one port without a thread, each as an epoll set in another one, as httpd's
//! event MPM has them.

use std::os::fd::AsFd;

use super::*;
use crate::backend::InboundSockets;
use crate::backend::acquisition::{Acquisition, Got, Inbound, Need, Surroundings, Task};
use crate::net::{NetError, Waker, Watch, wait_any};

/// A request, and what it waits for.
struct Parked {
    way: Acquisition<Connection>,
    waits: Option<(Inbound, InboundSockets, Watch)>,
    lease: Option<Lease<Connection>>,
}

impl Scene {
    fn with<'a>(&'a self, now: &'a dyn Fn() -> Instant) -> Surroundings<'a> {
        Surroundings { backend: &self.backend, settings: &self.settings, now }
    }

    fn begin(&self) -> Parked {
        let way = Acquisition::new(Task::Any { certain: false }, &self.with(&Instant::now));
        Parked { way, waits: None, lease: None }
    }
}

impl Parked {
    /// Goes on to the next wait, which becomes part of `outer` under this number.
    fn go_on(&mut self, scene: &Scene, outer: &Watch, number: u64) -> Result<(), NetError> {
        if let Some((inbound, ..)) = self.waits.take() {
            while inbound.waker.take_wake_up() {}
            assert!(self.way.got(Got::Waited(Ok(())), &scene.with(&Instant::now)).is_none());
        }
        while self.lease.is_none() {
            let need = self.way.next();
            if let Need::Inbound(inbound) = need {
                let sockets = scene.backend.inbound_sockets(&inbound).expect("there is a port");
                let set = Watch::new()?;
                for descriptor in sockets.descriptors() {
                    set.add(descriptor, 0)?;
                }
                outer.add(&set, number)?;
                self.waits = Some((*inbound, sockets, set));
                return Ok(());
            }
            let got = scene.backend.supply(need, &scene.settings, &mut self.way);
            if let Some(end) = self.way.got(got, &scene.with(&Instant::now)) {
                self.lease = Some(end.unwrap());
            }
        }
        Ok(())
    }

    fn descriptors(&self) -> usize {
        self.waits.as_ref().map_or(0, |(_, sockets, _)| sockets.descriptors().count())
    }
}

/// Lets those that are reported go on, until so many of all have a connection.
fn until_served(scene: &Scene, outer: &Watch, requests: &mut [Parked], count: usize) {
    let end = Instant::now() + LONG;
    while requests.iter().filter(|request| request.lease.is_some()).count() < count {
        assert!(Instant::now() < end, "nobody was told");
        wait_any(&[outer.as_fd()], LONG).unwrap();
        for number in outer.ready().unwrap() {
            requests[usize::try_from(number).unwrap()].go_on(scene, outer, number).unwrap();
        }
    }
}

/// More than the 100 sets that Linux lets watch one set of sockets.
const MANY: usize = 120;

#[test]
fn a_few_of_many_requests_watch_the_port_and_all_are_served_in_the_end() {
    let scene = Scene::new("keyfile=k");
    let (port, outer) = (scene.address.port(), Watch::new().unwrap());
    // In the middle of its handshake from the beginning, so that there is such a set.
    let mute = scene.dial();
    let container = Container::new(&key(), port, Hello::new([7; 16], b"").unwrap());
    (&mute).write_all(&container.hello()).unwrap();
    let mut requests: Vec<Parked> = (0..MANY).map(|_| scene.begin()).collect();
    for (request, number) in requests.iter_mut().zip(0..) {
        request.go_on(&scene, &outer, number).unwrap();
    }
    let watching = requests.iter().filter(|request| request.descriptors() > 1).count();
    assert_eq!(watching, 4);

    let peers: Vec<TcpStream> = (0..3).map(|_| scene.dial()).collect();
    thread::scope(|threads| {
        for mut peer in peers {
            threads.spawn(move || {
                shake_hands(&mut peer, &key(), port, b"").unwrap();
                peer.read(&mut [0])
            });
        }
        until_served(&scene, &outer, &mut requests, 3);
        let mut served: Vec<Lease<Connection>> =
            requests.iter_mut().filter_map(|request| request.lease.take()).collect();
        assert_eq!(served.len(), 3);
        served.clear();
    });
    let stats = scene.backend.stats();
    assert_eq!((stats.in_use, stats.waiting), (MANY - 3, MANY - 3));
    drop(requests);
    assert_eq!(scene.backend.stats().in_use, 0);
}

#[test]
fn a_container_that_a_request_behind_the_others_has_found_is_watched_by_the_first() {
    let scene = Scene::new("keyfile=k");
    let (port, outer) = (scene.address.port(), Watch::new().unwrap());
    let mut requests: Vec<Parked> = (0..6).map(|_| scene.begin()).collect();
    for (request, number) in requests.iter_mut().zip(0..5) {
        request.go_on(&scene, &outer, number).unwrap();
    }
    let mut peer = scene.dial();
    let container = Container::new(&key(), port, Hello::new([7; 16], b"").unwrap());
    peer.write_all(&container.hello()).unwrap();
    wait_any(&[scene.reverse.listener().unwrap().as_fd()], LONG).unwrap();
    requests[5].go_on(&scene, &outer, 5).unwrap();
    assert!(scene.reverse.is_busy(), "the last one has taken it out of the queue");
    thread::scope(|threads| {
        let peer = threads.spawn(move || {
            let mut challenge = [0; 54];
            peer.read_exact(&mut challenge).unwrap();
            peer.write_all(&container.proof(&challenge[4..]).unwrap()).unwrap();
            peer
        });
        until_served(&scene, &outer, &mut requests, 1);
        drop(peer.join().unwrap());
    });
}

#[test]
fn a_request_behind_the_others_wakes_the_first_while_a_peer_may_be_about_to_prove_itself() {
    let scene = Scene::new("keyfile=k");
    let waker = Arc::new(Waker::new().unwrap());
    let _first = scene.reverse.line().enter(Arc::clone(&waker));
    let behind = || drop(scene.reverse.sockets(false, LONG).unwrap());
    behind();
    assert!(!waker.take_wake_up(), "it watches all there is");

    let container = Container::new(&key(), 1, Hello::new([7; 16], b"").unwrap());
    let mut peer = scene.dial();
    peer.write_all(&container.hello()).unwrap();
    while !scene.reverse.is_any_asked() {
        assert!(scene.reverse.accept(None).unwrap().stream.is_none());
    }
    behind();
    assert!(waker.take_wake_up());
}
