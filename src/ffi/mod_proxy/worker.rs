//! A view of one of mod_proxy's workers.
//!
//! `worker->s` is memory shared with other processes. It is read raw, one field at a time, at each
//! request (balancer-manager and mod_proxy_cluster change it at any time), and no value is assumed to
//! be valid. Texts are copied out of it, to the stack: see [`Text`].

use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

use crate::balance::WorkerStatus;
use crate::ffi::apr::shared_text::Text;
use crate::ffi::mod_proxy::backend_url::DEFAULT_PORT;
use crate::ffi::mod_proxy::text_sizes::{BALANCER_NAME, HOST, NAME, ROUTE, SECRET, SOCKET_PATH};
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::sys;
use crate::shared::MemberKey;

/// Numbers that mod_proxy keeps of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerCounters {
    /// How often it was chosen.
    pub(crate) elected: u64,
    /// In hundredths.
    pub(crate) lbfactor: i32,
    /// When it was put in error, in microseconds since 1970; 0: it was not.
    pub(crate) error_us: u64,
    /// `retry`, in microseconds.
    pub(crate) retry_us: u64,
}

/// A worker, for the length of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worker<'s> {
    raw: NonNull<sys::proxy_worker>,
    hook: PhantomData<&'s ()>,
}

/// A worker that a request notes for longer than a hook.
#[derive(Clone, Debug)]
pub(crate) struct NotedWorker(NonNull<sys::proxy_worker>);

impl NotedWorker {
    /// # Safety
    /// The worker lives for longer than the result. All that mod_proxy has defined do, as long as it
    /// ends with a request or before the child's configuration.
    pub(crate) unsafe fn new(worker: Worker<'_>) -> Self {
        Self(worker.raw)
    }

    /// The view of it, for as long as it is noted.
    pub(crate) fn view(&self) -> Worker<'_> {
        Worker { raw: self.0, hook: PhantomData }
    }
}

impl PartialEq<Worker<'_>> for NotedWorker {
    fn eq(&self, worker: &Worker<'_>) -> bool {
        self.0 == worker.raw
    }
}

