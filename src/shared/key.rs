//! Members and pools by a number that stands for their name.

use std::num::NonZeroU64;

/// A member's name as a number that is the same in every child.
///
/// Two of a thousand members have the same one with a probability of 1 to 10^13; they would share
/// their state. Names come from the configuration, not from clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberKey(NonZeroU64);

impl MemberKey {
    /// The key of a name of several parts, such as balancer and worker.
    pub fn of(parts: &[&[u8]]) -> Self {
        // FNV-1a; a byte that no UTF-8 text has ends each part.
        let bytes = parts.iter().flat_map(|part| part.iter().chain(&[0xff]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }

    /// `None` in a free slot.
    pub(super) fn in_slot(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    pub(super) fn get(self) -> u64 {
        self.0.get()
    }
}
