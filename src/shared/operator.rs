//! The orders of operators, kept over graceful restarts.
//!
//! A table of pairs of words in shared memory, made once and never cleared. Nothing but atomics, for
//! the reasons given for the table of members.

use super::key::MemberKey;
use super::key_slots::{claim, find};
use crate::sync::atomic::{AtomicU64, Ordering};

/// The version of the layout and of the words' meaning (`KeptOrder`); to be changed with them.
pub const OPERATOR_VERSION: u32 = 2;

/// The order for one member.
#[repr(C)]
#[derive(Debug, Default)]
pub struct OperatorEntry {
    /// [`MemberKey`]; 0: free. Set once.
    key: AtomicU64,
    /// A word of the caller's; 0: none.
    word: AtomicU64,
}

const _: () = assert!(size_of::<OperatorEntry>() == 16);

/// A view of the table.
#[derive(Clone, Copy, Debug)]
pub struct Operators<'m>(pub &'m [OperatorEntry]);

impl Operators<'_> {
    /// Notes a word for a member. `false`: there is no room left.
    pub fn set(&self, key: MemberKey, word: u64) -> bool {
        let Some(at) = claim(self.0, |entry| &entry.key, key) else { return false };
        self.0[at].word.store(word, Ordering::Release);
        true
    }

    /// The word that was noted last, if there is one.
    pub fn get(&self, key: MemberKey) -> Option<u64> {
        let at = find(self.0, |entry| &entry.key, key)?;
        Some(self.0[at].word.load(Ordering::Acquire)).filter(|word| *word != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_order_applies_until_it_is_cleared() {
        let entries: Vec<_> = (0..2).map(|_| OperatorEntry::default()).collect();
        let table = Operators(&entries);
        let [a, b, c] = [b"a", b"b", b"c"].map(|name| MemberKey::of(&[name]));
        assert_eq!(table.get(a), None);
        assert!(table.set(a, 2) && table.set(b, 3) && table.set(a, 1));
        assert!(!table.set(c, 1));
        assert_eq!((table.get(a), table.get(b), table.get(c)), (Some(1), Some(3), None));
        assert!(table.set(a, 0));
        assert_eq!(table.get(a), None);
    }
}
