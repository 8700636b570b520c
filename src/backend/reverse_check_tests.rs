//! Connections that the housekeeper takes although no request needs one.

use super::*;

/// Long enough for any peer of these tests.
fn until() -> Instant {
    Instant::now() + LONG
}

/// Answers a CPING on this connection.
fn answer_cping(peer: &mut TcpStream) {
    peer.read_exact(&mut [0; 5]).unwrap();
    peer.write_all(&CPONG).unwrap();
}

impl Scene {
    fn maintained(mut self, change: impl FnOnce(&mut ConnectSettings)) -> Self {
        change(&mut self.settings);
        let maintenance = MaintenanceSettings { connect: self.settings.clone(), min: 0 };
        self.backend.set_maintenance(maintenance);
        self
    }

    /// The round of a child that checks the port.
    fn check(&self) {
        assert_eq!(self.backend.maintain_port(None, true, until()), None);
    }
}

#[test]
fn one_of_the_connections_that_wait_is_verified_and_kept_without_a_request() {
    let scene = Scene::new("keyfile=k");
    let port = scene.address.port();
    let (mut first, mut second) = (scene.dial(), scene.dial());
    let container = Container::new(&key(), port, Hello::new([7; 16], b"").unwrap());
    first.write_all(&container.hello()).unwrap();
    second.write_all(&container.hello()).unwrap();
    thread::scope(|threads| {
        let first = threads.spawn(move || {
            let mut challenge = [0; 54];
            first.read_exact(&mut challenge).unwrap();
            first.write_all(&container.proof(&challenge[4..]).unwrap()).unwrap();
            first
        });
        while scene.backend.stats().idle == 0 {
            scene.check();
        }
        scene.check();
        assert_eq!(scene.backend.stats().idle, 1, "the next one in ten seconds");
        let kept = scene.acquire().unwrap();
        assert!(leads_to(&kept, &first.join().unwrap()));
    });
    // The other one is for any child.
    second.set_nonblocking(true).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_child_that_does_not_have_the_ports_takes_nothing() {
    let scene = Scene::new("");
    let _peer = scene.dial();
    assert_eq!(scene.backend.maintain_port(None, false, until()), None);
    assert_eq!(scene.backend.stats().created, 0);
    assert!(scene.acquire().is_ok(), "it is there for a request");
}

#[test]
fn a_queue_that_the_housekeeper_finds_empty_for_long_does_not_shorten_the_wait_of_the_first_request()
 {
    const WAIT: Duration = Duration::from_millis(300);
    let scene = Scene::new("").wait(WAIT);
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        scene.check();
        thread::sleep(Duration::from_millis(100));
    }
    match scene.acquire().unwrap_err() {
        AcquireFailure::NoInboundConnection { waited, is_gone, .. } => {
            assert_eq!((waited, is_gone), (WAIT, false));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_wrong_key_is_said_without_a_request() {
    let scene = Scene::new("keyfile=k");
    let port = scene.address.port();
    let mut wrong = scene.dial();
    thread::scope(|threads| {
        let other = Key::new(b"a key of somebody else").unwrap();
        threads.spawn(move || shake_hands(&mut wrong, &other, port, b"").unwrap_err());
        let refusals = loop {
            scene.check();
            let refusals = scene.refusals();
            if !refusals.is_empty() {
                break refusals.join("\n");
            }
        };
        assert!(refusals.contains("instead of proving that it knows the key"), "{refusals}");
    });
}

#[test]
fn a_peer_that_takes_its_time_holds_the_housekeeper_up_no_longer_than_it_may_and_goes_on_later() {
    let scene = Scene::new("keyfile=k");
    let container = Container::new(&key(), scene.address.port(), Hello::new([7; 16], b"").unwrap());
    let mut slow = scene.dial();
    slow.write_all(&container.hello()).unwrap();
    while !scene.reverse.is_busy() {
        assert_eq!(scene.backend.maintain_port(None, true, Instant::now()), None);
    }
    let mut challenge = [0; 54];
    slow.read_exact(&mut challenge).unwrap();
    slow.write_all(&container.proof(&challenge[4..]).unwrap()).unwrap();
    while scene.backend.stats().idle == 0 {
        assert_eq!(scene.backend.maintain_port(None, true, Instant::now()), None);
    }
    assert!(leads_to(&scene.acquire().unwrap(), &slow));
}

#[test]
fn without_a_key_cpong_is_the_proof() {
    let scene = Scene::new("");
    let mut peer = scene.dial();
    thread::scope(|threads| {
        threads.spawn(move || {
            answer_cping(&mut peer);
            peer.read(&mut [0])
        });
        while scene.backend.stats().idle == 0 {
            scene.check();
        }
        scene.backend.close();
    });
}

#[test]
fn a_connection_that_is_checked_gets_the_place_of_the_oldest_idle_one() {
    let scene = Scene::new("").maintained(|connect| {
        connect.limits.max = std::num::NonZeroUsize::new(2);
    });
    let mut peers: Vec<TcpStream> = (0..3).map(|_| scene.dial()).collect();
    let leases = [scene.acquire().unwrap(), scene.acquire().unwrap()];
    scene.check();
    assert_eq!(scene.backend.stats().created, 2, "all places are in use");
    for lease in leases {
        drop(lease.discard(CloseReason::Broken));
    }
    let mut last = peers.pop().unwrap();
    thread::scope(|threads| {
        let last = threads.spawn(move || {
            answer_cping(&mut last);
            last
        });
        scene.backend.check_waiting(&scene.reverse, until());
        let _last = last.join().unwrap();
        assert_eq!(scene.backend.stats().idle, 1);
    });
    let mut next = scene.dial();
    thread::scope(|threads| {
        let next = threads.spawn(move || {
            answer_cping(&mut next);
            next
        });
        scene.backend.check_waiting(&scene.reverse, until());
        let next = next.join().unwrap();
        let stats = scene.backend.stats();
        assert_eq!((stats.idle, stats.closed.of(CloseReason::Evicted)), (1, 1));
        assert!(leads_to(&scene.acquire().unwrap(), &next), "the new one is kept");
    });
}

#[test]
fn where_no_idle_connection_is_kept_none_is_taken() {
    let seconds = Duration::from_secs;
    for (ttl, smax, taken) in [
        (None, Some(0), 0),
        (Some(seconds(1)), None, 0),
        (Some(seconds(60)), Some(0), 1),
        (None, Some(1), 1),
    ] {
        let scene = Scene::new("").maintained(|connect| {
            (connect.limits.ttl, connect.limits.smax) = (ttl, smax);
        });
        let mut peer = scene.dial();
        let peer = thread::spawn(move || {
            let _ = peer.read_exact(&mut [0; 5]);
            let _ = peer.write_all(&CPONG);
            peer
        });
        scene.check();
        assert_eq!(scene.backend.stats().created, taken, "{ttl:?} {smax:?}");
        // Whichever way it ended.
        drop(scene);
        peer.join().unwrap();
    }
}

#[test]
fn in_a_range_every_connection_is_checked_when_it_comes() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = port.min(u16::MAX - 1);
    let line = format!("ajp://127.0.0.1:{port} listen=127.0.0.1:{port}-{} keyfile=k", port + 1);
    let settings = ReverseListener::parse(&line).unwrap();
    let reverse = Arc::new(Reverse::new(settings, Some(key()), None, |_| {}));
    let address = reverse.listen().unwrap().expect("one of the two is free");
    let backend = Backend::reversed(Scene::new("").backend.key().clone(), Arc::clone(&reverse));
    let mut peers: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    thread::scope(|threads| {
        for peer in &mut peers {
            threads.spawn(move || shake_hands(peer, &key(), address.port(), b"").unwrap());
        }
        while backend.stats().idle < 3 {
            assert_eq!(backend.maintain_port(None, true, until()), None);
        }
    });
}
