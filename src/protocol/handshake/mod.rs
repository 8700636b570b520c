//! The handshake of reverse connections: both sides prove that they know a key before the first
//! AJP packet. `tomcat-connector/` has the same in Java.
//!
//! ```text
//! hello      to httpd      41 42 | length | 52 01 nonceT[16] node length[1] node
//! challenge  to container  12 34 | length | 52 02 nonceH[16] HMAC("httpd"  nonceT nonceH port node)
//! proof      to httpd      41 42 | length | 52 03            HMAC("tomcat" nonceT nonceH port node)
//! ```
//!
//! HMAC is HMAC-SHA-256 with the key. `port` is the one the container dialled, as a u16. It is in
//! the HMAC so that a process that has bound another port of a range cannot pass the packets on to
//! the real httpd. Both nonces are new for each connection: a packet recorded earlier proves
//! nothing. What follows the handshake is neither encrypted nor signed.
//!
//! Packets have no more than [`Hello::MAX_LEN`], [`Challenge::LEN`] and [`Proof::LEN`] bytes.
//! Read no more from a peer that has not proved itself.

mod key;
mod packets;
#[cfg(test)]
mod tests;

use hmac::{Hmac, Mac};
use sha2::Sha256;

pub use key::{Key, KeyError};
pub use packets::{Challenge, Hello, NodeTooLong, Proof};

use super::error::CodecError;

/// 16 bytes that are used once; take them from the operating system's random numbers.
pub type Nonce = [u8; NONCE_LEN];

const NONCE_LEN: usize = 16;
const MAC_LEN: usize = 32;

type HandshakeMac = Hmac<Sha256>;

/// Why a handshake failed; close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The packet is not the one that is due.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The peer has another key or none, or passes on another peer's packets.
    #[error("the peer does not prove that it knows the key")]
    WrongKey,
}

/// httpd's side.
///
/// ```
/// # use mod_proxy_ajp_rs::protocol::handshake::*;
/// # let key = Key::new(b"sixteen bytes or more")?;
/// # let container = Container::new(&key, 9100, Hello::new([1; 16], b"node1")?);
/// # let received = container.hello();
/// let hello = Hello::decode(&received[4..])?;
/// let nonce = [2; 16]; // from the operating system
/// let (challenge, expected) = FrontEnd::answer(&key, 9100, nonce, &hello);
/// // … send challenge.encode(), receive the proof …
/// # let received = container.proof(&challenge.encode()[4..])?;
/// assert!(expected.verify(&Proof::decode(&received[4..])?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FrontEnd;

impl FrontEnd {
    /// Answers a hello that came in at `port`, the port this side listens at.
    ///
    /// The caller decides whether the node is accepted; it has proved nothing yet.
    pub fn answer(key: &Key, port: u16, nonce: Nonce, hello: &Hello) -> (Challenge, Expected) {
        let session = Session { key, port, container: hello.nonce(), front: nonce };
        let challenge = Challenge::new(nonce, session.mac(HTTPD, hello.node()));
        (challenge, Expected(session.mac(TOMCAT, hello.node())))
    }
}

/// The proof that answers one challenge, to be verified once.
#[derive(Debug)]
pub struct Expected(HandshakeMac);

impl Expected {
    /// Whether the container knows the key. Takes the same time for every wrong proof.
    #[must_use]
    pub fn verify(self, proof: &Proof) -> bool {
        self.0.verify_slice(proof.mac()).is_ok()
    }
}

/// The container's side of one connection.
#[derive(Debug)]
pub struct Container {
    key: Key,
    port: u16,
    hello: Hello,
}

impl Container {
    /// Begins a handshake with the httpd that was dialled at `port`.
    pub fn new(key: &Key, port: u16, hello: Hello) -> Container {
        Container { key: key.clone(), port, hello }
    }

    /// The packet to send first, envelope included.
    pub fn hello(&self) -> Vec<u8> {
        self.hello.encode()
    }

    /// Checks the payload of a challenge and returns the packet to answer it with, envelope
    /// included.
    ///
    /// # Errors
    /// [`HandshakeError::Codec`] for another packet; [`HandshakeError::WrongKey`] if this challenge
    /// was not made for this hello and this port with this key.
    pub fn proof(&self, challenge: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let challenge = Challenge::decode(challenge)?;
        let (container, front) = (self.hello.nonce(), challenge.nonce());
        let session = Session { key: &self.key, port: self.port, container, front };
        session
            .mac(HTTPD, self.hello.node())
            .verify_slice(challenge.mac())
            .map_err(|_| HandshakeError::WrongKey)?;
        Ok(Proof::new(session.mac(TOMCAT, self.hello.node())).encode())
    }
}

/// The sender's role is in the HMAC, so that a peer's own packet cannot be sent back to it.
const HTTPD: &[u8] = b"httpd";
const TOMCAT: &[u8] = b"tomcat";

struct Session<'a> {
    key: &'a Key,
    port: u16,
    container: Nonce,
    front: Nonce,
}

impl Session<'_> {
    fn mac(&self, role: &[u8], node: &[u8]) -> HandshakeMac {
        // The roles differ in their first byte, and of the other parts only the last, the node, may
        // have several lengths: no two different sets of parts are the same bytes.
        let port = self.port.to_be_bytes();
        [role, &self.container[..], &self.front[..], &port[..], node]
            .into_iter()
            .fold(self.key.mac(), |mac, part| mac.chain_update(part))
    }
}
