//! The largest packet that a backend is known to take, and how it is known.

words! {
    /// How a packet size is known.
    pub enum PacketSizeSource default Default {
        /// Every container takes it.
        Default = "default",
        /// `iobuffersize` or `ProxyIOBufferSize` says so.
        Configured = "configured",
        /// A request of this size was answered.
        Answered = "answered",
        /// A CPING of this size was answered.
        Asked = "asked",
    }
}

/// The largest packet that is known to be taken by a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownPacketSize {
    /// In bytes, the header of four included.
    pub bytes: usize,
    /// How it is known.
    pub source: PacketSizeSource,
}

impl Default for KnownPacketSize {
    /// 8192 bytes, which AJP/1.3 fixed.
    fn default() -> Self {
        Self { bytes: 8192, source: PacketSizeSource::Default }
    }
}

impl KnownPacketSize {
    /// As a word of shared memory; never 0.
    pub(super) fn to_word(self) -> u64 {
        (self.bytes as u64) << SOURCE_BITS | self.source as u64
    }

    /// From a word of shared memory; the default if it is no such word.
    pub(super) fn from_word(word: u64) -> Self {
        let source = PacketSizeSource::ALL.into_iter().find(|source| *source as u64 == word & 0xff);
        match (usize::try_from(word >> SOURCE_BITS), source) {
            (Ok(bytes @ 1..), Some(source)) => Self { bytes, source },
            _ => Self::default(),
        }
    }
}

const SOURCE_BITS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_size_survives_its_word_and_an_empty_word_is_the_default() {
        for source in PacketSizeSource::ALL {
            let known = KnownPacketSize { bytes: 65536, source };
            assert_eq!(KnownPacketSize::from_word(known.to_word()), known);
        }
        assert_eq!(KnownPacketSize::from_word(0), KnownPacketSize::default());
        assert_eq!(KnownPacketSize::from_word(u64::MAX), KnownPacketSize::default());
    }
}
