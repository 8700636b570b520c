//! The three packets, byte by byte.

use hmac::Mac;

use super::{HandshakeMac, MAC_LEN, NONCE_LEN, Nonce};
use crate::protocol::error::{CodecError, Field};
use crate::protocol::packet::{Direction, HEADER_LEN};
use crate::protocol::reader::Reader;

/// First byte of all three payloads.
const HANDSHAKE: u8 = 0x52;

/// Their second byte.
#[derive(Clone, Copy)]
enum Step {
    Hello = 0x01,
    Challenge = 0x02,
    Proof = 0x03,
}

/// Bytes of type and step.
const STEP_LEN: usize = 2;

/// The container begins. Layout: `52 01`, nonce (16 bytes), length of the node name (u8), node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    nonce: Nonce,
    node: Vec<u8>,
}

/// A node name longer than its length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node name of {length} bytes, at most {} are possible", Hello::MAX_NODE)]
pub struct NodeTooLong {
    /// Its bytes.
    pub length: usize,
}

impl Hello {
    /// Bytes of the longest node name.
    pub const MAX_NODE: usize = 255;
    /// Bytes of the longest hello, envelope included.
    pub const MAX_LEN: usize = HEADER_LEN + STEP_LEN + NONCE_LEN + 1 + Hello::MAX_NODE;

    /// Bytes by which [`is_begun_by`](Self::is_begun_by) knows a hello.
    pub const PREFIX_LEN: usize = HEADER_LEN + STEP_LEN;

    /// Whether a packet that begins with these bytes is a hello, if it is one of this protocol.
    pub fn is_begun_by(bytes: &[u8]) -> bool {
        matches!(bytes, [0x41, 0x42, _, _, HANDSHAKE, step, ..] if *step == Step::Hello as u8)
    }

    /// The name may be empty. It travels in the clear.
    ///
    /// # Errors
    /// [`NodeTooLong`] above 255 bytes.
    pub fn new(nonce: Nonce, node: &[u8]) -> Result<Hello, NodeTooLong> {
        if node.len() > Hello::MAX_NODE {
            return Err(NodeTooLong { length: node.len() });
        }
        Ok(Hello { nonce, node: node.to_vec() })
    }

    /// The container's nonce.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// Returns the name that the container announces. It may be any bytes until the container has proved
    /// that it knows the key.
    pub fn node(&self) -> &[u8] {
        &self.node
    }

    /// The whole packet.
    pub fn encode(&self) -> Vec<u8> {
        // `new` and `decode` let no longer name in.
        let length = u8::try_from(self.node.len()).unwrap_or(u8::MAX);
        packet(Direction::FromContainer, Step::Hello, &[&self.nonce, &[length], &self.node])
    }

    /// Decodes a payload, as [`split_packet`](crate::protocol::split_packet) returns it.
    ///
    /// # Errors
    /// [`CodecError`], for the first rule broken.
    pub fn decode(payload: &[u8]) -> Result<Hello, CodecError> {
        let mut reader = step(payload, Step::Hello)?;
        let nonce = reader.array(Field::Nonce)?;
        let length = reader.u8(Field::NodeLength)?;
        let node = reader.take(usize::from(length), Field::Node)?.to_vec();
        reader.finish(Field::Node)?;
        Ok(Hello { nonce, node })
    }
}

/// httpd answers. Layout: `52 02`, nonce (16 bytes), HMAC (32 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    nonce: Nonce,
    mac: [u8; MAC_LEN],
}

impl Challenge {
    /// Bytes of a challenge, envelope included.
    pub const LEN: usize = HEADER_LEN + STEP_LEN + NONCE_LEN + MAC_LEN;

    pub(super) fn new(nonce: Nonce, mac: HandshakeMac) -> Challenge {
        Challenge { nonce, mac: mac.finalize().into_bytes().into() }
    }

    pub(super) fn nonce(&self) -> Nonce {
        self.nonce
    }

    pub(super) fn mac(&self) -> &[u8] {
        &self.mac
    }

    /// The whole packet.
    pub fn encode(&self) -> Vec<u8> {
        packet(Direction::ToContainer, Step::Challenge, &[&self.nonce, &self.mac])
    }

    /// Decodes a payload. Says nothing about the HMAC, see
    /// [`Container::proof`](super::Container::proof).
    ///
    /// # Errors
    /// [`CodecError`], for the first rule broken.
    pub fn decode(payload: &[u8]) -> Result<Challenge, CodecError> {
        let mut reader = step(payload, Step::Challenge)?;
        let nonce = reader.array(Field::Nonce)?;
        let mac = reader.array(Field::Mac)?;
        reader.finish(Field::Mac)?;
        Ok(Challenge { nonce, mac })
    }
}

/// The container ends the handshake. Layout: `52 03`, HMAC (32 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    mac: [u8; MAC_LEN],
}

impl Proof {
    /// Bytes of a proof, envelope included.
    pub const LEN: usize = HEADER_LEN + STEP_LEN + MAC_LEN;

    pub(super) fn new(mac: HandshakeMac) -> Proof {
        Proof { mac: mac.finalize().into_bytes().into() }
    }

    pub(super) fn mac(&self) -> &[u8] {
        &self.mac
    }

    /// The whole packet.
    pub fn encode(&self) -> Vec<u8> {
        packet(Direction::FromContainer, Step::Proof, &[&self.mac])
    }

    /// Decodes a payload. Says nothing about the HMAC, see
    /// [`Expected::verify`](super::Expected::verify).
    ///
    /// # Errors
    /// [`CodecError`], for the first rule broken.
    pub fn decode(payload: &[u8]) -> Result<Proof, CodecError> {
        let mut reader = step(payload, Step::Proof)?;
        let mac = reader.array(Field::Mac)?;
        reader.finish(Field::Mac)?;
        Ok(Proof { mac })
    }
}

fn packet(direction: Direction, step: Step, parts: &[&[u8]]) -> Vec<u8> {
    let payload: Vec<u8> = [HANDSHAKE, step as u8].into_iter().chain(parts.concat()).collect();
    // `Hello::MAX_LEN` is the longest.
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    [&direction.magic()[..], &length.to_be_bytes(), &payload].concat()
}

/// Reads type and step.
fn step(payload: &[u8], due: Step) -> Result<Reader<'_>, CodecError> {
    let mut reader = Reader::new(payload);
    let code = reader.u8(Field::PacketType)?;
    if code != HANDSHAKE {
        return Err(CodecError::UnknownType { code });
    }
    let found = reader.u8(Field::HandshakeStep)?;
    match found == due as u8 {
        true => Ok(reader),
        false => Err(CodecError::HandshakeStep { expected: due as u8, found }),
    }
}
