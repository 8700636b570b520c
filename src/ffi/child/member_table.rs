//! The memory that all children of one httpd share, and a child's access to it.
//!
//! The parent creates it in post_config, anonymous, in pconf; children inherit it by fork. A restart,
//! graceful or not, clears pconf, which unmaps the memory in the parent alone, and creates new memory:
//! counting starts at 0. Children from before the restart continue with the old memory, together with
//! their old configuration, until the last of them ends.

use std::collections::{HashMap, HashSet};
use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::ffi::apr::pool::Pool;
use crate::ffi::apr::text;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::backend_url::is_ajp;
use crate::ffi::mod_proxy::server_conf::{self, ProxyConf};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::sys;
use crate::shared::{
    Header, MemberKey, MemberState, PrivateTable, Row, Sizes, Slot, Table, Uptime,
};

/// The shared memory, in the layout of [`Table`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedMemory {
    /// Valid as long as this value is in use: see [`over`](Self::over).
    table: Table<'static>,
    sizes: Sizes,
}

/// The shared memory could not be allocated.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot allocate {bytes} bytes of shared memory for {members} workers and {rows} children: {reason}"
)]
pub(crate) struct NoMemory {
    bytes: usize,
    members: usize,
    rows: usize,
    reason: String,
}

impl SharedMemory {
    /// Creates it, with room for all workers of all servers, workers to be added at run time, and all
    /// children.
    ///
    /// `main` is httpd's main server, whose configuration has been read, `pconf` its pool.
    pub(crate) fn for_server(pconf: Pool<'_>, main: Server<'_>) -> Result<Self, NoMemory> {
        Self::create(pconf, Sizes::new(count_workers(main) + SPARE_MEMBERS, max_children()))
    }

    fn create(pconf: Pool<'_>, sizes: Sizes) -> Result<Self, NoMemory> {
        // APR begins the memory with a number of its own, so a cache line may begin up to 63 bytes
        // later.
        let bytes = sizes.bytes().and_then(|bytes| bytes.checked_add(align_of::<Header>()));
        let fail = |reason: String| NoMemory {
            bytes: bytes.unwrap_or(usize::MAX),
            members: sizes.members(),
            rows: sizes.rows(),
            reason,
        };
        let bytes = bytes.ok_or_else(|| fail("that exceeds the address space".into()))?;
        let mut shm = std::ptr::null_mut();
        // SAFETY: no file name: anonymous. The pool is live (Pool's invariant); its cleanup
        // unmaps the memory.
        let status =
            unsafe { sys::apr_shm_create(&raw mut shm, bytes, std::ptr::null(), pconf.as_ptr()) };
        if status != sys::APR_SUCCESS as c_int {
            return Err(fail(text::of_status(status)));
        }
        // SAFETY: just made.
        let base: *mut c_void = unsafe { sys::apr_shm_baseaddr_get(shm) };
        let skip = base.cast::<u8>().align_offset(align_of::<Header>());
        // SAFETY: `skip` is below the alignment, which was asked for on top.
        let start = NonNull::new(unsafe { base.cast::<u8>().add(skip) });
        let start = start.ok_or_else(|| fail("APR returned no address".into()))?;
        // SAFETY: `sizes.bytes()` bytes follow, aligned, fresh from the kernel and so zero. They
        // stay until pconf is cleared, after all threads that serve requests, and this view with them: it
        // is kept in pconf.
        let memory = unsafe { Self::over(start, sizes) };
        memory.ok_or_else(|| fail("the memory was not empty".into()))
    }

    /// The memory that begins there. `None`: it was laid out for other sizes.
    ///
    /// # Safety
    /// `start` is aligned as [`Header`] and has `sizes.bytes()` bytes, zero at first and since then
    /// changed through views of these sizes alone; they outlive this value and its copies.
    unsafe fn over(start: NonNull<u8>, sizes: Sizes) -> Option<Self> {
        // SAFETY: the caller vouches for the memory, and Sizes places its parts one behind the other,
        // each a multiple of 64 long. Everything is an atomic, for which any bits will do. The views
        // leave this value by `table` alone, which lends them for as long as the value is there.
        let table = unsafe {
            let slots = start.add(sizes.slots_at()).cast::<Slot>();
            let rows = start.add(sizes.rows_at()).cast::<AtomicU32>();
            Table::new(
                start.cast::<Header>().as_ref(),
                std::slice::from_raw_parts(slots.as_ptr(), sizes.slots()),
                std::slice::from_raw_parts(rows.as_ptr(), sizes.row_words()),
                sizes,
            )
        };
        table.map(|table| Self { table, sizes })
    }

