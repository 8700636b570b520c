//! The memory of the counters of all children, apart from that of the members. It is mapped by us, and
//! unmapped when nothing holds it any more, since a connection that is closed with httpd's last pool is
//! still counted.
//!
//! The parent creates it in post_config, anonymous; children inherit it by fork. A restart, graceful or
//! not, creates new memory: counting starts at 0.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::stats::{
    MemberCounters, MemberGauges, MemberSlot, PoolCounters, PoolGauges, PoolSlot, StatsHeader,
    StatsMemory, StatsSizes, StatsTable,
};

/// The mapping, laid out as [`StatsSizes::offsets`] says.
#[derive(Debug)]
pub(crate) struct StatsMapping {
    start: NonNull<u8>,
    offsets: [usize; 9],
    sizes: StatsSizes,
}

// SAFETY: nothing but atomics is reached through the pointer, and the mapping exists as long as this
// value.
unsafe impl Send for StatsMapping {}
// SAFETY: as above.
unsafe impl Sync for StatsMapping {}

/// The place of the end in [`StatsSizes::offsets`], behind the parts.
const END: usize = 8;

/// The memory could not be mapped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoStats {
    #[error("the shared memory would exceed the address space")]
    TooMuch,
    #[error("cannot allocate {bytes} bytes of shared memory: {reason}")]
    Refused { bytes: usize, reason: rustix::io::Errno },
}

impl StatsMapping {
    /// Maps new memory, with all counters at 0.
    pub(crate) fn new(sizes: StatsSizes) -> Result<Self, NoStats> {
        let offsets = sizes.offsets().ok_or(NoStats::TooMuch)?;
        let (access, bytes) = (ProtFlags::READ | ProtFlags::WRITE, offsets[END]);
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, access, MapFlags::SHARED) };
        let refused = |reason| NoStats::Refused { bytes, reason };
        let start = start.map_err(refused)?;
        let start = NonNull::new(start.cast()).ok_or(refused(rustix::io::Errno::NOMEM))?;
        let memory = Self { start, offsets, sizes };
        memory.table().begin();
        Ok(memory)
    }

    /// # Safety
    /// The part at this offset consists of `count` values of `T`, for which any bits are valid.
    unsafe fn part<T>(&self, at: usize, count: usize) -> &[T] {
        // SAFETY: inside the mapping, which begins at a page and whose parts begin at multiples of
        // 64; the caller vouches for the rest.
        unsafe {
            let first = self.start.as_ptr().add(self.offsets[at]).cast::<T>();
            std::slice::from_raw_parts(first, count)
        }
    }
}

impl StatsMemory for StatsMapping {
    fn table(&self) -> StatsTable<'_> {
        let sizes = self.sizes;
        // SAFETY: these are the parts, in their order and with the lengths that the offsets were made
        // for; they consist of atomics alone.
        unsafe {
            StatsTable {
                header: &self.part::<StatsHeader>(0, 1)[0],
                members: self.part::<MemberSlot>(1, sizes.slots()),
                pools: self.part::<PoolSlot>(2, sizes.slots()),
                member_counters: self.part::<MemberCounters>(3, sizes.counters()),
                pool_counters: self.part::<PoolCounters>(4, sizes.counters()),
                pids: self.part::<AtomicU32>(5, sizes.rows()),
                gauges: self.part::<PoolGauges>(6, sizes.gauges()),
                member_gauges: self.part::<MemberGauges>(7, sizes.gauges()),
                sizes,
            }
        }
    }

    fn member(&self, at: usize) -> &MemberCounters {
        // SAFETY: as in `table`.
        unsafe { &self.part(3, self.sizes.counters())[at] }
    }

    fn pool(&self, at: usize) -> &PoolCounters {
        // SAFETY: as in `table`.
        unsafe { &self.part(4, self.sizes.counters())[at] }
    }

    fn gauges(&self, at: usize) -> &PoolGauges {
        // SAFETY: as in `table`.
        unsafe { &self.part(6, self.sizes.gauges())[at] }
    }

    fn member_gauges(&self, at: usize) -> &MemberGauges {
        // SAFETY: as in `table`.
        unsafe { &self.part(7, self.sizes.gauges())[at] }
    }
}

impl Drop for StatsMapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; all views of it had a reference to this.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.offsets[END]) };
    }
}
