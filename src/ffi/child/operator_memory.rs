//! Operators' orders about members, kept by httpd's parent over graceful restarts, as long as it lives.
//!
//! The memory is mapped once, shared by the parent, its children from before a restart and those from
//! after it, and never unmapped. httpd keeps its address (`ap_retained_data`) with a version, since a
//! reload brings a new library: a library with another layout maps memory of its own.
//!
//! A later change in balancer-manager replaces an order: an order that no longer agrees with the
//! member's flags when a restart begins is dropped. So is an order about a member whose configuration
//! has been edited since: `activation`, `loadfactor=0`, `localonly`, or `D`, `S`, `N` of `status`. Each
//! dropped order is logged.

use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use crate::ffi::sys;
use crate::shared::{OPERATOR_VERSION, OperatorEntry, Operators};

/// The memory of the orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperatorMemory(NonNull<OperatorEntry>);

// SAFETY: nothing but atomics is reached through the pointer, and the mapping stays for good.
unsafe impl Send for OperatorMemory {}
// SAFETY: as above.
unsafe impl Sync for OperatorMemory {}

/// The number of members that may have an order in the life of one parent: 64 KiB.
const ENTRIES: usize = 4096;

/// The header that httpd retains. httpd's memory for it has the size that the version before an upgrade asked
/// for, so that the header never changes: what may change is what it points to.
#[repr(C)]
struct RetainedHeader {
    version: u32,
    entries: u32,
    start: *mut OperatorEntry,
}

const _: () = assert!(size_of::<RetainedHeader>() == 8 + size_of::<usize>());

const NAME: &std::ffi::CStr = c"mod_proxy_ajp_rs: what operators have said";

impl OperatorMemory {
    /// Returns the memory from before a restart, or new memory, and whether orders are lost because the
    /// old memory was of another version. `None`: there is none.
    pub(crate) fn retained() -> Option<(Self, bool)> {
        // SAFETY: httpd's main thread, in post_config. The data kept under this name is a
        // `RetainedHeader`, whatever the version.
        unsafe {
            let mut kept = sys::ap_retained_data_get(NAME.as_ptr()).cast::<RetainedHeader>();
            if kept.is_null() {
                kept =
                    sys::ap_retained_data_create(NAME.as_ptr(), size_of::<RetainedHeader>() as _)
                        .cast();
            }
            let ours = (*kept).version == OPERATOR_VERSION && (*kept).entries == ENTRIES as u32;
            if ours {
                return NonNull::new((*kept).start).map(|start| (Self(start), false));
            }
            let is_lost = (*kept).version != 0;
            let bytes = ENTRIES * size_of::<OperatorEntry>();
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let start = mmap_anonymous(std::ptr::null_mut(), bytes, access, MapFlags::SHARED);
            let start = NonNull::new(start.ok()?.cast::<OperatorEntry>())?;
            *kept = RetainedHeader {
                version: OPERATOR_VERSION,
                entries: ENTRIES as u32,
                start: start.as_ptr(),
            };
            Some((Self(start), is_lost))
        }
    }

    /// The view of it.
    pub(crate) fn table(&self) -> Operators<'_> {
        // SAFETY: mapped with this length, zero at first, never unmapped; atomics alone.
        Operators(unsafe { std::slice::from_raw_parts(self.0.as_ptr(), ENTRIES) })
    }
}