    /// The view of the memory.
    fn table(&self) -> Table<'_> {
        self.table
    }

    /// The numbers of members and children that it has room for.
    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Releases the row of a child that has ended; see [`Table::child_ended`].
    pub(crate) fn child_ended(&self, pid: u32, held: impl FnMut(MemberKey, u32)) -> u32 {
        self.table().child_ended(pid, held)
    }
}

impl fmt::Display for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (members, rows) = (self.sizes.members(), self.sizes.rows());
        let bytes = self.sizes.bytes().unwrap_or(0);
        write!(f, "{bytes} bytes of shared memory for {members} workers and {rows} children")
    }
}

/// A child's access to the state of members: in the shared memory, or, if that has no room, in memory
/// of its own.
#[derive(Debug)]
pub(crate) struct Members {
    shared: Option<(SharedMemory, Row)>,
    own: PrivateTable,
    own_row: Option<Row>,
    is_logged: AtomicBool,
}

impl Members {
    /// Claims the row of the child with this pid.
    pub(crate) fn new(memory: Option<SharedMemory>, pid: u32) -> Self {
        let own = PrivateTable::new(Sizes::new(SPARE_MEMBERS, 1));
        Self {
            shared: memory.and_then(|memory| {
                let row = memory.table().child_begins(pid)?;
                Some((memory, row))
            }),
            own_row: own.table().and_then(|table| table.child_begins(pid)),
            own,
            is_logged: AtomicBool::new(false),
        }
    }

    /// Claims, or keeps for `time`, the ports of reverse connections that all children share. `false`:
    /// another child has them, or this one has no row to claim them with.
    pub(crate) fn claim_ports(&self, now: Uptime, time: Duration) -> bool {
        self.in_table(|table, row| table.claim_ports(row, now, time)).unwrap_or(false)
    }

    /// Leaves these ports to another child.
    pub(crate) fn release_ports(&self) {
        let _ = self.in_table(|table, row| table.release_ports(row));
    }

    fn in_table<T>(&self, act: impl FnOnce(Table<'_>, Row) -> T) -> Option<T> {
        let (memory, row) = self.shared.as_ref()?;
        Some(act(memory.table(), *row))
    }

    /// Whether the child has a row in the shared memory.
    pub(crate) fn are_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The state of a member: always the same one in this child, because slots are never released.
    /// Calls `when_full` the first time that the shared memory has no room.
    pub(crate) fn state(
        &self,
        key: MemberKey,
        when_full: impl FnOnce(),
    ) -> Option<MemberState<'_>> {
        if let Some((memory, row)) = &self.shared {
            let state = MemberState::find(memory.table(), key, *row);
            if state.is_some() {
                return state;
            }
            if !self.is_logged.swap(true, Ordering::Relaxed) {
                when_full();
            }
        }
        MemberState::find(self.own.table()?, key, self.own_row?)
    }
}

/// Room for workers that mod_proxy_cluster and similar modules may add, beside the `growth` of
/// balancers.
const SPARE_MEMBERS: usize = 64;

/// Counts the workers that serve ajp, each once over all servers, and the `growth` of their balancers.
fn count_workers(main: Server<'_>) -> usize {
    let is_ajp = |worker: &Worker<'_>| is_ajp(&worker.name());
    let workers: HashSet<MemberKey> =
        server_conf::all_workers(main).filter(is_ajp).map(Worker::key).collect();
    let mut growth = HashMap::new();
    for balancer in server_conf::all(main).flat_map(ProxyConf::balancers) {
        let room = balancer.max_members().saturating_sub(balancer.count());
        let known = growth.entry(balancer.name().to_vec()).or_insert(0);
        *known = room.max(*known);
    }
    workers.len() + growth.values().sum::<usize>()
}

