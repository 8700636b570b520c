//! A worker's fields as a member of its balancer: status, errors, load.
//!
//! They lie in memory shared with other processes, and are read and written without atomics, as
//! mod_proxy does; all but `busy`.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::balance::lbmethod::LoadFactor;
use crate::balance::{Load, WorkerStatus};
use crate::ffi::apr::array;
use crate::ffi::apr::pool::Pool;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::worker::{NotedWorker, Worker};
use crate::ffi::sys;
use crate::shared::in_error_for;

// The numbers of mod_proxy.h.
const _: () = {
    use sys::*;
    assert!(WorkerStatus::INITIALIZED.bits() == PROXY_WORKER_INITIALIZED);
    assert!(WorkerStatus::IGNORE_ERRORS.bits() == PROXY_WORKER_IGNORE_ERRORS);
    assert!(WorkerStatus::DRAIN.bits() == PROXY_WORKER_DRAIN);
    assert!(WorkerStatus::GENERIC.bits() == PROXY_WORKER_GENERIC);
    assert!(WorkerStatus::DISABLED.bits() == PROXY_WORKER_DISABLED);
    assert!(WorkerStatus::STOPPED.bits() == PROXY_WORKER_STOPPED);
    assert!(WorkerStatus::IN_ERROR.bits() == PROXY_WORKER_IN_ERROR);
    assert!(WorkerStatus::HOT_STANDBY.bits() == PROXY_WORKER_HOT_STANDBY);
    assert!(WorkerStatus::HC_FAIL.bits() == PROXY_WORKER_HC_FAIL);
    assert!(WorkerStatus::HOT_SPARE.bits() == PROXY_WORKER_HOT_SPARE);
    assert!(WorkerStatus::NOT_USABLE.bits() == PROXY_WORKER_NOT_USABLE_BITMAP);
};

