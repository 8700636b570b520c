//! Handshakes that are shared by the requests of a child, without a socket.

use super::*;
use crate::backend::fake_port::{FakePort, FakeSocket};

const CPONG: [u8; 5] = [0x41, 0x42, 0, 1, 9];
const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    port: FakePort,
    reception: Reception<FakeSocket>,
    settings: ReverseListener,
    key: Option<Key>,
    ping: Option<Duration>,
    now: Instant,
}

impl Scene {
    fn new(key: Option<Key>) -> Self {
        Self {
            port: FakePort::default(),
            reception: Reception::default(),
            settings: ReverseListener::parse("ajp://127.0.0.1:9100 keyfile=k node=node1").unwrap(),
            key,
            ping: None,
            now: Instant::now(),
        }
    }

    /// Looks once; tells which connection was found, and who was refused.
    fn look(&mut self) -> (Option<usize>, Vec<String>) {
        let (now, mut found) = (self.now, Found::default());
        let terms = Terms { settings: &self.settings, key: self.key.as_ref(), ping: self.ping };
        let look = Look { takes_another: true, waiting: 1 };
        self.reception.look(&self.port, terms, look, &|| now, &mut found).unwrap();
        let refused = found.refused.iter().map(|(_, reason)| reason.to_string()).collect();
        (found.stream.map(|socket| socket.number), refused)
    }

    fn finds(&mut self) -> Option<usize> {
        let (found, refused) = self.look();
        assert_eq!(refused, [""; 0]);
        found
    }
}

fn key() -> Key {
    Key::new(b"a key of more than 16 bytes").unwrap()
}

#[test]
fn a_handshake_goes_on_with_each_look_whatever_has_come_of_a_packet() {
    let mut scene = Scene::new(Some(key()));
    let peer = scene.port.connect();
    assert_eq!(scene.finds(), None, "it has said nothing");
    let container = peer.hello(&key());
    assert_eq!(scene.finds(), None);
    assert!(scene.reception.is_any_asked());
    let proof = container.proof(&peer.receive()[4..]).unwrap();
    for part in proof.chunks(10) {
        assert_eq!(scene.finds(), None);
        peer.send(part);
    }
    assert_eq!(scene.finds(), Some(1));
    assert!(scene.reception.is_empty());

    let next = scene.port.connect();
    let container = next.hello(&key());
    assert_eq!(scene.finds(), None);
    next.prove(&container);
    assert_eq!(scene.finds(), Some(2));
}

#[test]
fn a_challenge_that_the_socket_takes_in_parts_is_sent_to_its_end() {
    let mut scene = Scene::new(Some(key()));
    let peer = scene.port.connect();
    peer.room(0);
    let container = peer.hello(&key());
    let mut challenge = Vec::new();
    while challenge.len() < 54 {
        assert_eq!(scene.finds(), None);
        challenge.extend(peer.receive());
        peer.room(7);
    }
    // What it sends before it has all of the challenge is read afterwards.
    peer.send(&container.proof(&challenge[4..]).unwrap());
    assert_eq!(scene.finds(), Some(1));
}

#[test]
fn a_socket_that_never_has_room_is_given_up_with_its_handshake() {
    let mut scene = Scene::new(None);
    scene.ping = Some(SECOND);
    let peer = scene.port.connect();
    peer.room(3);
    assert_eq!(scene.finds(), None);
    assert_eq!(scene.reception.next_change(scene.now), Some(scene.now + SECOND / 20));
    scene.now += SECOND;
    assert_eq!(scene.look(), (None, vec!["no CPONG within 1s".into()]));
    assert!(peer.is_closed());
}

#[test]
fn of_several_the_first_that_proves_itself_is_found_and_the_others_go_on() {
    let mut scene = Scene::new(None);
    scene.ping = Some(SECOND);
    let peers = [scene.port.connect(), scene.port.connect(), scene.port.connect()];
    assert_eq!(scene.finds(), None);
    // As many again are tried once those asked have had time for an answer.
    scene.now += SECOND / 2;
    assert_eq!(scene.finds(), None);
    peers[1].send(&CPONG);
    assert_eq!(scene.finds(), Some(2));
    peers[0].send(b"HTTP/1.1 400");
    let (found, refused) = scene.look();
    assert_eq!((found, refused.len()), (None, 1), "{refused:?}");
    peers[2].send(&CPONG);
    assert_eq!(scene.finds(), Some(3));
}

#[test]
fn a_peer_that_breaks_off_is_let_go_and_named_where_it_could_have_answered() {
    let broken_off = RefusalReason::NoProof.to_string();
    for (says_hello, refused) in [(false, vec![]), (true, vec![broken_off])] {
        let mut scene = Scene::new(Some(key()));
        let peer = scene.port.connect();
        assert_eq!(scene.finds(), None);
        if says_hello {
            peer.hello(&key());
            assert_eq!(scene.finds(), None);
        }
        peer.close();
        assert_eq!(scene.look(), (None, refused));
        assert!(scene.reception.is_empty());
    }
}

#[test]
fn a_forged_proof_is_refused_and_a_peer_that_died_in_the_queue_is_not_named() {
    let mut scene = Scene::new(Some(key()));
    let peer = scene.port.connect();
    let container = peer.hello(&key());
    assert_eq!(scene.finds(), None);
    let mut proof = container.proof(&peer.receive()[4..]).unwrap();
    proof[20] ^= 1;
    peer.send(&proof);
    let wrong_key = "the peer does not prove that it knows the key";
    assert_eq!(scene.look(), (None, vec![wrong_key.into()]));
    assert!(peer.is_closed());

    let dead = scene.port.connect();
    dead.hello(&key());
    dead.close();
    assert_eq!(scene.finds(), None);
}

#[test]
fn a_peer_that_begins_a_handshake_where_there_is_no_key_is_told_from_one_that_speaks_otherwise() {
    let other = "it sent data before it was asked to";
    let hello = "it begins a handshake, so its side has a key (keyFile of the connector, --key-file of \
                 ajp-dialer), but keyfile= is not set here";
    let mut scene = Scene::new(None);
    scene.port.connect().hello(&key());
    scene.port.connect().send(b"GET / HTTP/1.1\r\n");
    scene.port.connect().send(&[0x41, 0x42, 0, 1, 9]);
    scene.port.connect().send(b"A");
    assert_eq!(scene.look(), (None, [hello, other, other, other].map(str::to_owned).to_vec()));
}
