//! Slots of shared memory that belong to a member, found by its key: claimed once, never given back.

use super::key::MemberKey;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The slots for a key, in the order in which they are tried. None is ever given back, so a search ends
/// at the first free one.
fn places<T>(slots: &[T], key: MemberKey) -> impl Iterator<Item = usize> + use<T> {
    let first = first_place(slots, key);
    (first..slots.len()).chain(0..first.min(slots.len()))
}

fn first_place<T>(slots: &[T], key: MemberKey) -> usize {
    usize::try_from(key.get() % slots.len().max(1) as u64).unwrap_or(0)
}

/// Finds the slot of a key, which gets one if it has none. `None`: none is left.
///
/// # Race
/// Two that look for the same new key meet the same free place first: one claims it, the other finds
/// its key there.
pub fn claim<T>(slots: &[T], word: impl Fn(&T) -> &AtomicU64, key: MemberKey) -> Option<usize> {
    // It nearly always has the first.
    let first = first_place(slots, key);
    if slots.get(first).is_some_and(|slot| word(slot).load(Ordering::Acquire) == key.get()) {
        return Some(first);
    }
    places(slots, key).find(|at| {
        let place = word(&slots[*at]);
        let found = match place.load(Ordering::Acquire) {
            0 => place.compare_exchange(0, key.get(), Ordering::AcqRel, Ordering::Acquire),
            other => Err(other),
        };
        found.is_ok() || found == Err(key.get())
    })
}

/// Finds the slot of a key. `None`: it has none.
pub fn find<T>(slots: &[T], word: impl Fn(&T) -> &AtomicU64, key: MemberKey) -> Option<usize> {
    let at = places(slots, key)
        .find(|at| matches!(word(&slots[*at]).load(Ordering::Acquire), found if found == 0 || found == key.get()))?;
    (word(&slots[at]).load(Ordering::Acquire) == key.get()).then_some(at)
}