impl Worker<'_> {
    /// # Safety
    /// `raw` is a worker of mod_proxy's that is live during the lifetime.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::proxy_worker) -> Self {
        // SAFETY: mod_proxy passes no null worker.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, hook: PhantomData }
    }

    /// A member in its balancer's array; `None` while `ap_proxy_sync_balancer` adds it, on another
    /// thread: it has a place first, then a record, and at last its shared part.
    ///
    /// # Safety
    /// `raw` is null or a worker of mod_proxy's that is live during the lifetime.
    pub(crate) unsafe fn added(raw: *mut sys::proxy_worker) -> Option<Self> {
        // SAFETY: as the caller promises; a plain word, which another thread may be setting.
        let is_there =
            !raw.is_null() && unsafe { !(&raw const (*raw).s).read_volatile().is_null() };
        // SAFETY: not null, and the caller vouches for the rest.
        is_there.then(|| unsafe { Self::from_ptr(raw) })
    }

    pub(crate) fn as_ptr(self) -> *mut sys::proxy_worker {
        self.raw.as_ptr()
    }

    pub(crate) fn shared(self) -> *mut sys::proxy_worker_shared {
        // SAFETY: a plain field of a live record; never null once defined.
        unsafe { (*self.as_ptr()).s }
    }

    pub(crate) fn id(self) -> WorkerId {
        // SAFETY: the worker is live.
        unsafe { WorkerId::of(self.as_ptr()) }
    }

    /// The host of its URL.
    pub(crate) fn host(self) -> Text<HOST> {
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        unsafe { Text::read(&raw const (*self.shared()).hostname_ex) }
    }

    /// The port of its URL, AJP's own where it names none.
    pub(crate) fn port(self) -> u16 {
        // SAFETY: a plain field of a live record.
        match unsafe { (*self.shared()).port } {
            0 => DEFAULT_PORT,
            port => port,
        }
    }

    /// Its URL, as mod_proxy displays it.
    pub(crate) fn name(self) -> Text<NAME> {
        let s = self.shared();
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        #[cfg(httpd_has_name_ex)]
        let name = unsafe { Text::read(&raw const (*s).name_ex) };
        // SAFETY: as above.
        #[cfg(not(httpd_has_name_ex))]
        let name = unsafe { Text::read(&raw const (*s).name) };
        name
    }

    /// The same, where mod_proxy has it, for a note of a request: mod_proxy notes it so itself
    /// (BALANCER_WORKER_NAME). It does not change once the worker is defined.
    pub(crate) fn name_text(self) -> *const c_char {
        let s = self.shared();
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        #[cfg(httpd_has_name_ex)]
        let name = unsafe { &raw const (*s).name_ex };
        // SAFETY: as above.
        #[cfg(not(httpd_has_name_ex))]
        let name = unsafe { &raw const (*s).name };
        name.cast()
    }

    /// Identifies the worker in all children: by its balancer's name, its own, and its unix socket.
    /// Virtual hosts that define the same worker share the key, as they share the backend.
    pub(crate) fn key(self) -> MemberKey {
        // SAFETY: a plain field of a live record.
        let balancer = unsafe { (*self.as_ptr()).balancer };
        // SAFETY: a member's balancer lives as long as the member.
        let balancer = (!balancer.is_null()).then(|| unsafe { balancer_name(balancer) });
        let socket = self.socket_path();
        MemberKey::of(&[
            balancer.as_deref().unwrap_or(b""),
            socket.as_deref().unwrap_or(b""),
            &self.name(),
        ])
    }

    pub(crate) fn is_ajp(self) -> bool {
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        unsafe { Text::is_in_any_case(&raw const (*self.shared()).scheme, b"ajp") }
    }

    /// Adds to `transferred` and `read`, which balancer-manager and lbmethod bytraffic show and
    /// use.
    pub(crate) fn count(self, uploaded: u64, downloaded: u64) {
        let s = self.shared();
        // SAFETY: plain words in shared memory; mod_proxy adds to them in the same way, and a
        // lost update is a byte count slightly low.
        unsafe {
            if uploaded > 0 {
                (*s).transferred = (*s).transferred.wrapping_add_unsigned(uploaded);
            }
            if downloaded > 0 {
                (*s).read = (*s).read.wrapping_add_unsigned(downloaded);
            }
        }
    }

    /// The numbers that mod_proxy counts and shows.
    pub(crate) fn counters(self) -> WorkerCounters {
        let s = self.shared();
        // SAFETY: plain words in shared memory.
        unsafe {
            WorkerCounters {
                elected: (*s).elected as u64,
                lbfactor: (*s).lbfactor,
                error_us: u64::try_from((*s).error_time).unwrap_or(0),
                retry_us: u64::try_from((*s).retry).unwrap_or(0),
            }
        }
    }

    /// Whether its URL names one backend; else (`$1` in the host, RewriteRule to an undefined worker)
    /// each request names its own.
    pub(crate) fn has_fixed_address(self) -> bool {
        // SAFETY: a bit field in shared memory, set by configuration.
        let reusable = unsafe { (*self.shared()).is_address_reusable() != 0 };
        reusable && !self.status().has(WorkerStatus::GENERIC)
    }

    pub(crate) fn secret(self) -> Option<Text<SECRET>> {
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        unsafe { Text::read(&raw const (*self.shared()).secret) }.non_empty()
    }

    /// `route`, which balancer-manager may change at any time.
    pub(crate) fn route(self) -> Option<Text<ROUTE>> {
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        unsafe { Text::read(&raw const (*self.shared()).route) }.non_empty()
    }

    /// `redirect`: the route that stands in for its own.
    pub(crate) fn redirect(self) -> Option<Text<ROUTE>> {
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        unsafe { Text::read(&raw const (*self.shared()).redirect) }.non_empty()
    }

    /// Whether this is its route.
    pub(crate) fn has_route(self, route: &[u8]) -> bool {
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        !route.is_empty() && unsafe { Text::is(&raw const (*self.shared()).route, route) }
    }

    /// The unix socket's path.
    pub(crate) fn socket_path(self) -> Option<Text<SOCKET_PATH>> {
        // SAFETY: an array of the shared part, which lives as long as the worker (from_ptr).
        unsafe { Text::read(&raw const (*self.shared()).uds_path) }.non_empty()
    }

    /// Whether `hcmethod` is set.
    pub(crate) fn has_health_check(self) -> bool {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.shared()).method != sys::hcmethod_t_NONE }
    }
}

/// Converts httpd's time, in microseconds. A time of 0 or less would never wait, so it becomes the
/// shortest wait.
pub(crate) fn microseconds(time: i64) -> Duration {
    Duration::from_micros(u64::try_from(time).unwrap_or(0)).max(Duration::from_millis(1))
}

/// The name of a balancer.
///
/// # Safety
/// `balancer` is live.
pub(crate) unsafe fn balancer_name(balancer: *const sys::proxy_balancer) -> Text<BALANCER_NAME> {
    // SAFETY: an array of the shared part, which is never null once the balancer is defined and lives
    // as long as that.
    unsafe { Text::read(&raw const (*(*balancer).s).name) }
}