/// The highest number of children at once: twice what the MPM starts, since a child that ends may still
/// have requests while its successor already serves.
fn max_children() -> usize {
    let mut limit: c_int = 0;
    // SAFETY: writes one number. The MPM has read its configuration.
    unsafe { sys::ap_mpm_query(sys::AP_MPMQ_HARD_LIMIT_DAEMONS as c_int, &raw mut limit) };
    2 * usize::try_from(limit).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    use std::os::fd::{AsFd, BorrowedFd};

    use super::*;
    use crate::shared::AtLimit;

    /// A view at an address of its own, never unmapped, as a child's is not.
    fn map(file: BorrowedFd<'_>, sizes: Sizes) -> SharedMemory {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        let bytes = sizes.bytes().unwrap();
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, access, flags, file, 0) };
        // SAFETY: page-aligned, as long as asked for, zero at first, and never unmapped.
        unsafe { SharedMemory::over(NonNull::new(start.unwrap().cast()).unwrap(), sizes) }.unwrap()
    }

    #[test]
    fn two_mappings_of_the_same_memory_count_the_same_requests() {
        let sizes = Sizes::new(5, 3);
        let file = memfd_create("two mappings", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, sizes.bytes().unwrap() as u64).unwrap();
        let (here, there) = (map(file.as_fd(), sizes), map(file.as_fd(), sizes));
        let (one, two) = (Members::new(Some(here), 11), Members::new(Some(there), 12));
        assert!(one.are_shared() && two.are_shared());
        let key = MemberKey::of(&[b"balancer://app", b"", b"ajp://10.0.0.5:8009"]);

        let (a, a_there) = (one.state(key, || ()).unwrap(), two.state(key, || ()).unwrap());
        let busy = a.enter(Some(1)).unwrap();
        assert_eq!(a_there.enter(Some(1)).unwrap_err(), AtLimit { limit: 1 });
        drop(busy);
        std::mem::forget(a_there.enter(Some(1)).unwrap());
        assert_eq!(a.in_flight(), 1);
        // The parent sees the death of the second child.
        assert_eq!((here.child_ended(12, |_, _| {}), a.in_flight()), (1, 0));
        let now = crate::shared::Uptime::from_millis(1000);
        assert_eq!(a.count_reply_timeout(now) + a_there.count_reply_timeout(now), 3);

        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for members in [&one, &two] {
                let inside = &inside;
                scope.spawn(move || {
                    let a = members.state(key, || ()).unwrap();
                    for _ in 0..50_000 {
                        let Ok(_busy) = a.enter(Some(1)) else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(a.in_flight(), 0);
    }

    #[test]
    fn members_beyond_the_shared_memory_are_counted_per_child_and_that_is_logged_once() {
        let sizes = Sizes::new(1, 1);
        let file = memfd_create("full", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, sizes.bytes().unwrap() as u64).unwrap();
        let memory = map(file.as_fd(), sizes);
        let members = Members::new(Some(memory), 11);
        let mut said = 0;
        for name in [b"a", b"z", b"b", b"b", b"c", b"a"] {
            let state = members.state(MemberKey::of(&[name]), || said += 1).unwrap();
            std::mem::forget(state.enter(None));
        }
        assert_eq!(said, 1);
        let busy = |name: &[u8]| members.state(MemberKey::of(&[name]), || ()).unwrap().in_flight();
        assert_eq!([b"a", b"b", b"c"].map(|name| busy(name)), [2, 2, 1]);
        assert_eq!(memory.child_ended(11, |_, _| {}), 3, "a's and z's");
    }

    #[test]
    fn a_child_without_a_row_counts_for_itself() {
        let members = Members::new(None, 11);
        assert!(!members.are_shared());
        let a = members.state(MemberKey::of(&[b"a"]), || ()).unwrap();
        let _busy = a.enter(Some(1)).unwrap();
        let again = members.state(MemberKey::of(&[b"a"]), || ()).unwrap();
        assert_eq!(again.enter(Some(1)).unwrap_err(), AtLimit { limit: 1 });
    }
}
