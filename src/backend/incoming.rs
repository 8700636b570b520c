//! The receive buffer of a connection: filled as much as is there, read packet by packet.

use std::sync::Arc;
use std::time::Duration;

use super::buffers::Buffers;
use crate::net::{NetError, Stream};
use crate::protocol::{BufferSlice, CodecError, Direction, EndResponse, packet_len, split_packet};

/// Bytes received and not yet read as packets.
///
/// Packets are slices of the buffer, not copies. While a slice lives (on its way to the client) its
/// buffer lives too, and the next receive starts another one; once all are gone the buffer is used
/// again.
#[derive(Debug)]
pub(super) struct Incoming {
    buffers: Arc<Buffers>,
    /// Of the last buffer, which is used again when nobody else holds a slice of it.
    unread: BufferSlice,
    /// How much to ask the socket for; grows while reads fill it, also from request to request.
    capacity: usize,
    /// The most that one receive of this request has brought.
    most: usize,
}

/// The rest of a connection that goes back to its pool: a buffer whose slices may still be on
/// their way to the client. Dropped after them, the buffer is used again.
#[derive(Debug, Default)]
pub struct RetiredBuffer {
    buffers: Arc<Buffers>,
    buffer: Option<Arc<Vec<u8>>>,
}

impl Drop for RetiredBuffer {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.buffers.give_back(buffer);
        }
    }
}

impl Incoming {
    pub(super) fn new(buffers: Arc<Buffers>) -> Self {
        Self { buffers, unread: BufferSlice::default(), capacity: SMALLEST, most: 0 }
    }

    /// The next whole packet's payload, if it has arrived.
    pub(super) fn next_packet(&mut self) -> Result<Option<BufferSlice>, CodecError> {
        split_packet(&mut self.unread, Direction::FromContainer)
    }

    /// Bytes received but not read.
    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Whether END_RESPONSE is waiting to be read.
    pub(super) fn holds_end(&self) -> bool {
        EndResponse::is_among(&self.unread)
    }

    /// Waits up to `timeout` for bytes and takes as many as are there. `Ok(0)`: the peer closed.
    ///
    /// One recv.
    pub(super) fn receive(
        &mut self,
        stream: &mut Stream,
        at_least: usize,
        timeout: Duration,
    ) -> Result<usize, NetError> {
        self.fill(|space| stream.receive_at_least(at_least, space, timeout).map(drop))
    }

    /// Has `receive` append to the buffer; returns how many bytes it has appended.
    pub(super) fn fill<E>(
        &mut self,
        receive: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut buffer = self.space();
        // It is nobody else's: nothing is copied.
        let space = Arc::make_mut(&mut buffer);
        let before = space.len();
        let received = receive(space);
        let count = space.len() - before;
        if space.len() == space.capacity() {
            self.capacity = (self.capacity * 2).min(LARGEST);
        }
        self.most = self.most.max(count);
        self.unread = buffer.into();
        received.map(|()| count)
    }

    /// Gives the buffer back where nothing in it is unread.
    pub(super) fn rest(&mut self) {
        if self.unread.is_empty() {
            drop(self.retire_buffer());
        }
    }

    /// Gives the memory back: an idle connection keeps none.
    pub(super) fn retire(&mut self) -> RetiredBuffer {
        // A connection that had large answers will have them again; one that has none does not keep
        // large buffers busy forever.
        if self.most < self.capacity / 4 {
            self.capacity = (self.capacity / 2).max(SMALLEST);
        }
        self.most = 0;
        self.retire_buffer()
    }

    fn retire_buffer(&mut self) -> RetiredBuffer {
        let buffer = std::mem::take(&mut self.unread).into_buffer();
        RetiredBuffer { buffers: Arc::clone(&self.buffers), buffer }
    }

    /// Bytes of buffers that it holds on to.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.unread.clone().into_buffer().map_or(0, |buffer| buffer.len())
    }

    /// A buffer that starts with the unread bytes, with room for more: at least for the rest of
    /// the packet they begin.
    fn space(&mut self) -> Arc<Vec<u8>> {
        let whole_packet = match packet_len(&self.unread, Direction::FromContainer) {
            Ok(Some(len)) => len,
            _ => 0,
        };
        let wanted = self.capacity.max(whole_packet).max(self.unread.len() + 1);
        let unread = std::mem::take(&mut self.unread);
        if unread.is_empty() {
            // Nobody holds a slice: the same buffer again, without a look at the others.
            let mut last = unread.into_buffer();
            if let Some(space) = last.as_mut().and_then(Arc::get_mut) {
                space.clear();
                if space.capacity() >= wanted {
                    return last.unwrap_or_default();
                }
            }
            return self.buffers.take(wanted);
        }
        let mut space = self.buffers.take(wanted);
        Arc::make_mut(&mut space).extend_from_slice(&unread);
        if let Some(last) = unread.into_buffer() {
            self.buffers.give_back(last);
        }
        space
    }
}

/// One AJP packet of the default size, which is what most answers fit in.
const SMALLEST: usize = 8192;

/// Two packets of the largest size. Four times as much made no difference that could be measured.
const LARGEST: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// CPONG, of this type.
    fn packet(kind: u8) -> [u8; 5] {
        [0x41, 0x42, 0x00, 0x01, kind]
    }

    fn receive(incoming: &mut Incoming, bytes: &[u8]) {
        let filled: Result<usize, ()> = incoming.fill(|space| {
            space.extend_from_slice(bytes);
            Ok(())
        });
        assert_eq!(filled, Ok(bytes.len()));
    }

    fn next(incoming: &mut Incoming) -> BufferSlice {
        incoming.next_packet().unwrap().expect("it is there")
    }

    #[test]
    fn a_packet_that_is_held_keeps_its_bytes_whatever_the_connection_and_others_receive() {
        let buffers = Arc::new(Buffers::default());
        let mut incoming = Incoming::new(Arc::clone(&buffers));
        let mut held = Vec::new();
        let ends: [fn(&mut Incoming); 4] = [
            |_| (),
            |incoming| receive(incoming, &packet(0xEE)[..3]),
            Incoming::rest,
            |incoming| drop(incoming.retire()),
        ];
        for (kind, end) in (1..).zip(ends) {
            receive(&mut incoming, &packet(kind));
            held.push((kind, next(&mut incoming)));
            end(&mut incoming);
            // Another connection of the backend takes what there is.
            let mut other = Incoming::new(Arc::clone(&buffers));
            receive(&mut other, &packet(0xFF));
            assert_eq!(next(&mut other), [0xFF][..]);
            drop(other.retire());
            if incoming.unread() > 0 {
                receive(&mut incoming, &packet(0xEE)[3..]);
                assert_eq!(next(&mut incoming), [0xEE][..]);
            }
            for (kind, payload) in &held {
                assert_eq!(*payload, [*kind][..]);
            }
        }
    }

    #[test]
    fn a_buffer_of_which_no_packet_is_held_is_used_again() {
        let mut incoming = Incoming::new(Arc::default());
        let mut places = Vec::new();
        for kind in 1..4 {
            receive(&mut incoming, &packet(kind));
            places.push(next(&mut incoming).as_ptr());
            drop(incoming.retire());
        }
        assert_eq!(places, [places[0]; 3]);
    }
}
