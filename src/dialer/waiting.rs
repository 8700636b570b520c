//! An established connection that waits for httpd's first byte, or shakes hands before.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::rand::{GetRandomFlags, getrandom};

use super::settings::Settings;
use crate::protocol::handshake::{Challenge, Container, Hello, Nonce};
use crate::protocol::{Direction, HEADER_LEN, packet_len};

/// Room for the first bytes of a request.
const FIRST: usize = 8192;

/// The connection, and what is still to be done before requests may come.
#[derive(Debug)]
pub(super) struct Waiting {
    front: OwnedFd,
    handshake: Option<Handshake>,
}

#[derive(Debug)]
struct Handshake {
    container: Container,
    /// One byte more than a challenge: nothing may come before the proof.
    received: [u8; Challenge::LEN + 1],
    count: usize,
    /// Set by the first byte.
    deadline: Option<Instant>,
    timeout: Duration,
}

/// What has come.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing, for now.
    Nothing,
    /// A part of the challenge.
    Challenged,
    /// All of it, and it was answered. Ask again: more may have come.
    Accepted,
    /// The first bytes of a request.
    Request(Vec<u8>),
    /// httpd has closed the connection.
    End,
    /// Something that this side closes the connection for.
    Refused(String),
}

impl Waiting {
    /// Begins the handshake if there is to be one.
    ///
    /// # Errors
    /// The connection is of no use: it takes not even a hello.
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

    /// When a handshake that has begun must have ended.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.handshake.as_ref()?.deadline
    }

    /// Whether part of a challenge is there.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.wake_at().is_some()
    }

    pub(super) fn into_front(self) -> OwnedFd {
        self.front
    }

    /// Reads what is there, and answers a challenge.
    pub(super) fn read(&mut self, now: Instant) -> Came {
        let Some(handshake) = &mut self.handshake else {
            let mut first = vec![0; FIRST];
            return match receive(&self.front, &mut first) {
                Ok(None) => Came::Nothing,
                Ok(Some(0)) | Err(_) => Came::End,
                Ok(Some(count)) => {
                    first.truncate(count);
                    Came::Request(first)
                }
            };
        };
        loop {
            let begun = handshake.count > 0;
            match receive(&self.front, &mut handshake.received[handshake.count..]) {
                Ok(None) => {
                    return match handshake.deadline {
                        Some(deadline) if now >= deadline => Came::Refused(format!(
                            "it does not end its challenge within {} ms",
                            handshake.timeout.as_millis()
                        )),
                        _ => Came::Nothing,
                    };
                }
                Ok(Some(0)) | Err(_) => return Came::End,
                Ok(Some(count)) => handshake.count += count,
            }
            handshake.deadline.get_or_insert(now + handshake.timeout);
            if let Err(why) = check_envelope(&handshake.received[..handshake.count]) {
                return Came::Refused(why);
            }
            if handshake.count >= Challenge::LEN {
                break;
            }
            if !begun {
                return Came::Challenged;
            }
        }
        let challenge = &handshake.received[HEADER_LEN..Challenge::LEN];
        match handshake.container.proof(challenge) {
            Err(error) => return Came::Refused(error.to_string()),
            // What has come early would be taken for the packet of one who knows the key.
            Ok(_) if handshake.count > Challenge::LEN || self.has_more() => {
                return Came::Refused("it sends on before it has the proof".into());
            }
            Ok(proof) => {
                if send_packet(&self.front, &proof).is_err() {
                    return Came::End;
                }
            }
        }
        self.handshake = None;
        Came::Accepted
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

/// Refuses at the first byte what cannot become a challenge.
fn check_envelope(received: &[u8]) -> Result<(), String> {
    match packet_len(received, Direction::ToContainer) {
        Ok(None | Some(Challenge::LEN)) => Ok(()),
        Ok(Some(_)) => Err("it sends another packet than a challenge; has it no key?".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn nonce() -> Result<Nonce, Errno> {
    let mut nonce = Nonce::default();
    // So few bytes come all at once.
    match getrandom(&mut nonce, GetRandomFlags::empty())? {
        count if count == nonce.len() => Ok(nonce),
        _ => Err(Errno::IO),
    }
}

/// `None`: nothing is there.
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

/// The send buffer of a new connection has room for these few bytes, or something is very wrong.
fn send_packet(socket: &OwnedFd, packet: &[u8]) -> Result<(), Errno> {
    match send(socket, packet, SendFlags::NOSIGNAL)? {
        count if count == packet.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}
