//! The proof that a peer must give before its reverse connection is used: httpd's side, without I/O.
//!
//! With a key, that is the handshake; without one, it is CPONG if CPING is configured. Nothing else is read
//! or sent, so the connection is as good as new afterwards.

use std::time::{Duration, Instant};

use super::cping::{ANSWER_ROOM, is_whole_cpong};
use super::error::PingError;
use super::refusal::RefusalReason;
use crate::net::NetError;
use crate::protocol::handshake::{Expected, FrontEnd, HandshakeError, Hello, Key, Nonce, Proof};
use crate::protocol::{BufferSlice, CPING, Direction, split_packet};

/// The handshake with one peer.
#[derive(Debug)]
pub(super) struct Handshake {
    due: Due,
    received: Vec<u8>,
    /// Still to be sent.
    unsent: Vec<u8>,
    began: Instant,
    /// When it was sent something that it must answer.
    asked: Option<Instant>,
    timeout: Duration,
}

/// The next packet due from the peer.
#[derive(Debug)]
enum Due {
    /// The hello; `port` is the one at which the peer connected.
    Hello {
        key: Key,
        port: u16,
        node: Option<String>,
    },
    /// The proof; `expected` is `None` once it has been received.
    Proof {
        expected: Option<Expected>,
        hello: Hello,
        node: Option<String>,
    },
    CPong,
}

/// The next step for the caller.
#[derive(Debug)]
pub(super) enum Step {
    /// Receive more.
    Receive,
    /// Send what is [to be sent](Handshake::unsent), then receive more.
    Send,
    /// Nothing: the peer has given its proof.
    Proven,
}

impl Handshake {
    /// Begins a handshake with `key`. The peer has connected to `port`, and must be `node` if that is set.
    pub(super) fn keyed(key: Key, port: u16, node: Option<String>, now: Instant) -> Self {
        let due = Due::Hello { key, port, node };
        let received = Vec::with_capacity(Hello::MAX_LEN);
        Self { due, received, unsent: Vec::new(), began: now, asked: None, timeout: MAX_TIMEOUT }
    }

    /// Begins with CPING, which is to be sent; `timeout` is at most [`MAX_TIMEOUT`].
    pub(super) fn pinged(timeout: Duration, now: Instant) -> Self {
        let received = Vec::with_capacity(ANSWER_ROOM);
        Self {
            due: Due::CPong,
            received,
            unsent: CPING.to_vec(),
            began: now,
            asked: Some(now),
            timeout: timeout.min(MAX_TIMEOUT),
        }
    }

    /// Returns what is still to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// Takes how much of it the socket took.
    pub(super) fn sent(&mut self, count: usize) {
        self.unsent.drain(..count.min(self.unsent.len()));
    }

