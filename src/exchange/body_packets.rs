//! The permission to send body packets.

use crate::protocol::{PacketSize, data_header};

/// Body packets that may be sent now, one behind the other, of the data that comes next.
///
/// [`Exchange`](super::Exchange) alone makes one, and says of which lengths: a packet that the container has
/// not asked for cannot be made otherwise. All but the last one have the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the container waits for them"]
pub struct BodyPackets {
    /// Bytes of data in all of them.
    data: usize,
    /// Bytes of data in each but the last one.
    size: usize,
    /// The header of each but the last one, and that of the last one.
    headers: [[u8; 6]; 2],
}

impl BodyPackets {
    /// Makes one packet; without data, the one that ends a body. `None`: it is too long for any packet.
    pub(super) fn one(len: usize) -> Option<Self> {
        let header = data_header(len).ok().filter(|_| len <= PacketSize::MAX.max_body())?;
        Some(Self { data: len, size: len, headers: [header; 2] })
    }

    /// Makes packets of `size` bytes of data, the last one of what remains; `None`: there is nothing.
    pub(super) fn of(data: usize, size: usize) -> Option<Self> {
        let full = data.min(size);
        let last = match data.checked_rem(full)? {
            0 => full,
            rest => rest,
        };
        let (full, last) = (Self::one(full)?, Self::one(last)?);
        Some(Self { data, size: full.size, headers: [full.headers[0], last.headers[0]] })
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        if self.data == 0 { 1 } else { self.data.div_ceil(self.size) }
    }

    /// Bytes of data in them.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.data
    }

    /// Bytes in them, headers included.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.data + self.count() * HEADER
    }

    /// Bytes of data in the longest of them.
    pub(super) fn longest(&self) -> usize {
        self.size
    }

    /// Iterates over the header of each and the bytes of data behind it.
    pub fn each(&self) -> impl Iterator<Item = (&[u8; 6], usize)> {
        let count = self.count();
        (1..=count).map(move |number| match number == count {
            true => (&self.headers[1], self.data - (count - 1) * self.size),
            false => (&self.headers[0], self.size),
        })
    }

    /// How many of them are still to be completed where so many bytes, and not all, have been written.
    #[must_use]
    pub fn left(&self, written: usize) -> usize {
        self.count() - (written / (self.size + HEADER)).min(self.count())
    }
}

/// Magic, length of the payload, length of the data.
const HEADER: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(packets: BodyPackets) -> Vec<usize> {
        packets.each().map(|(_, len)| len).collect()
    }

    #[test]
    fn data_is_cut_into_packets_of_one_size_and_a_last_one() {
        for (data, size, wanted) in [
            (1, 8186, &[1][..]),
            (8186, 8186, &[8186]),
            (8187, 8186, &[8186, 1]),
            (20_000, 8186, &[8186, 8186, 3628]),
        ] {
            let packets = BodyPackets::of(data, size).unwrap();
            assert_eq!(lengths(packets), wanted);
            assert_eq!((packets.count(), packets.data_len()), (wanted.len(), data));
            for (header, len) in packets.each() {
                assert_eq!(Ok(*header), data_header(len));
            }
        }
        assert_eq!(BodyPackets::of(0, 8186), None);
        assert_eq!(lengths(BodyPackets::one(0).unwrap()), [0]);
        assert_eq!(BodyPackets::one(65_531), None);
    }

    #[test]
    fn what_is_not_complete_is_left() {
        let packets = BodyPackets::of(25, 10).unwrap();
        assert_eq!(packets.wire_len(), 43);
        for (written, left) in [(0, 3), (15, 3), (16, 2), (31, 2), (32, 1), (42, 1)] {
            assert_eq!(packets.left(written), left, "{written}");
        }
    }
}
