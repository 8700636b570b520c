//! The parent's listening sockets, which outlive its restarts.
//!
//! A restart whose configuration still has a port takes over the socket with the connections in its
//! queue; children from before the restart continue to use it. A restart whose configuration no longer
//! has the port closes the socket, also if the configuration no longer loads this module: then no code
//! of ours runs, and APR alone closes the sockets that are [kept](keep).

use std::ffi::{CStr, c_char, c_int, c_void};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use parking_lot::Mutex;

use crate::ffi::httpd::socket_option;
use crate::ffi::sys;
use crate::net::Listener;

/// Sockets from before the restart, held from check_config to post_config. Those that are not taken by
/// then are closed.
#[derive(Debug, Default)]
pub(crate) struct TakenOver(Mutex<Vec<(SocketAddr, Listener)>>);

impl TakenOver {
    /// Takes over the sockets that the parent has.
    ///
    /// # Safety
    /// This is httpd's main thread, in check_config, with its pool for logs.
    pub(crate) unsafe fn fill(&self, plog: *mut sys::apr_pool_t) {
        // SAFETY: as the caller promises; nothing changes the table meanwhile.
        let kept =
            unsafe { SocketTable::of(plog).map_or(&[][..], |table| SocketTable::sockets(table)) };
        // SAFETY: open, since APR closes a socket together with the table that lists it.
        let kept = kept.iter().filter_map(|raw| unsafe { copy(*raw) }.ok());
        // SAFETY: as the caller promises.
        let older = unsafe { older() };
        let all = kept.map(Listener::from_fd).chain(older);
        let known = all.filter_map(|listener| Some((listener.listens_at()?, listener)));
        self.0.lock().extend(known);
    }

    /// The socket that listens at this address.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<Listener> {
        let mut all = self.0.lock();
        let at = all.iter().position(|(other, _)| *other == address)?;
        Some(all.swap_remove(at).1)
    }

    /// Shuts down the sockets that were not taken, in children from before the restart as well.
    pub(crate) fn end(&self) {
        for (_, listener) in self.0.lock().drain(..) {
            listener.end();
        }
    }
}

/// The table of the parent's sockets, in httpd's pool for logs, with which it ends.
///
/// Another version of this module may have made the table. Its first field is the version, which
/// changes with the layout; a table of an unknown version is left alone.
#[repr(C)]
struct SocketTable {
    version: u32,
    count: u32,
    sockets: [RawFd; MAX_SOCKETS],
}

/// The version of a [`SocketTable`].
const TABLE_VERSION: u32 = 2;
const MAX_SOCKETS: usize = 128;
/// The name of the table in its pool.
const TABLE_KEY: &CStr = c"mod_proxy_ajp_rs listeners";

impl SocketTable {
    /// The table of an earlier post_config, of whatever version.
    ///
    /// # Safety
    /// `plog` is httpd's pool for logs, on its main thread.
    unsafe fn of(plog: *mut sys::apr_pool_t) -> Option<*mut Self> {
        let mut table = std::ptr::null_mut::<c_void>();
        // SAFETY: as the caller promises; a place of ours.
        unsafe { sys::apr_pool_userdata_get(&raw mut table, TABLE_KEY.as_ptr(), plog) };
        (!table.is_null()).then_some(table.cast())
    }

    /// An empty table.
    ///
    /// # Safety
    /// As [`of`](Self::of); there is no table yet.
    unsafe fn create(plog: *mut sys::apr_pool_t) -> *mut Self {
        let empty = Self { version: TABLE_VERSION, count: 0, sockets: [-1; MAX_SOCKETS] };
        // SAFETY: as the caller promises; fresh memory of its size, which APR aligns to 8
        // bytes. APR copies the key, which may be unloaded with this library.
        unsafe {
            let table = sys::apr_palloc(plog, size_of::<Self>()).cast::<Self>();
            table.write(empty);
            sys::apr_pool_userdata_set(table.cast(), TABLE_KEY.as_ptr(), None, plog);
            table
        }
    }

    /// The sockets in a table; none if it is of another version.
    ///
    /// # Safety
    /// `table` came from [`of`](Self::of) or [`create`](Self::create), its pool has not been cleared
    /// since, and nothing is added to it while the result is in use.
    unsafe fn sockets<'t>(table: *const Self) -> &'t [RawFd] {
        // SAFETY: as the caller promises. A table of another version is at least a version long.
        unsafe {
            if (&raw const (*table).version).read() != TABLE_VERSION {
                return &[];
            }
            (*table).sockets.get(..(*table).count as usize).unwrap_or_default()
        }
    }

    /// Adds a socket, which is APR's to close from then on. `false`: there is no room.
    ///
    /// # Safety
    /// As [`sockets`](Self::sockets), of the table in `plog`; `socket` belongs to the caller.
    unsafe fn add(table: *mut Self, plog: *mut sys::apr_pool_t, mut socket: RawFd) -> bool {
        // SAFETY: as the caller promises. A table of another version is at least a version long.
        if unsafe { (&raw const (*table).version).read() } != TABLE_VERSION {
            return false;
        }
        // SAFETY: of this version.
        let count = unsafe { (*table).count };
        if count as usize >= MAX_SOCKETS {
            return false;
        }
        let mut info = sys::apr_os_sock_info_t {
            os_sock: &raw mut socket,
            local: std::ptr::null_mut(),
            remote: std::ptr::null_mut(),
            family: sys::APR_UNSPEC as c_int,
            type_: libc::SOCK_STREAM,
            protocol: 0,
        };
        let mut made = std::ptr::null_mut();
        // SAFETY: places of ours; APR reads the descriptor during the call. The socket gets a cleanup
        // of APR's own, which is there when this library is not. A socket that APR cannot make has
        // none.
        unsafe {
            if sys::apr_os_sock_make(&raw mut made, &raw mut info, plog)
                != sys::APR_SUCCESS as c_int
            {
                return false;
            }
            (*table).sockets[count as usize] = socket;
            (*table).count = count + 1;
        }
        true
    }
}

