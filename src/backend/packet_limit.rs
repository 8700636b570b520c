//! How large a packet the container takes: configured, then learnt from the container itself.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::protocol::PacketSize;

/// The packet size of one backend.
///
/// A container says its own `packetSize` in each GET_BODY_CHUNK, which asks for six bytes less.
/// What it said counts from then on, up or down, whatever is configured.
#[derive(Debug)]
pub struct PacketLimit {
    configured: Option<PacketSize>,
    /// 0: not learnt yet. A single word read and written whole, so `Relaxed` is enough: a thread
    /// that still sees the old value behaves as if its request had come a moment earlier.
    learnt: AtomicU32,
}

impl PacketLimit {
    /// Starts with what is configured, if anything is.
    #[must_use]
    pub fn new(configured: Option<PacketSize>) -> Self {
        Self { configured, learnt: AtomicU32::new(0) }
    }

    /// The largest FORWARD_REQUEST. While nothing is known, a large one is tried as it is.
    #[must_use]
    pub fn for_request(&self) -> PacketSize {
        self.known().unwrap_or(PacketSize::MAX)
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

    /// Notes what the container's GET_BODY_CHUNK for `asked` bytes of data tells. Less than the
    /// smallest packet tells nothing: it is the end of a body of known length.
    pub fn learn_from_request_for(&self, asked: usize) {
        if let Ok(size) = PacketSize::new(asked + PACKET_OVERHEAD) {
            self.learn(size);
        }
    }

    /// Notes that the container closed the connection on a packet larger than the smallest size.
    pub fn learn_refused(&self) {
        self.learn(PacketSize::MIN);
    }

    fn learn(&self, size: PacketSize) {
        let bytes = u32::try_from(size.bytes()).unwrap_or(0);
        // Read first: the value hardly ever changes, and a write would take the cache line from
        // all other threads.
        if self.learnt.load(Ordering::Relaxed) != bytes {
            self.learnt.store(bytes, Ordering::Relaxed);
        }
    }

    fn known(&self) -> Option<PacketSize> {
        match self.learnt.load(Ordering::Relaxed) {
            0 => self.configured,
            // Not rounded: a container's packetSize need not be a multiple of anything.
            bytes => PacketSize::new(bytes as usize).ok(),
        }
    }
}

/// Magic and length of the packet, and the length of its data.
const PACKET_OVERHEAD: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_request_is_tried_while_nothing_is_known() {
        let limit = PacketLimit::new(None);
        assert_eq!(limit.for_request(), PacketSize::MAX);
        assert_eq!(limit.for_first_body(), PacketSize::MIN);
        assert!(!limit.is_known());
    }

    #[test]
    fn what_the_container_asks_for_tells_its_packet_size() {
        let limit = PacketLimit::new(None);
        limit.learn_from_request_for(65536 - 6);
        assert_eq!(limit.for_first_body(), PacketSize::MAX);
        limit.learn_from_request_for(8186);
        assert_eq!(limit.for_request(), PacketSize::MIN);
    }

    #[test]
    fn an_odd_packet_size_is_kept_to_the_byte() {
        let limit = PacketLimit::new(None);
        limit.learn_from_request_for(10_000 - 6);
        assert_eq!(limit.for_first_body().max_body(), 10_000 - 6);
    }

    #[test]
    fn the_rest_of_a_body_tells_nothing() {
        let limit = PacketLimit::new(Some(PacketSize::MAX));
        limit.learn_from_request_for(100);
        assert_eq!(limit.for_first_body(), PacketSize::MAX);
    }
}