impl Worker<'_> {
    pub(crate) fn is_member(self) -> bool {
        // SAFETY: a plain field of a live record.
        unsafe { !(*self.as_ptr()).balancer.is_null() }
    }

    /// Whether another member of its balancer could take a request; `is_left` says which members are
    /// left.
    pub(crate) fn has_usable_siblings(self, is_left: impl Fn(Worker<'_>) -> bool) -> bool {
        if !self.is_member() {
            return false;
        }
        // SAFETY: a member's balancer and its array of members are live; members are added at its
        // end alone, to memory that stays.
        let mut siblings = unsafe {
            let balancer = (*self.as_ptr()).balancer;
            array::elements::<*mut sys::proxy_worker>((*balancer).workers)
        };
        siblings.any(|sibling| {
            // SAFETY: below the number of elements when it was read.
            let Some(other) = (unsafe { Self::added(*sibling) }) else { return false };
            other != self && is_left(other) && !other.status().has(WorkerStatus::NOT_USABLE)
        })
    }

    /// `failontimeout` of its balancer.
    pub(crate) fn fails_on_timeout(self) -> bool {
        // SAFETY: a member's balancer is live; a plain field.
        self.is_member() && unsafe { (*(*self.as_ptr()).balancer).failontimeout != 0 }
    }

    pub(crate) fn status(self) -> WorkerStatus {
        // SAFETY: an aligned word; another process may write it, which mod_proxy itself accepts.
        WorkerStatus::from_bits(unsafe { (&raw const (*self.shared()).status).read_volatile() })
    }

    fn write_status(self, status: WorkerStatus) {
        // SAFETY: as in `status`.
        unsafe { (&raw mut (*self.shared()).status).write_volatile(status.bits()) }
    }

    /// Removes flags from its status, without atomics, as mod_proxy does.
    pub(crate) fn clear_status(self, flags: WorkerStatus) {
        self.write_status(self.status().without(flags));
    }

    /// Adds flags to its status, without atomics, as mod_proxy does.
    pub(crate) fn add_status(self, flags: WorkerStatus) {
        self.write_status(self.status().with(flags));
    }

    /// Changes its `lbset`; for the parent, before there are children.
    pub(crate) fn set_lbset(self, lbset: i32) {
        // SAFETY: an aligned word; balancer-manager may write it.
        unsafe { (&raw mut (*self.shared()).lbset).write_volatile(lbset) }
    }

    /// Puts a balancer member in error for its `retry` time, as mod_proxy does for a 503.
    pub(crate) fn mark_error(self) {
        if self.is_member() && !self.status().has(WorkerStatus::IGNORE_ERRORS) {
            let s = self.shared();
            // SAFETY: a plain word in shared memory, written as mod_proxy does. The time first: a
            // reader that sees the mark must not find an old time beside it.
            unsafe { (&raw mut (*s).error_time).write_volatile(sys::apr_time_now()) }
            self.write_status(self.status().with(WorkerStatus::IN_ERROR));
        }
    }

    /// Sets the member's error time to now. To be called before a 503 or 500, for which mod_proxy marks
    /// the member: it sets the mark first and the time after it. Another thread that sees the mark
    /// beside an old time would take the member for one whose `retry` has passed, and clear the mark;
    /// and mod_proxy, which looks once more before it tries another member, would give up.
    pub(crate) fn note_error_time(self) {
        if self.is_member() {
            // SAFETY: a plain word in shared memory, written as mod_proxy does a moment later.
            unsafe {
                (&raw mut (*self.shared()).error_time).write_volatile(sys::apr_time_now());
            }
        }
    }

    /// Replaces an error time in the future, as after the clock was set back, with the present time, so
    /// that nobody waits until the clock has reached it again. To be called before `retry` is looked
    /// at, by us or by mod_proxy.
    pub(crate) fn correct_error_time(self) {
        // SAFETY: a plain word in shared memory, written as mod_proxy does. Read first: the usual case
        // writes nothing.
        unsafe {
            let error_time = &raw mut (*self.shared()).error_time;
            let now = sys::apr_time_now();
            if error_time.read_volatile() > now {
                error_time.write_volatile(now);
            }
        }
    }

    /// Whether it is usable, or has become usable because its `retry` time has passed.
    pub(crate) fn is_usable(self, server: Server<'_>) -> bool {
        if self.status().is_usable() {
            return true;
        }
        self.correct_error_time();
        // SAFETY: null, or the function that mod_proxy_balancer has registered under this name, which
        // has this type (mod_proxy.h).
        let retry: sys::apr_OFN_ap_proxy_retry_worker_t = unsafe {
            std::mem::transmute(sys::apr_dynamic_fn_retrieve(c"ap_proxy_retry_worker".as_ptr()))
        };
        if let Some(retry) = retry {
            // SAFETY: a static text; worker and server are live.
            unsafe { retry(c"AJP".as_ptr(), self.as_ptr(), server.as_ptr()) };
        }
        self.status().is_usable()
    }

    /// Makes `retry` pass, so that a member in error may be tried at once.
    pub(crate) fn forget_error_time(self) {
        // SAFETY: a plain word in shared memory.
        unsafe { (&raw mut (*self.shared()).error_time).write_volatile(0) }
    }

    /// Sets the error time of a member that is being probed, so that `retry` passes no earlier than in
    /// `left_ms` milliseconds; as [`in_error_for`] computes.
    pub(crate) fn put_off_retry(self, left_ms: u64) {
        let already = in_error_for(left_ms, self.counters().retry_us / 1000);
        let already = i64::try_from(already.saturating_mul(1000)).unwrap_or(i64::MAX);
        // SAFETY: a plain word in shared memory.
        unsafe {
            let now = sys::apr_time_now();
            (&raw mut (*self.shared()).error_time).write_volatile(now.saturating_sub(already));
        }
    }

    /// Whether it has been in error for `retry`.
    pub(crate) fn retry_is_due(self) -> bool {
        let s = self.shared();
        // SAFETY: plain words in shared memory.
        let due = unsafe {
            let (since, retry) = ((&raw const (*s).error_time).read_volatile(), (*s).retry);
            sys::apr_time_now() >= since.saturating_add(retry)
        };
        due && self.status().is_only_in_error()
    }

    /// Whether it was put in error so short a time ago.
    pub(crate) fn was_marked_within(self, time: Duration) -> bool {
        // SAFETY: a plain word in shared memory; a function without conditions.
        let age = unsafe {
            let since = (&raw const (*self.shared()).error_time).read_volatile();
            sys::apr_time_now().saturating_sub(since)
        };
        u64::try_from(age).is_ok_and(|age| Duration::from_micros(age) < time)
    }

    /// Whether a member in error is probed by one request at a time. Not with `retry=0`, which allows
    /// every request to probe it; and not if another module's handler serves it: that handler would
    /// refuse a member whose mark stays, and would not tell us that it answers.
    pub(crate) fn allows_single_probe(self) -> bool {
        // SAFETY: a plain word in shared memory.
        self.is_ajp() && unsafe { (*self.shared()).retry > 0 }
    }

    /// `lbset`.
    pub(crate) fn lbset(self) -> i32 {
        // SAFETY: a plain word in shared memory.
        unsafe { (*self.shared()).lbset }
    }

    /// `forcerecovery`, as mod_proxy_balancer does it.
    pub(crate) fn force_recovery(self) {
        let s = self.shared();
        // SAFETY: a plain word in shared memory, written as mod_proxy_balancer does.
        unsafe { (*s).retries = (*s).retries.wrapping_add(1) };
        self.clear_status(WorkerStatus::IN_ERROR);
    }

    /// Counts an election of this member: for mod_proxy_balancer, and for mod_status.
    pub(crate) fn count_election(self) {
        let s = self.shared();
        // SAFETY: a plain word in shared memory, counted as mod_proxy_balancer does.
        unsafe { (*s).elected = (*s).elected.wrapping_add(1) };
    }

    /// Adds its `loadfactor` to its `lbstatus`, by which lbmethods without a count of their own go, and
    /// returns both.
    pub(crate) fn add_own_factor(self) -> (i32, i32) {
        let s = self.shared();
        // SAFETY: plain words in shared memory, written as mod_proxy_balancer does.
        unsafe {
            let factor = (*s).lbfactor;
            let status = (*s).lbstatus.wrapping_add(factor);
            (*s).lbstatus = status;
            (factor, status)
        }
    }

    /// Subtracts the sum of the factors of all usable members from the member that gets the request.
    pub(crate) fn take_from_lbstatus(self, total: i32) {
        let s = self.shared();
        // SAFETY: a plain word in shared memory, written as mod_proxy_balancer does.
        unsafe { (*s).lbstatus = (*s).lbstatus.wrapping_sub(total) };
    }

    /// Counts a request on it (`busy`) until the request's pool is cleared.
    pub(crate) fn count_busy(self, pool: Pool<'_>) {
        self.busy().fetch_add(1, Relaxed);
        // SAFETY: a worker outlives the requests that it is given to.
        pool.own(CountedBusy(unsafe { NotedWorker::new(self) }));
    }

    /// `loadfactor`, which balancer-manager may change at any time.
    pub(crate) fn load_factor(self) -> LoadFactor {
        // SAFETY: a plain word in shared memory.
        LoadFactor::new(unsafe { (*self.shared()).lbfactor })
    }

    /// Requests in flight, for its `loadfactor`.
    pub(crate) fn load(self) -> Load {
        let s = self.shared();
        // SAFETY: plain words in shared memory.
        unsafe {
            Load { busy: (*s).busy as u64, factor: u64::try_from((*s).lbfactor).unwrap_or(0) }
        }
    }

    /// Clears the error mark of a member that has answered.
    pub(crate) fn mark_recovered(self) {
        self.clear_status(WorkerStatus::IN_ERROR);
        self.clear_retries();
    }

    /// Whether mod_proxy has taken it out of error, and no request has found out yet whether it answers.
    pub(crate) fn has_retried(self) -> bool {
        // SAFETY: a plain word in shared memory.
        unsafe { (*self.shared()).retries != 0 }
    }

    /// Sets the retries of a worker that has answered to 0. Returns whether there were any: then it was in
    /// error, and mod_proxy has taken it out.
    pub(crate) fn clear_retries(self) -> bool {
        let s = self.shared();
        // SAFETY: plain words in shared memory, written as mod_proxy does after connecting. Read
        // first: the usual case writes nothing.
        unsafe {
            // Not if another request has just put the member in error.
            let had_retried = (*s).retries != 0 && !self.status().is_in_error();
            if had_retried {
                (*s).retries = 0;
                (*s).error_time = 0;
            }
            had_retried
        }
    }

    /// Subtracts up to `count` requests from mod_proxy's `busy`, and returns how many.
    pub(crate) fn take_off_busy(self, count: u32) -> u32 {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let rest = |before: usize| Some(before.saturating_sub(count));
        let before = self.busy().fetch_update(Relaxed, Relaxed, rest).unwrap_or_default();
        u32::try_from(before.min(count)).unwrap_or(u32::MAX)
    }

    /// mod_proxy's `busy`. httpd after 2.4 counts it atomically, too; 2.4 does not.
    fn busy(&self) -> &AtomicUsize {
        // SAFETY: an aligned word in shared memory, which lives as long as the worker (from_ptr).
        unsafe { AtomicUsize::from_ptr(&raw mut (*self.shared()).busy) }
    }
}

/// A request that is counted as busy on a worker.
struct CountedBusy(NotedWorker);

impl Drop for CountedBusy {
    fn drop(&mut self) {
        self.0.view().take_off_busy(1);
    }
}
