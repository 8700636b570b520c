//! Refused reverse connections, and how often a refusal is logged.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PingError;
use crate::messages::Message;
use crate::net::NetError;
use crate::protocol::handshake::HandshakeError;

/// Why a connection that a peer opened was closed instead of used.
#[derive(Debug, thiserror::Error)]
pub enum RefusalReason {
    /// The address is in no network of `allow`.
    #[error("its address is not in allow=")]
    NotAllowed,
    /// It sent something before it was asked to.
    #[error("it sent data before it was asked to")]
    SpeaksFirst,
    /// It has begun the handshake, for which there is no key.
    #[error(
        "it begins a handshake, so its side has a key (keyFile of the connector, --key-file of \
         ajp-dialer), but keyfile= is not set here"
    )]
    HelloWithoutKey,
    /// It has sent nothing, where the handshake was due.
    #[error(
        "no hello within {after:?}: its side probably has no key (keyFile of the connector, --key-file \
         of ajp-dialer), and keyfile= is set here"
    )]
    NoHello {
        /// The time allowed.
        after: Duration,
    },
    /// The handshake timed out.
    #[error("no {wanted} within {after:?}")]
    Silent {
        /// The packet that was due.
        wanted: &'static str,
        /// The time allowed.
        after: Duration,
    },
    /// There were so many handshakes that another peer got its place.
    #[error(
        "no {wanted} yet, and another connection took its place; does allow= include other machines?"
    )]
    Displaced {
        /// The packet that was due.
        wanted: &'static str,
    },
    /// The connection ended, or failed, during the handshake.
    #[error("it closed the connection during the handshake{}", .0.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
    HandshakeAborted(Option<NetError>),
    /// The connection ended, or failed, when the proof was due. That is what a container does whose key is
    /// another one.
    #[error(
        "it closed the connection during the handshake instead of proving that it knows the key: its \
         key (keyFile, --key-file) is probably not that of keyfile=, or something in between changes \
         the port; its own log says which"
    )]
    NoProof,
    /// The packets are not those of the handshake, or the key is wrong.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// It sent more than the packet that was due.
    #[error("it sent more than the handshake allows")]
    TooMuch,
    /// It has the right key, but another node name.
    #[error("its node name is {name:?}, but node={wanted} is configured")]
    OtherNode {
        /// Its name.
        name: String,
        /// The name that is configured.
        wanted: String,
    },
    /// There is no key, and it did not answer CPING.
    #[error(transparent)]
    Ping(#[from] PingError),
}

impl RefusalReason {
    /// The message of the reason: each is logged on its own.
    fn message(&self) -> Message {
        match self {
            Self::NotAllowed => Message::PeerNotAllowed,
            Self::SpeaksFirst => Message::PeerSpokeFirst,
            Self::Silent { .. } | Self::Displaced { .. } | Self::HandshakeAborted(_) => {
                Message::PeerSilent
            }
            Self::Handshake(_) | Self::TooMuch => Message::PeerWithoutKey,
            Self::OtherNode { .. } => Message::PeerOfOtherNode,
            Self::Ping(_) => Message::PeerWithoutCpong,
            Self::NoProof => Message::PeerWithOtherKey,
            Self::NoHello { .. } => Message::PeerWithoutHello,
            Self::HelloWithoutKey => Message::PeerWithNeedlessKey,
        }
    }
}

/// A refusal that is to be logged.
#[derive(Debug)]
pub struct Refusal {
    peer: IpAddr,
    reason: RefusalReason,
    /// How many with this message have not been logged since the last one that was.
    suppressed: u64,
}

impl Refusal {
    /// Its message.
    #[must_use]
    pub fn message(&self) -> Message {
        self.reason.message()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection from {} refused: {}", self.peer, self.reason)?;
        if self.suppressed > 0 {
            write!(f, " ({} more since the last such line)", self.suppressed)?;
        }
        Ok(())
    }
}

/// The refusals that are to be logged: one line for each address and message, and another one
/// every ten minutes while they continue, so that no peer can fill the log.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<RefusalLog>);

#[derive(Debug, Default)]
struct RefusalLog {
    logged: HashMap<(IpAddr, Message), LastLine>,
    pending: Vec<Refusal>,
}

/// When a message was last logged, and how many there have been since.
#[derive(Debug)]
struct LastLine {
    at: Instant,
    suppressed: u64,
}

impl Refusals {
    /// Notes a refusal: it is to be logged, or counted for the next line.
    pub(super) fn note(&self, peer: IpAddr, reason: RefusalReason, now: Instant) {
        let mut log = self.0.lock();
        let is_old = |line: &LastLine| now.saturating_duration_since(line.at) >= LINE_INTERVAL;
        if log.logged.len() >= MAX_PEERS {
            log.logged.retain(|_, line| !is_old(line));
        }
        let is_full = log.logged.len() >= MAX_PEERS;
        let key = (peer, reason.message());
        let suppressed = match log.logged.get_mut(&key) {
            Some(line) if !is_old(line) => {
                line.suppressed += 1;
                return;
            }
            Some(line) => line.suppressed,
            // So many peers at once: this line would be one of thousands.
            None if is_full => return,
            None => 0,
        };
        log.logged.insert(key, LastLine { at: now, suppressed: 0 });
        log.pending.push(Refusal { peer, reason, suppressed });
    }

    /// Takes the refusals that are to be logged.
    pub(super) fn take(&self) -> Vec<Refusal> {
        std::mem::take(&mut self.0.lock().pending)
    }
}

const LINE_INTERVAL: Duration = Duration::from_secs(600);
const MAX_PEERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(refusals: &Refusals) -> Vec<String> {
        refusals.take().iter().map(Refusal::to_string).collect()
    }

    #[test]
    fn a_refusal_is_said_once_and_again_ten_minutes_later() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let peer = IpAddr::from([10, 0, 0, 1]);
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..3 {
            refusals.note(peer, RefusalReason::NotAllowed, at(second));
        }
        assert_eq!(
            lines(&refusals),
            ["connection from 10.0.0.1 refused: its address is not in allow="]
        );
        refusals.note(peer, RefusalReason::SpeaksFirst, at(3));
        assert_eq!(lines(&refusals).len(), 1, "another reason is another line");
        refusals.note(peer, RefusalReason::NotAllowed, at(599));
        assert_eq!(lines(&refusals).len(), 0);
        refusals.note(peer, RefusalReason::NotAllowed, at(600));
        let later = lines(&refusals);
        assert!(later[0].ends_with("(3 more since the last such line)"), "{later:?}");
    }

    #[test]
    fn many_peers_are_not_remembered_without_end() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        for number in 0..1000_u32 {
            let peer = IpAddr::from(number.to_be_bytes());
            refusals.note(peer, RefusalReason::NotAllowed, start);
        }
        assert_eq!(refusals.take().len(), MAX_PEERS);
        let peer = IpAddr::from([10, 0, 0, 1]);
        refusals.note(peer, RefusalReason::NotAllowed, start + LINE_INTERVAL);
        assert_eq!(refusals.take().len(), 1, "the old ones are forgotten");
    }
}
