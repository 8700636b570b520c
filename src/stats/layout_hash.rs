//! A number that changes with the layout of shared memory, so that no one has to remember to change it.

/// Declares a record of shared memory and `LAYOUT`, a hash of the names, types and sizes of its fields.
macro_rules! laid_out {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty, )+
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[$field_meta])* $field_vis $field: $type, )+
        }

        impl $name {
            /// Another one for each layout.
            pub(super) const LAYOUT: u64 = $crate::stats::layout_hash::hash(&[
                stringify!($name), $( stringify!($field), stringify!($type), )+
            ], &[size_of::<Self>(), $( size_of::<$type>(), )+]);
        }
    };
}

/// A hash of texts and numbers (FNV-1a over 64 bits), at compile time.
pub(super) const fn hash(texts: &[&str], numbers: &[usize]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < texts.len() {
        let bytes = texts[at].as_bytes();
        let mut byte = 0;
        while byte < bytes.len() {
            hash = mixed(hash, bytes[byte] as u64);
            byte += 1;
        }
        // No byte of a text: it ends here.
        hash = mixed(hash, 0xff);
        at += 1;
    }
    at = 0;
    while at < numbers.len() {
        hash = mixed(hash, numbers[at] as u64);
        at += 1;
    }
    hash
}

/// The hash with one more number in it.
pub(super) const fn mixed(hash: u64, number: u64) -> u64 {
    (hash ^ number).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

    use super::hash;

    laid_out! {
        #[derive(Default)]
        struct Record {
            first: AtomicU64,
            second: AtomicU32,
        }
    }

    #[test]
    fn the_number_changes_with_names_their_order_types_and_sizes() {
        let texts = ["Record", "first", "AtomicU64", "second", "AtomicU32"];
        let own = hash(&texts, &[16, 8, 4]);
        assert_eq!(Record::LAYOUT, own);
        let record = Record::default();
        assert_eq!((record.first.load(Relaxed), record.second.load(Relaxed)), (0, 0));
        assert_ne!(hash(&texts, &[16, 8, 8]), own);
        assert_ne!(hash(&["Record", "first", "AtomicU64", "third", "AtomicU32"], &[16, 8, 4]), own);
        assert_ne!(
            hash(&["Record", "second", "AtomicU32", "first", "AtomicU64"], &[16, 4, 8]),
            own
        );
        assert_ne!(hash(&["ab", "c"], &[]), hash(&["a", "bc"], &[]));
    }
}
