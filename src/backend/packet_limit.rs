//! How large a packet the container takes: configured, or proven by an answer of the container.
//!
//! Nothing here is inferred. A size is *proven* when the container answered it, be it a request or
//! the question of [`packet_question`](super::packet_question); it is *refused* only when that
//! question was not answered. See "Packet size" in docs/reference.md for what follows.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::protocol::PacketSize;
use crate::stats::{KnownPacketSize, PacketSizeSource};

/// The packet size of one backend, as this child knows it.
#[derive(Debug)]
pub struct PacketLimit {
    configured: Option<PacketSize>,
    /// The size of a body packet that the last GET_BODY_CHUNK allows; 0: none has come. A single word read
    /// and written whole, so `Relaxed` is enough: a thread that still sees the old value behaves as
    /// if its request had come a moment earlier.
    body: AtomicU32,
    knowledge: Mutex<Knowledge>,
}

/// The decision about a request packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may be sent.
    Send,
    /// The container was asked less than a minute ago, and takes `limit` bytes but not so many.
    TooLarge {
        /// The largest size that is proven.
        limit: usize,
    },
    /// The container must be asked first. `was_proven`: the size was answered, but since then the
    /// backend has closed connections, and may have been restarted.
    Ask {
        /// Where it cannot be asked now, the old proof still counts.
        was_proven: bool,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Knowledge {
    proven: Option<Proven>,
    refused: Option<Refused>,
    /// When the container turned out to answer no padded CPING.
    unaskable: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Proven {
    bytes: usize,
    source: PacketSizeSource,
    /// Connections that the backend had closed by then. A restarted container has closed all of them,
    /// so a different count means that the proof is to be renewed.
    closes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    bytes: usize,
    at: Instant,
}

impl PacketLimit {
    /// Starts with what is configured, if anything is.
    #[must_use]
    pub fn new(configured: Option<PacketSize>) -> Self {
        Self { configured, body: AtomicU32::new(0), knowledge: Mutex::default() }
    }

    /// The largest FORWARD_REQUEST that may be built: what is configured, else the largest there is.
    #[must_use]
    pub fn for_request(&self) -> PacketSize {
        self.configured.unwrap_or(PacketSize::MAX)
    }

    /// The size of the first body packet, the only one that the container does not ask for.
    #[must_use]
    pub fn for_first_body(&self) -> PacketSize {
        match self.body.load(Ordering::Relaxed) {
            0 => self.configured.unwrap_or(PacketSize::DEFAULT),
            // Not rounded: a container's packetSize need not be a multiple of anything.
            bytes => PacketSize::new(bytes as usize).unwrap_or(PacketSize::DEFAULT),
        }
    }

    /// Notes that the container's GET_BODY_CHUNK asks for `asked` bytes of data. It says how large a
    /// body packet may be, and nothing else: Undertow asks for 8186 whatever its packet size is.
    ///
    /// Asking for much always counts. Asking for less counts only while more than that is left of
    /// the body (`left`; `None`: nobody knows), since a container may ask for just the rest; and
    /// less than the smallest packet never does.
    pub fn body_asked_for(&self, asked: usize, left: Option<u64>) {
        let Ok(size) = PacketSize::new(asked + BODY_OVERHEAD) else { return };
        let lowers = size.bytes() < self.for_first_body().bytes();
        if lowers && left.is_some_and(|left| left <= asked as u64) {
            return;
        }
        // Written only where something changes: a write takes the cache line from all other threads.
        let word = u32::try_from(size.bytes()).unwrap_or(u32::MAX);
        if self.body.load(Ordering::Relaxed) != word {
            self.body.store(word, Ordering::Relaxed);
        }
    }

    /// Whether a request packet of this size is subject to what the container says: larger than what
    /// every container takes, and no size is configured.
    #[must_use]
    pub fn depends_on_container(&self, packet: usize) -> bool {
        packet > PacketSize::MIN.bytes() && self.configured.is_none()
    }

    /// Whether a size is configured.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.configured.is_some()
    }

    /// Whether the container has answered a packet of this size or a larger one.
    #[must_use]
    pub fn is_proven(&self, packet: usize) -> bool {
        self.knowledge.lock().proven.is_some_and(|proven| proven.bytes >= packet)
    }

    /// Decides about a request packet of this size. `closes` counts the connections that the
    /// backend has closed so far.
    pub(super) fn admission(&self, packet: usize, closes: u64, now: Instant) -> Admission {
        if !self.depends_on_container(packet) {
            return Admission::Send;
        }
        let knowledge = *self.knowledge.lock();
        let proof = knowledge.proven.filter(|proven| proven.bytes >= packet);
        if proof.is_some_and(|proven| proven.closes == closes) {
            return Admission::Send;
        }
        if knowledge.refused.is_some_and(|refused| refused.covers(packet, now)) {
            return Admission::TooLarge { limit: knowledge.proven_bytes() };
        }
        if knowledge.unaskable.is_some_and(|since| is_recent(since, now)) {
            return Admission::Send;
        }
        Admission::Ask { was_proven: proof.is_some() }
    }

    /// Notes that a request of this size was answered as a request: the container takes it.
    pub(super) fn request_answered(&self, packet: usize, closes: u64) {
        self.prove(packet, PacketSizeSource::Answered, closes);
    }

    /// Notes that a request of this size got no answer, or an error after which the container closes:
    /// what was proven no longer is, and the next large request asks.
    pub(super) fn request_in_doubt(&self, packet: usize) {
        if self.depends_on_container(packet) {
            self.knowledge.lock().proven = None;
        }
    }

    /// Notes that the container answered the question for this size.
    pub(super) fn question_answered(&self, size: usize, closes: u64) {
        self.prove(size, PacketSizeSource::Asked, closes);
        self.knowledge.lock().unaskable = None;
    }

    /// Notes that the container did not answer the question for this size, but did for 8192.
    pub(super) fn question_refused(&self, size: usize, closes: u64, now: Instant) {
        let mut knowledge = self.knowledge.lock();
        let smallest =
            Proven { bytes: PacketSize::MIN.bytes(), source: PacketSizeSource::Asked, closes };
        let holds = |proven: &Proven| proven.bytes < size;
        knowledge.proven = knowledge.proven.filter(holds).or(Some(smallest));
        knowledge.refused = Some(Refused { bytes: size, at: now });
        knowledge.unaskable = None;
    }

    /// Notes that the container answers a plain CPING and no padded one.
    pub(super) fn cannot_be_asked(&self, now: Instant) {
        let mut knowledge = self.knowledge.lock();
        knowledge.unaskable = Some(now);
        knowledge.refused = None;
    }

    /// The known packet size, for display.
    #[must_use]
    pub(super) fn known(&self) -> KnownPacketSize {
        if let Some(size) = self.configured {
            return KnownPacketSize { bytes: size.bytes(), source: PacketSizeSource::Configured };
        }
        self.knowledge.lock().proven.map_or_else(KnownPacketSize::default, |proven| {
            KnownPacketSize { bytes: proven.bytes, source: proven.source }
        })
    }

    fn prove(&self, size: usize, source: PacketSizeSource, closes: u64) {
        if !self.depends_on_container(size) {
            return;
        }
        let mut knowledge = self.knowledge.lock();
        let is_known =
            knowledge.proven.is_some_and(|old| old.bytes >= size && old.closes == closes);
        if !is_known {
            knowledge.proven = Some(Proven { bytes: size, source, closes });
        }
        if knowledge.refused.is_some_and(|refused| refused.bytes <= size) {
            knowledge.refused = None;
        }
    }
}

impl Knowledge {
    fn proven_bytes(&self) -> usize {
        self.proven.map_or(PacketSize::MIN.bytes(), |proven| proven.bytes)
    }
}

impl Refused {
    fn covers(self, packet: usize, now: Instant) -> bool {
        packet >= self.bytes && is_recent(self.at, now)
    }
}

fn is_recent(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < MEMORY
}

/// Magic and length of a body packet, and the length of its data.
const BODY_OVERHEAD: usize = 6;

/// Long enough to spare a small container most large requests, short enough for one that has been
/// given a larger packetSize.
const MEMORY: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "packet_limit_tests.rs"]
mod tests;
