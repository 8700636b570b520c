//! Peers that dialled in and were sent away.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PingError;
use crate::net::NetError;
use crate::protocol::handshake::HandshakeError;

/// Why a connection that somebody opened to us was closed instead of used.
#[derive(Debug, thiserror::Error)]
pub enum RefusalReason {
    /// The address is in no network of `allow`.
    #[error("its address is not in allow=")]
    NotAllowed,
    /// It sent something before it was asked to.
    #[error("it sends before it is asked; has its connector a keyFile, and no keyfile= here?")]
    SpeaksFirst,
    /// The handshake did not go on.
    #[error("no {wanted} within {after:?}; has its connector no keyFile?")]
    Silent {
        /// The packet that was due.
        wanted: &'static str,
        /// The time allowed.
        after: Duration,
    },
    /// There were so many handshakes that another peer got its place.
    #[error("no {wanted} yet, and others want its place; are there strangers in allow=?")]
    Displaced {
        /// What was due.
        wanted: &'static str,
    },
    /// The connection ended, or failed, within the handshake.
    #[error("it broke the handshake off{}", .0.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
    BrokenOff(Option<NetError>),
    /// The packets are not those of the handshake, or the key is another one.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// It sent more than the packet that was due.
    #[error("it sends more than the handshake has")]
    TooMuch,
    /// It knows the key and calls itself otherwise.
    #[error("it calls itself {name:?}, and node={wanted} is wanted")]
    OtherNode {
        /// Its name.
        name: String,
        /// Ours for it.
        wanted: String,
    },
    /// There is no key, and it does not speak AJP.
    #[error(transparent)]
    Ping(#[from] PingError),
}

impl RefusalReason {
    /// What is the same for the log.
    fn kind(&self) -> u8 {
        match self {
            Self::NotAllowed => 0,
            Self::SpeaksFirst => 1,
            Self::Silent { .. } | Self::Displaced { .. } | Self::BrokenOff(_) => 2,
            Self::Handshake(_) | Self::TooMuch => 3,
            Self::OtherNode { .. } => 4,
            Self::Ping(_) => 5,
        }
    }
}

/// A refusal to be logged.
#[derive(Debug)]
pub struct Refusal {
    peer: IpAddr,
    reason: RefusalReason,
    /// How many of the kind there were since the last one that was logged.
    unsaid: u64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection from {} refused: {}", self.peer, self.reason)?;
        if self.unsaid > 0 {
            write!(f, " ({} more since the last such line)", self.unsaid)?;
        }
        Ok(())
    }
}

/// What is to be said of refusals: one line for each address and kind of reason, and again ten
/// minutes later where it goes on, so that nobody can fill the log.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    said: HashMap<(IpAddr, u8), Said>,
    unsaid: Vec<Refusal>,
}

#[derive(Debug)]
struct Said {
    last: Instant,
    since: u64,
}

impl Refusals {
    pub(super) fn note(&self, peer: IpAddr, reason: RefusalReason, now: Instant) {
        let mut book = self.0.lock();
        let is_old = |said: &Said| now.saturating_duration_since(said.last) >= SILENCE;
        if book.said.len() >= PEERS {
            book.said.retain(|_, said| !is_old(said));
        }
        let is_full = book.said.len() >= PEERS;
        let key = (peer, reason.kind());
        let unsaid = match book.said.get_mut(&key) {
            Some(said) if !is_old(said) => {
                said.since += 1;
                return;
            }
            Some(said) => said.since,
            // So many peers at once: this line would be one of thousands.
            None if is_full => return,
            None => 0,
        };
        book.said.insert(key, Said { last: now, since: 0 });
        book.unsaid.push(Refusal { peer, reason, unsaid });
    }

    /// What is to be logged, once.
    pub(super) fn take(&self) -> Vec<Refusal> {
        std::mem::take(&mut self.0.lock().unsaid)
    }
}

const SILENCE: Duration = Duration::from_secs(600);
const PEERS: usize = 256;

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
        assert_eq!(refusals.take().len(), PEERS);
        let peer = IpAddr::from([10, 0, 0, 1]);
        refusals.note(peer, RefusalReason::NotAllowed, start + SILENCE);
        assert_eq!(refusals.take().len(), 1, "the old ones are forgotten");
    }
}
