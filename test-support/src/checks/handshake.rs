//! The packets of the handshake of reverse connections.

use mod_proxy_ajp_rs::protocol::handshake::{
    Challenge, Container, FrontEnd, HandshakeError, Hello, Key, Nonce, Proof,
};

/// Checks what either side makes of `payload`: what it decodes is the same packet when it is encoded again, and
/// nothing that was not made with the key proves anything. With the payload as name of a node, an honest handshake
/// succeeds, and fails with another key, another port, or what this side itself has sent.
pub fn check_handshake(payload: &[u8]) {
    let (key, other) = (key(b"sixteen bytes or more"), key(b"sixteen other bytes."));
    let hello = Hello::new([8; 16], b"node8").expect("a short name");
    let container = Container::new(&key, 9100, hello.clone());
    assert!(container.proof(payload).is_err(), "a challenge that was not made with the key");
    if let Ok(decoded) = Hello::decode(payload) {
        assert_eq!(decoded.encode()[4..], *payload);
        assert!(Hello::is_begun_by(&decoded.encode()));
        assert!(decoded.node().len() <= Hello::MAX_NODE);
    }
    if let Ok(decoded) = Challenge::decode(payload) {
        assert_eq!(decoded.encode()[4..], *payload);
        assert_eq!(container.proof(payload), Err(HandshakeError::WrongKey));
    }
    if let Ok(decoded) = Proof::decode(payload) {
        assert_eq!(decoded.encode()[4..], *payload);
        let (_, expected) = FrontEnd::answer(&key, 9100, [9; 16], &hello);
        assert!(!expected.verify(&decoded), "a proof that was not made with the key");
    }
    check_honest(payload, &key, &other);
}

fn check_honest(node: &[u8], key: &Key, other: &Key) {
    let nonce: Nonce = std::array::from_fn(|at| node.get(at).copied().unwrap_or(0));
    let Ok(hello) = Hello::new(nonce, node) else {
        assert!(node.len() > Hello::MAX_NODE);
        return;
    };
    let container = Container::new(key, 9100, hello);
    let sent = container.hello();
    let received = Hello::decode(&sent[4..]).expect("what we encode");
    assert_eq!((received.node(), received.nonce()), (node, nonce));
    let (challenge, expected) = FrontEnd::answer(key, 9100, [3; 16], &received);
    let challenge = challenge.encode();
    let proof = container.proof(&challenge[4..]).expect("the same key");
    assert!(expected.verify(&Proof::decode(&proof[4..]).expect("what we encode")));
    for (key, port) in [(other, 9100), (key, 9101)] {
        let (wrong, expected) = FrontEnd::answer(key, port, [3; 16], &received);
        assert_eq!(container.proof(&wrong.encode()[4..]), Err(HandshakeError::WrongKey));
        assert!(!expected.verify(&Proof::decode(&proof[4..]).expect("what we encode")));
    }
    assert!(Proof::decode(&challenge[4..]).is_err(), "its own packet proves nothing");
}

fn key(bytes: &[u8]) -> Key {
    Key::new(bytes).expect("long enough")
}