    /// Returns the buffer to receive into: no more than its spare capacity.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.received
    }

    /// Processes what has been received. `nonce` returns one that was never used.
    pub(super) fn advance(
        &mut self,
        nonce: impl FnOnce() -> Result<Nonce, NetError>,
        now: Instant,
    ) -> Result<Step, RefusalReason> {
        match &mut self.due {
            Due::Hello { key, port, node } => {
                let Some(hello) = packet(&self.received, Hello::MAX_LEN)? else {
                    return Ok(Step::Receive);
                };
                let hello = Hello::decode(&hello).map_err(HandshakeError::from)?;
                let nonce =
                    nonce().map_err(|error| RefusalReason::HandshakeAborted(Some(error)))?;
                let (challenge, expected) = FrontEnd::answer(key, *port, nonce, &hello);
                self.due = Due::Proof { expected: Some(expected), hello, node: node.take() };
                self.received = Vec::with_capacity(Proof::LEN);
                self.asked = Some(now);
                self.unsent = challenge.encode();
                Ok(Step::Send)
            }
            Due::Proof { expected, hello, node } => {
                let Some(proof) = packet(&self.received, Proof::LEN)? else {
                    return Ok(Step::Receive);
                };
                let proof = Proof::decode(&proof).map_err(HandshakeError::from)?;
                if !expected.take().is_some_and(|expected| expected.verify(&proof)) {
                    return Err(HandshakeError::WrongKey.into());
                }
                match node {
                    Some(wanted) if wanted.as_bytes() != hello.node() => {
                        Err(RefusalReason::OtherNode {
                            name: String::from_utf8_lossy(hello.node()).into_owned(),
                            wanted: wanted.clone(),
                        })
                    }
                    _ => Ok(Step::Proven),
                }
            }
            Due::CPong => match is_whole_cpong(&self.received)? {
                true => Ok(Step::Proven),
                false => Ok(Step::Receive),
            },
        }
    }

    /// Returns the reason to log when the connection has ended or failed; `None` if that was before the
    /// peer had sent anything, or could have answered.
    pub(super) fn aborted(&self, error: Option<NetError>) -> Option<RefusalReason> {
        match self.due {
            Due::Hello { .. } if self.received.is_empty() => None,
            Due::CPong => Some(error.map_or(PingError::Closed, PingError::Net).into()),
            Due::Proof { .. } if error.is_none() => Some(RefusalReason::NoProof),
            // A reset comes from a container that was killed.
            _ => Some(RefusalReason::HandshakeAborted(error)),
        }
    }

    /// Returns the reason to log when more has been received than was due.
    pub(super) fn too_much(&self) -> RefusalReason {
        match self.due {
            Due::CPong => PingError::NotCPong.into(),
            _ => RefusalReason::TooMuch,
        }
    }

    /// Returns the reason to log when the handshake has timed out.
    pub(super) fn timed_out(&self) -> RefusalReason {
        let after = self.timeout;
        match self.due {
            Due::CPong => PingError::TimedOut { after }.into(),
            Due::Hello { .. } if self.received.is_empty() => RefusalReason::NoHello { after },
            _ => RefusalReason::Silent { wanted: self.wanted(), after },
        }
    }

    /// Returns the reason to log when another handshake gets its place.
    pub(super) fn displaced(&self) -> RefusalReason {
        RefusalReason::Displaced { wanted: self.wanted() }
    }

    fn wanted(&self) -> &'static str {
        match self.due {
            Due::Hello { .. } if self.received.is_empty() => "hello",
            Due::Hello { .. } => "whole hello",
            Due::Proof { .. } => "proof",
            Due::CPong => "CPONG",
        }
    }

    /// Whether CPONG is due.
    pub(super) fn is_ping(&self) -> bool {
        matches!(self.due, Due::CPong)
    }

    /// Returns when the peer was asked what only a container can answer.
    pub(super) fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// Returns when it times out.
    pub(super) fn end(&self) -> Instant {
        self.began + self.timeout
    }
}

/// Returns the payload of the one packet that is due, of at most `limit` bytes with its header; `None`: it
/// is not complete yet.
fn packet(received: &[u8], limit: usize) -> Result<Option<BufferSlice>, RefusalReason> {
    let mut bytes = BufferSlice::from(received);
    match split_packet(&mut bytes, Direction::FromContainer).map_err(HandshakeError::from)? {
        Some(_) if !bytes.is_empty() => Err(RefusalReason::TooMuch),
        None if received.len() >= limit => Err(RefusalReason::TooMuch),
        payload => Ok(payload),
    }
}

