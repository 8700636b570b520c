//! Several handshakes at once on one port, and requests that come and go meanwhile.

use super::*;

/// Peers that have said something of a handshake, and then nothing, in front of one that says all.
#[test]
fn a_request_takes_the_first_that_proves_itself_and_not_the_first_that_came() {
    let container = Container::new(&key(), 1, Hello::new([7; 16], b"").unwrap());
    for says in [&b"A"[..], &container.hello()] {
        let scene = Scene::new("keyfile=k");
        let port = scene.address.port();
        let strangers: Vec<TcpStream> = (0..12).map(|_| scene.dial()).collect();
        strangers.iter().for_each(|mut stranger| stranger.write_all(says).unwrap());
        let mut right = scene.dial();
        thread::scope(|threads| {
            let right = threads.spawn(move || {
                shake_hands(&mut right, &key(), port, b"").unwrap();
                right
            });
            let lease = scene.acquire().unwrap();
            assert!(leads_to(&lease, &right.join().unwrap()));
        });
        assert_eq!(scene.refusals(), [""; 0], "nobody's time had to be over");
        assert!(scene.reverse.is_busy());
    }
}

#[test]
fn without_a_key_a_request_does_not_wait_for_the_cpong_of_those_in_front_either() {
    let mut scene = Scene::new("");
    scene.settings.pings = Pings::before_every_request(Duration::from_secs(60));
    let _silent: Vec<TcpStream> = (0..12).map(|_| scene.dial()).collect();
    let mut tomcat = scene.dial();
    thread::scope(|threads| {
        let tomcat = threads.spawn(move || {
            tomcat.read_exact(&mut [0; 5]).unwrap();
            tomcat.write_all(&CPONG).unwrap();
            tomcat
        });
        let lease = scene.acquire().unwrap();
        assert!(leads_to(&lease, &tomcat.join().unwrap()));
    });
    assert_eq!(scene.refusals(), [""; 0], "nobody's time had to be over");
}

#[test]
fn a_handshake_that_its_request_has_not_waited_for_goes_on_for_the_next_one() {
    let scene = Scene::new("keyfile=k").wait(Duration::ZERO);
    let port = scene.address.port();
    let container = Container::new(&key(), port, Hello::new([7; 16], b"").unwrap());
    let mut far = scene.dial();
    far.write_all(&container.hello()).unwrap();
    let mut challenge = Vec::new();
    far.set_nonblocking(true).unwrap();
    while challenge.len() < 54 {
        let failure = scene.acquire().unwrap_err();
        assert!(
            matches!(failure, AcquireFailure::NoInboundConnection { is_gone: false, .. }),
            "{failure}"
        );
        let _ = far.read_to_end(&mut challenge);
    }
    far.write_all(&container.proof(&challenge[4..]).unwrap()).unwrap();
    let lease = loop {
        // Until it has arrived.
        if let Ok(lease) = scene.acquire() {
            break lease;
        }
    };
    assert!(leads_to(&lease, &far));
    assert_eq!(scene.refusals(), [""; 0]);
}

#[test]
fn the_housekeeper_ends_a_handshake_that_no_request_waits_for() {
    let scene = Scene::new("keyfile=k").wait(Duration::ZERO);
    let container = Container::new(&key(), scene.address.port(), Hello::new([7; 16], b"").unwrap());
    let mut far = scene.dial();
    far.write_all(&container.hello()).unwrap();
    while !scene.reverse.is_busy() {
        // A look of a request that has gone elsewhere.
        assert!(scene.reverse.accept(None).unwrap().stream.is_none());
    }
    let mut challenge = [0; 54];
    far.read_exact(&mut challenge).unwrap();
    far.write_all(&container.proof(&challenge[4..]).unwrap()).unwrap();
    while scene.backend.stats().idle == 0 {
        scene.backend.take_in(scene.reverse.tidy(None));
    }
    assert!(leads_to(&scene.acquire().unwrap(), &far));
    assert!(!scene.reverse.is_busy());
}

#[test]
fn a_child_that_ends_keeps_no_container_in_the_middle_of_a_handshake() {
    let scene = Scene::new("keyfile=k");
    let container = Container::new(&key(), 1, Hello::new([7; 16], b"").unwrap());
    let mut peer = scene.dial();
    peer.write_all(&container.hello()).unwrap();
    while !scene.reverse.is_busy() {
        assert!(scene.reverse.accept(None).unwrap().stream.is_none());
    }
    scene.reverse.give_up();
    assert!(!scene.reverse.is_busy());
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest);
}
