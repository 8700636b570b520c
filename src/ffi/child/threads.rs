//! Operations on threads that std does not offer: signal masks, and joining with a timeout.

use std::mem::MaybeUninit;
use std::time::Duration;

/// Calls `start` with all signals blocked, as they are in each thread that it starts.
pub(crate) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sets of ours; the first call fills the first one, the second call the other.
    let is_blocked = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0
    };
    let result = start();
    if is_blocked {
        // SAFETY: filled in above; a mask that this thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    }
    result
}

/// Waits for the end of a thread, for at most `timeout`. Takes no lock of ours and allocates
/// nothing, so a signal handler may call it.
///
/// # Safety
/// Nothing else joins or detaches the thread; after `true` its id is not used any more.
pub(crate) unsafe fn join_within(thread: libc::pthread_t, timeout: Duration) -> bool {
    let mut end = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut end) };
    let nanoseconds = end.tv_nsec + libc::c_long::from(timeout.subsec_nanos() as i32);
    end.tv_nsec = nanoseconds % NANOSECONDS;
    end.tv_sec += timeout.as_secs() as libc::time_t + nanoseconds / NANOSECONDS;
    // SAFETY: as the caller promises; the time is read during the call.
    unsafe { libc::pthread_timedjoin_np(thread, std::ptr::null_mut(), &raw const end) == 0 }
}

const NANOSECONDS: libc::c_long = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::thread::JoinHandleExt;
    use std::sync::mpsc;

    fn mask() -> bool {
        // SAFETY: a set of ours, filled in by the call.
        unsafe {
            let mut now = std::mem::zeroed::<libc::sigset_t>();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut now);
            libc::sigismember(&raw const now, libc::SIGTERM) == 1
        }
    }

    #[test]
    fn a_thread_started_without_signals_has_them_blocked_and_the_starter_gets_them_back() {
        let before = mask();
        let inside = without_signals(|| std::thread::spawn(mask)).join().unwrap();
        assert!(inside);
        assert_eq!(mask(), before);
    }

    #[test]
    fn a_thread_that_has_not_ended_is_waited_for_in_vain_and_one_that_has_is_joined() {
        let (end, wait) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv().is_err()).into_pthread_t();
        // SAFETY: the handle has been given up, so only this test joins.
        assert!(!unsafe { join_within(thread, Duration::from_millis(1)) });
        drop(end);
        // SAFETY: as above.
        assert!(unsafe { join_within(thread, Duration::from_secs(60)) });
    }
}
