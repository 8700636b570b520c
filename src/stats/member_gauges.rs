//! The gauges of a member.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

laid_out! {
    /// One child's gauges of a member, in shared memory.
    #[repr(C)]
    #[derive(Debug, Default)]
    pub struct MemberGauges {
        /// Requests that wait without a thread.
        parked: AtomicU32,
    }
}

const _: () = assert!(size_of::<MemberGauges>() == 4);

impl MemberGauges {
    pub(super) fn parked(&self) -> u32 {
        self.parked.load(Relaxed)
    }

    pub(super) fn add_parked(&self) {
        self.parked.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_parked(&self) {
        // Not below 0, whatever happened to the row meanwhile.
        let less = |count: u32| count.checked_sub(1);
        let _ = self.parked.fetch_update(Relaxed, Relaxed, less);
    }

    pub(super) fn clear(&self) {
        self.parked.store(0, Relaxed);
    }
}