/// The time that a handshake may take: many round trips over the longest distance.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::handshake::Container;

    const PORT: u16 = 9100;
    const NONCE: Nonce = [9; 16];
    const CPONG: [u8; 5] = [0x41, 0x42, 0, 1, 9];

    fn key() -> Key {
        Key::new(b"a key of more than 16 bytes").unwrap()
    }

    fn container(key: &Key, node: &[u8]) -> Container {
        Container::new(key, PORT, Hello::new([7; 16], node).unwrap())
    }

    fn keyed(node: Option<&str>, now: Instant) -> Handshake {
        Handshake::keyed(key(), PORT, node.map(str::to_owned), now)
    }

    fn receive(
        handshake: &mut Handshake,
        bytes: &[u8],
        now: Instant,
    ) -> Result<Step, RefusalReason> {
        handshake.buffer().extend_from_slice(bytes);
        handshake.advance(|| Ok(NONCE), now)
    }

    /// The challenge, once the hello has come.
    fn challenge(handshake: &mut Handshake, hello: &[u8], now: Instant) -> Vec<u8> {
        match receive(handshake, hello, now) {
            Ok(Step::Send) => handshake.unsent().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_peer_with_the_key_is_asked_once_its_hello_is_whole_and_then_proves_it_byte_by_byte() {
        let start = Instant::now();
        let late = start + Duration::from_secs(4);
        let container = container(&key(), b"node1");
        let hello = container.hello();
        let mut handshake = keyed(Some("node1"), start);
        for byte in &hello[..hello.len() - 1] {
            assert!(matches!(receive(&mut handshake, &[*byte], start), Ok(Step::Receive)));
        }
        assert_eq!(handshake.asked(), None, "a peer that has sent so little may be anything");
        let challenge = challenge(&mut handshake, &hello[hello.len() - 1..], late);
        assert_eq!((handshake.asked(), handshake.end()), (Some(late), start + MAX_TIMEOUT));
        let proof = container.proof(&challenge[4..]).unwrap();
        for byte in &proof[..proof.len() - 1] {
            assert!(matches!(receive(&mut handshake, &[*byte], late), Ok(Step::Receive)));
        }
        let last = receive(&mut handshake, &proof[proof.len() - 1..], late);
        assert!(matches!(last, Ok(Step::Proven)), "{last:?}");
    }

    #[test]
    fn another_node_another_key_and_more_than_is_due_are_refused() {
        let now = Instant::now();
        let container = container(&key(), b"node2");
        let shaken = |node, change: fn(Vec<u8>) -> Vec<u8>| {
            let mut handshake = keyed(node, now);
            let challenge = challenge(&mut handshake, &container.hello(), now);
            let proof = change(container.proof(&challenge[4..]).unwrap());
            receive(&mut handshake, &proof, now).map(|_| ()).map_err(|reason| reason.to_string())
        };
        assert_eq!(shaken(Some("node2"), |proof| proof), Ok(()));
        assert_eq!(shaken(None, |proof| proof), Ok(()));
        let other = "its node name is \"node2\", but node=node1 is configured";
        assert_eq!(shaken(Some("node1"), |proof| proof), Err(other.into()));
        let forged = |mut proof: Vec<u8>| {
            proof[20] ^= 1;
            proof
        };
        let wrong = "the peer does not prove that it knows the key";
        assert_eq!(shaken(None, forged), Err(wrong.into()));
        let more = |proof: Vec<u8>| [&proof[..], b"A"].concat();
        let too_much = "it sent more than the handshake allows";
        assert_eq!(shaken(None, more), Err(too_much.into()));

        let mut long = keyed(None, now);
        let endless = [&[0x41, 0x42, 0xff, 0xff][..], &[0; Hello::MAX_LEN]].concat();
        let refused = receive(&mut long, &endless, now).unwrap_err();
        assert!(matches!(refused, RefusalReason::TooMuch), "{refused}");
        let refused = receive(&mut keyed(None, now), b"GET /", now).unwrap_err();
        assert!(matches!(refused, RefusalReason::Handshake(_)), "{refused}");
    }

    #[test]
    fn what_is_said_of_a_peer_that_goes_or_stays_silent_depends_on_what_was_due() {
        let start = Instant::now();
        let late = start + Duration::from_secs(1);
        let said = |reason: Option<RefusalReason>| reason.map(|reason| reason.to_string());
        let mut handshake = keyed(None, start);
        assert_eq!(said(handshake.aborted(None)), None, "it died in the queue");
        let no_key = "no hello within 5s: its side probably has no key (keyFile of the connector, \
                      --key-file of ajp-dialer), and keyfile= is set here";
        assert_eq!(handshake.timed_out().to_string(), no_key);
        receive(&mut handshake, b"A", start).unwrap();
        let off = Some("it closed the connection during the handshake".to_owned());
        assert_eq!(said(handshake.aborted(None)), off);
        assert_eq!(handshake.timed_out().to_string(), "no whole hello within 5s");
        challenge(&mut handshake, &container(&key(), b"").hello()[1..], late);
        let other_key = "it closed the connection during the handshake instead of proving that it knows \
                         the key: its key (keyFile, --key-file) is probably not that of keyfile=, or \
                         something in between changes the port; its own log says which";
        assert_eq!(said(handshake.aborted(None)).as_deref(), Some(other_key));
        let reset = said(handshake.aborted(Some(NetError::Reset)));
        assert!(reset.is_some_and(|reset| !reset.contains("its key")), "it was killed");
        assert_eq!(handshake.timed_out().to_string(), "no proof within 5s");
        let others = "no proof yet, and another connection took its place; does allow= include \
                      other machines?";
        assert_eq!(handshake.displaced().to_string(), others);
    }

    #[test]
    fn without_a_key_cpong_is_due_and_nothing_else() {
        let (start, wait) = (Instant::now(), Duration::from_secs(2));
        let mut ping = Handshake::pinged(wait, start);
        assert_eq!((ping.asked(), ping.end()), (Some(start), start + wait));
        assert!(matches!(receive(&mut ping, &CPONG[..3], start), Ok(Step::Receive)));
        assert!(matches!(receive(&mut ping, &CPONG[3..], start), Ok(Step::Proven)));
        assert_eq!(ping.timed_out().to_string(), "no CPONG within 2s");
        assert!(receive(&mut ping, &CPONG, start).is_err(), "one is enough");
        assert!(receive(&mut Handshake::pinged(wait, start), b"HTTP", start).is_err());
        assert_eq!(Handshake::pinged(Duration::from_secs(60), start).end(), start + MAX_TIMEOUT);
    }
}
