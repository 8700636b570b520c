//! Receive buffers between two uses.

use std::sync::Arc;

use parking_lot::Mutex;

/// The receive buffers of a backend that nobody uses at the moment.
///
/// An idle connection keeps none, and a busy one has one only from the first byte it receives to
/// the last byte it has handed on. So few serve many connections, and the one used last, which the
/// processor still has at hand, is the next to be used.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Arc<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer with room for at least `capacity` bytes, of which nobody holds a slice.
    pub(super) fn take(&self, capacity: usize) -> Arc<Vec<u8>> {
        let mut free = self.0.lock();
        let fits = free.iter().rposition(|buffer| buffer.capacity() >= capacity);
        let found = fits.map(|at| free.swap_remove(at));
        drop(free);
        found.unwrap_or_else(|| Arc::new(Vec::with_capacity(capacity)))
    }

    /// Takes a buffer back, unless somebody still holds a slice of it or there are enough.
    pub(super) fn give_back(&self, mut buffer: Arc<Vec<u8>>) {
        let Some(bytes) = Arc::get_mut(&mut buffer) else { return };
        bytes.clear();
        let mut free = self.0.lock();
        if free.len() < MOST {
            free.push(buffer);
        }
    }
}

/// With buffers of the largest size, 2 MiB.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BufferSlice;

    #[test]
    fn the_buffer_used_last_is_used_next() {
        let buffers = Buffers::default();
        let (first, second) = (buffers.take(10), buffers.take(10));
        let address = second.as_ptr();
        buffers.give_back(first);
        buffers.give_back(second);
        let next = buffers.take(10);
        assert_eq!(next.as_ptr(), address);
    }

    #[test]
    fn a_buffer_of_which_a_slice_is_held_is_not_used_again() {
        let buffers = Buffers::default();
        let buffer = Arc::new(vec![1, 2, 3]);
        let held = BufferSlice::from(Arc::clone(&buffer)).slice(1..3);
        let address = buffer.as_ptr();
        buffers.give_back(buffer);
        let next = buffers.take(3);
        assert_ne!(next.as_ptr(), address);
        assert_eq!(held, [2, 3][..]);
    }

    #[test]
    fn a_buffer_is_never_smaller_than_asked_for() {
        let buffers = Buffers::default();
        buffers.give_back(Arc::new(Vec::with_capacity(10)));
        let buffer = buffers.take(11);
        assert!(buffer.capacity() >= 11 && buffer.is_empty());
    }
}
