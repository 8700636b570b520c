//! httpd's side of the handshake, over a connection that was just accepted.

use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::refusal::RefusalReason;
use crate::net::{self, Deadline, IdleState, NetError, Received, Stream};
use crate::protocol::handshake::{FrontEnd, HandshakeError, Hello, Key, Proof};
use crate::protocol::{Direction, split_packet};

/// Has the peer prove that it knows the key, within `time`; `port` is where it came in. `false`: it
/// was gone before it could.
///
/// Nothing else has been read or sent then: the connection is as good as new.
pub(super) fn verify(
    stream: &Stream,
    key: &Key,
    port: u16,
    node: Option<&str>,
    time: Duration,
) -> Result<bool, RefusalReason> {
    let deadline = Deadline::after(Instant::now(), time);
    let hello = read(stream, "hello", Hello::MAX_LEN, &deadline, time)?;
    let hello = Hello::decode(&hello).map_err(HandshakeError::from)?;
    // A container that has ended may have left its hello in the queue.
    if matches!(stream.idle_state(), IdleState::Closed | IdleState::Broken(_)) {
        return Ok(false);
    }
    let nonce = net::random().map_err(|error| RefusalReason::BrokenOff(Some(error)))?;
    let (challenge, expected) = FrontEnd::answer(key, port, nonce, &hello);
    let left = deadline.remaining(Instant::now());
    stream
        .send_all(&[&challenge.encode()], left)
        .map_err(|error| RefusalReason::BrokenOff(Some(error.source)))?;
    let proof = read(stream, "proof", Proof::LEN, &deadline, time)?;
    let proof = Proof::decode(&proof).map_err(HandshakeError::from)?;
    if !expected.verify(&proof) {
        return Err(HandshakeError::WrongKey.into());
    }
    match node {
        Some(wanted) if wanted.as_bytes() != hello.node() => Err(RefusalReason::OtherNode {
            name: String::from_utf8_lossy(hello.node()).into_owned(),
            wanted: wanted.into(),
        }),
        _ => Ok(true),
    }
}

/// Reads one packet of `most` bytes, and finds nothing behind it.
fn read(
    stream: &Stream,
    wanted: &'static str,
    most: usize,
    deadline: &Deadline,
    time: Duration,
) -> Result<Vec<u8>, RefusalReason> {
    let mut received = Vec::with_capacity(most);
    loop {
        let left = deadline.remaining(Instant::now());
        match net::receive(stream, &mut received, left) {
            Ok(Received::Bytes(_)) => {}
            Ok(Received::End) => return Err(RefusalReason::BrokenOff(None)),
            Err(NetError::TimedOut { .. }) => {
                return Err(RefusalReason::Silent { wanted, after: time });
            }
            Err(error) => return Err(RefusalReason::BrokenOff(Some(error))),
        }
        let mut bytes = BytesMut::from(&received[..]).freeze();
        match split_packet(&mut bytes, Direction::FromContainer).map_err(HandshakeError::from)? {
            Some(_) if !bytes.is_empty() => return Err(RefusalReason::TooMuch),
            Some(payload) => return Ok(payload.to_vec()),
            None if received.len() >= most => return Err(RefusalReason::TooMuch),
            None => {}
        }
    }
}
