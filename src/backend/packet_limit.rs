//! How large a packet the container takes: configured, then learnt from the container itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::protocol::PacketSize;

/// The packet size of one backend.
///
/// A container says its own `packetSize` in each GET_BODY_CHUNK, which asks for six bytes less.
/// What it said counts from then on, up or down, whatever is configured.
#[derive(Debug)]
pub struct PacketLimit {
    configured: Option<PacketSize>,
    /// 0: not learnt yet. This and `answered` are single words read and written whole, so
    /// `Relaxed` is enough: a thread that still sees the old value behaves as if its request had
    /// come a moment earlier.
    learnt: AtomicU32,
    /// The largest request that got an answer: so much the container takes.
    answered: AtomicU32,
    /// When it last closed a connection on a larger one.
    refused: Mutex<Option<Instant>>,
}

impl PacketLimit {
    /// Starts with what is configured, if anything is.
    #[must_use]
    pub fn new(configured: Option<PacketSize>) -> Self {
        Self {
            configured,
            learnt: AtomicU32::new(0),
            answered: AtomicU32::new(0),
            refused: Mutex::new(None),
        }
    }

    /// The largest FORWARD_REQUEST. While nothing is known, a large one is tried as it is; after a
    /// refusal, not for a minute: a container that went down in that moment looks the same.
    #[must_use]
    pub fn for_request(&self, now: Instant) -> PacketSize {
        if let Some(size) = self.known() {
            return size;
        }
        let refused = *self.refused.lock();
        if refused.is_some_and(|then| now.saturating_duration_since(then) < REFUSAL_HOLDS) {
            PacketSize::MIN
        } else {
            PacketSize::MAX
        }
    }

    /// The size of the first body packet, the only one that is not asked for.
    #[must_use]
    pub fn for_first_body(&self) -> PacketSize {
        self.known().unwrap_or(PacketSize::DEFAULT)
    }

    /// Is it known, by configuration or from the container?
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known().is_some()
    }

    /// Notes what the container's GET_BODY_CHUNK for `asked` bytes of data tells.
    ///
    /// Asking for much always tells. Asking for less tells only while more than that is left of
    /// the body (`left`; `None`: nobody knows), since a container may ask for just the rest; and
    /// less than the smallest packet never does.
    pub fn learn_from_request_for(&self, asked: usize, left: Option<u64>) {
        let Ok(size) = PacketSize::new(asked + PACKET_OVERHEAD) else { return };
        let lowers = self.known().is_some_and(|known| size.bytes() < known.bytes());
        if lowers && left.is_some_and(|left| left <= asked as u64) {
            return;
        }
        raise_or_set(&self.learnt, size.bytes(), |old, new| old != new);
    }

    /// Notes that a request of this many bytes got an answer.
    pub fn learn_answered(&self, packet: usize) {
        raise_or_set(&self.answered, packet, |old, new| old < new);
    }

    /// Notes that the container closed a new connection on a request of this many bytes without an
    /// answer. `true`: its size must be the reason, as far as can be known.
    pub fn learn_refused(&self, packet: usize, now: Instant) -> bool {
        let answered = self.answered.load(Ordering::Relaxed) as usize;
        if packet <= PacketSize::MIN.bytes() || packet <= answered || self.is_known() {
            return false;
        }
        *self.refused.lock() = Some(now);
        true
    }

    fn known(&self) -> Option<PacketSize> {
        match self.learnt.load(Ordering::Relaxed) {
            0 => self.configured,
            // Not rounded: a container's packetSize need not be a multiple of anything.
            bytes => PacketSize::new(bytes as usize).ok(),
        }
    }
}

/// Writes only where something changes: a write takes the cache line from all other threads.
fn raise_or_set(word: &AtomicU32, value: usize, changes: impl Fn(u32, u32) -> bool) {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    if changes(word.load(Ordering::Relaxed), value) {
        word.store(value, Ordering::Relaxed);
    }
}

/// Magic and length of the packet, and the length of its data.
const PACKET_OVERHEAD: usize = 6;

/// Long enough to spare a small container most large requests, short enough for a mistake.
const REFUSAL_HOLDS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_request_is_tried_while_nothing_is_known() {
        let limit = PacketLimit::new(None);
        assert_eq!(limit.for_request(Instant::now()), PacketSize::MAX);
        assert_eq!(limit.for_first_body(), PacketSize::MIN);
        assert!(!limit.is_known());
    }

    #[test]
    fn what_the_container_asks_for_tells_its_packet_size() {
        let limit = PacketLimit::new(None);
        limit.learn_from_request_for(65536 - 6, Some(100_000));
        assert_eq!(limit.for_first_body(), PacketSize::MAX);
        limit.learn_from_request_for(8186, None);
        assert_eq!(limit.for_request(Instant::now()), PacketSize::MIN);
    }

    #[test]
    fn an_odd_packet_size_is_kept_to_the_byte() {
        let limit = PacketLimit::new(None);
        limit.learn_from_request_for(10_000 - 6, None);
        assert_eq!(limit.for_first_body().max_body(), 10_000 - 6);
    }

    #[test]
    fn the_rest_of_a_body_tells_nothing() {
        let limit = PacketLimit::new(Some(PacketSize::MAX));
        limit.learn_from_request_for(100, None);
        limit.learn_from_request_for(10_000, Some(10_000));
        assert_eq!(limit.for_first_body(), PacketSize::MAX);
    }

    #[test]
    fn a_refusal_holds_for_a_minute() {
        let limit = PacketLimit::new(None);
        let now = Instant::now();
        assert!(limit.learn_refused(20_000, now));
        assert_eq!(limit.for_request(now + Duration::from_secs(59)), PacketSize::MIN);
        assert_eq!(limit.for_request(now + Duration::from_secs(60)), PacketSize::MAX);
    }

    #[test]
    fn a_size_that_was_answered_once_is_never_the_reason_for_a_closed_connection() {
        let limit = PacketLimit::new(None);
        limit.learn_answered(20_000);
        assert!(!limit.learn_refused(20_000, Instant::now()));
        assert_eq!(limit.for_request(Instant::now()), PacketSize::MAX);
        assert!(limit.learn_refused(20_001, Instant::now()));
    }

    #[test]
    fn a_small_request_is_never_refused_for_its_size() {
        assert!(!PacketLimit::new(None).learn_refused(8192, Instant::now()));
    }
}
