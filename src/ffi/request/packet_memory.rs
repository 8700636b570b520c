//! The memory of a thread's last FORWARD_REQUEST, for the next one.

use std::cell::Cell;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes it; empty if there is none.
pub(crate) fn take() -> Vec<u8> {
    SPARE.try_with(Cell::take).unwrap_or_default()
}

/// Gives the memory of a packet that is not needed any more.
pub(crate) fn give_back(packet: Vec<u8>) {
    if packet.capacity() <= MOST {
        // A thread that ends has no use for it.
        let _ = SPARE.try_with(|spare| spare.set(packet));
    }
}

/// A larger one is rare, and is not kept.
const MOST: usize = 8192;
