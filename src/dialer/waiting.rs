//! An established connection that does the handshake, or waits for the first byte of a request.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::rand::{GetRandomFlags, getrandom};

use super::settings::Settings;
use crate::protocol::handshake::{Challenge, Container, HandshakeError, Hello, Nonce};
use crate::protocol::{Direction, HEADER_LEN, packet_len};

/// Room for the first bytes of a request.
const FIRST: usize = 8192;

/// The connection, and the handshake if it is not complete.
#[derive(Debug)]
pub(super) struct Waiting {
    front: OwnedFd,
    handshake: Option<Handshake>,
}

#[derive(Debug)]
struct Handshake {
    container: Container,
    /// One byte longer than a challenge, to detect bytes that come before the proof was sent.
    received: [u8; Challenge::LEN + 1],
    count: usize,
    /// Set by the first byte.
    deadline: Option<Instant>,
    timeout: Duration,
}

/// The bytes received.
#[derive(Debug)]
pub(super) enum Received {
    /// Nothing, for now.
    Nothing,
    /// Part of the challenge.
    Challenged,
    /// The whole challenge, and the proof was sent. Read again: more may have arrived.
    Accepted,
    /// The first bytes of a request.
    Request(Vec<u8>),
    /// httpd has closed the connection.
    End,
    /// Something for which this side closes the connection.
    Refused(String),
}

impl Waiting {
    /// Starts the handshake if there is a key.
    ///
    /// # Errors
    /// The connection does not even accept a hello.
    pub(super) fn begin(
        front: OwnedFd,
        port: u16,
        settings: &Settings,
    ) -> Result<Waiting, std::io::Error> {
        let Some(key) = &settings.key else {
            return Ok(Waiting { front, handshake: None });
        };
        let hello = Hello::new(nonce()?, &settings.node).map_err(std::io::Error::other)?;
        let container = Container::new(key, port, hello);
        send_packet(&front, &container.hello())?;
        let handshake = Handshake {
            container,
            received: [0; Challenge::LEN + 1],
            count: 0,
            deadline: None,
            timeout: settings.connect_timeout,
        };
        Ok(Waiting { front, handshake: Some(handshake) })
    }

    /// When a handshake that has begun times out.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.handshake.as_ref()?.deadline
    }

    /// Whether part of a challenge has arrived.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.wake_at().is_some()
    }

    pub(super) fn into_front(self) -> OwnedFd {
        self.front
    }

    /// Reads what has arrived, and answers a complete challenge.
    pub(super) fn read(&mut self, now: Instant) -> Received {
        let Some(handshake) = &mut self.handshake else {
            let mut first = vec![0; FIRST];
            return match receive(&self.front, &mut first) {
                Ok(None) => Received::Nothing,
                Ok(Some(0)) | Err(_) => Received::End,
                Ok(Some(count)) => {
                    first.truncate(count);
                    Received::Request(first)
                }
            };
        };
        loop {
            let begun = handshake.count > 0;
            match receive(&self.front, &mut handshake.received[handshake.count..]) {
                Ok(None) => {
                    return match handshake.deadline {
                        Some(deadline) if now >= deadline => Received::Refused(format!(
                            "it did not complete its challenge within {} ms",
                            handshake.timeout.as_millis()
                        )),
                        _ => Received::Nothing,
                    };
                }
                Ok(Some(0)) | Err(_) => return Received::End,
                Ok(Some(count)) => handshake.count += count,
            }
            handshake.deadline.get_or_insert(now + handshake.timeout);
            if let Err(why) = check_envelope(&handshake.received[..handshake.count]) {
                return Received::Refused(why);
            }
            if handshake.count >= Challenge::LEN {
                break;
            }
            if !begun {
                return Received::Challenged;
            }
        }
        let challenge = &handshake.received[HEADER_LEN..Challenge::LEN];
        match handshake.container.proof(challenge) {
            Err(error @ HandshakeError::WrongKey) => {
                return Received::Refused(format!(
                    "{error}: keyfile= of its ProxyAjpReverse and --key-file have different keys, or \
                     something in between changes the port"
                ));
            }
            Err(error) => return Received::Refused(error.to_string()),
            // Bytes that came early would be taken for a packet of a peer that knows the key.
            Ok(_) if handshake.count > Challenge::LEN || self.has_more() => {
                return Received::Refused(
                    "it sent more data before it had received the proof".into(),
                );
            }
            Ok(proof) => {
                if send_packet(&self.front, &proof).is_err() {
                    return Received::End;
                }
            }
        }
        self.handshake = None;
        Received::Accepted
    }

    fn has_more(&self) -> bool {
        let peeked = recv(&self.front, &mut [0; 1][..], RecvFlags::PEEK);
        matches!(peeked, Ok((_, count)) if count > 0)
    }
}

impl AsFd for Waiting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.front.as_fd()
    }
}

/// Refuses bytes that cannot be the beginning of a challenge.
fn check_envelope(received: &[u8]) -> Result<(), String> {
    match packet_len(received, Direction::ToContainer) {
        Ok(None | Some(Challenge::LEN)) => Ok(()),
        Ok(Some(_)) => {
            Err("it sent a packet that is not a challenge; is keyfile missing in httpd?".into())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn nonce() -> Result<Nonce, Errno> {
    let mut nonce = Nonce::default();
    // So few bytes always come at once.
    match getrandom(&mut nonce, GetRandomFlags::empty())? {
        count if count == nonce.len() => Ok(nonce),
        _ => Err(Errno::IO),
    }
}

/// Receives without blocking. `None`: nothing has arrived.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
    loop {
        match recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, count)) => return Ok(Some(count)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Sends a packet without waiting: the send buffer of a new connection has room for these few bytes.
fn send_packet(socket: &OwnedFd, packet: &[u8]) -> Result<(), Errno> {
    match send(socket, packet, SendFlags::NOSIGNAL)? {
        count if count == packet.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}