/// The table that an older version of this module kept in httpd's own memory, for as long as the parent
/// lives. Its own cleanups close nothing.
#[repr(C)]
struct OlderTable {
    count: c_int,
    at: [OlderSocket; MAX_SOCKETS],
}

#[repr(C)]
struct OlderSocket {
    /// Its address, as text.
    name: [c_char; 64],
    fd: RawFd,
    in_use: c_int,
}

const OLDER_TABLE_KEY: &CStr = c"mod_proxy_ajp_rs listeners 1";

/// Takes over the sockets of the older version. A socket that does not listen where it was noted
/// belongs to another module now, and is left alone.
///
/// # Safety
/// This is httpd's main thread.
unsafe fn older() -> Vec<Listener> {
    // SAFETY: as the caller promises; null, or what that version has made.
    let table = unsafe { sys::ap_retained_data_get(OLDER_TABLE_KEY.as_ptr()) }.cast::<OlderTable>();
    // SAFETY: as above; nobody else has a reference to it.
    let Some(table) = (unsafe { table.as_mut() }) else { return Vec::new() };
    let count = usize::try_from(table.count).unwrap_or(0);
    let Some(sockets) = table.at.get(..count) else { return Vec::new() };
    let mut all = Vec::new();
    for OlderSocket { name, fd, .. } in sockets {
        let name = name.map(|byte| byte as u8);
        let Ok(address) = CStr::from_bytes_until_nul(&name) else { break };
        // SAFETY: any number is allowed: a descriptor that is not open cannot be copied.
        let Ok(copy) = (unsafe { copy(*fd) }) else { continue };
        let listener = Listener::from_fd(copy);
        if listener.listens_at().is_some_and(|at| at.to_string() == address.to_string_lossy()) {
            all.push(listener);
            // SAFETY: that socket, which the older version has left open for us.
            drop(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    table.count = 0;
    all
}

/// Keeps the socket open in the parent until the next restart; `None`: there are too many.
///
/// # Safety
/// This is httpd's main thread, in post_config, with its pool for logs.
pub(crate) unsafe fn keep(plog: *mut sys::apr_pool_t, listener: Listener) -> Option<RawFd> {
    let raw = OwnedFd::from(listener).into_raw_fd();
    // SAFETY: as the caller promises; a socket that only this function owns.
    let is_kept = unsafe {
        let table = SocketTable::of(plog).unwrap_or_else(|| SocketTable::create(plog));
        SocketTable::add(table, plog, raw)
    };
    if !is_kept {
        // SAFETY: it is still ours.
        drop(unsafe { OwnedFd::from_raw_fd(raw) });
    }
    is_kept.then_some(raw)
}

/// The addresses of httpd's own Listen directives.
///
/// # Safety
/// This is httpd's main thread; the result is used only until httpd reads its configuration again.
pub(crate) unsafe fn listen_addresses() -> impl Iterator<Item = *const sys::apr_sockaddr_t> {
    let live = |record: *mut sys::ap_listen_rec| (!record.is_null()).then_some(record);
    // SAFETY: httpd's list, which it changes while it reads its configuration.
    let first = live(unsafe { (&raw const sys::ap_listeners).read() });
    // SAFETY: a live record of that list.
    let all = std::iter::successors(first, move |record| live(unsafe { (**record).next }));
    // SAFETY: as above; its address lives as long as the record.
    all.map(|record| unsafe { (*record).bind_addr.cast_const() })
}

/// # Safety
/// Nobody closes `raw` during the call.
pub(crate) unsafe fn copy(raw: RawFd) -> Result<OwnedFd, rustix::io::Errno> {
    // SAFETY: as the caller promises.
    rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(raw) }, 0)
}

/// Lets the kernel keep a silent peer out of the queue, for this many seconds or some
/// more; 0: for none.
pub(crate) fn defer_accept(socket: BorrowedFd<'_>, seconds: c_int) {
    // Where the kernel refuses, the peer is accepted at once.
    let _ = socket_option::set(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, seconds);
}

/// How many connections wait to be accepted, and how many may; `None`: the system does not say.
pub(crate) fn accept_queue(socket: BorrowedFd<'_>) -> Option<(u32, u32)> {
    // SAFETY: plain numbers, of which 0 is one.
    let mut info = unsafe { std::mem::zeroed::<libc::tcp_info>() };
    let mut size = size_of_val(&info) as libc::socklen_t;
    // SAFETY: an open socket, and a place of ours with its size.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    // Of a listening socket, these two are the queue's (Linux, tcp_diag_get_info).
    (status == 0).then_some((info.tcpi_unacked, info.tcpi_sacked))
}
