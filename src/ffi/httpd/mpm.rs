//! The MPM, and whether it can keep a request without a thread.

use std::ffi::{CStr, c_int};

use crate::ffi::sys;

/// The reason why no request can wait without a thread.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotPark {
    /// Every connection of this MPM has a thread.
    #[error("the MPM is {0}, and only event can let a request wait without a thread")]
    Mpm(String),
    /// The server is too old.
    #[error("it needs httpd 2.4.63 or later")]
    Release,
    /// The headers were too old.
    #[error("the module was built for an httpd older than 2.4.63. Build it on this server")]
    Build,
}

/// `AP_MPMQ_CAN_WAITIO`, which headers before 2.4.63 do not have.
const CAN_WAITIO: u32 = 19;

#[cfg(httpd_has_waitio)]
const _: () = assert!(CAN_WAITIO == sys::AP_MPMQ_CAN_WAITIO);

/// Whether the MPM lets a connection wait for a descriptor of ours without a thread.
pub(crate) fn check_parking() -> Result<(), CannotPark> {
    if !says_yes(sys::AP_MPMQ_IS_ASYNC) {
        return Err(CannotPark::Mpm(name()));
    }
    if !says_yes(CAN_WAITIO) {
        return Err(CannotPark::Release);
    }
    if cfg!(httpd_has_waitio) { Ok(()) } else { Err(CannotPark::Build) }
}

/// `ThreadsPerChild`.
pub(crate) fn threads_per_child() -> u32 {
    ask(sys::AP_MPMQ_MAX_THREADS).and_then(|threads| threads.try_into().ok()).unwrap_or(1)
}

/// Whether this child has been told to end, in whatever way.
pub(crate) fn is_stopping() -> bool {
    ask(sys::AP_MPMQ_MPM_STATE).is_some_and(|state| state == sys::AP_MPMQ_STOPPING as c_int)
}

fn says_yes(question: u32) -> bool {
    ask(question).is_some_and(|answer| answer != 0)
}

/// Asks the MPM. `None`: it does not know the question.
fn ask(question: u32) -> Option<c_int> {
    let mut answer: c_int = 0;
    // SAFETY: a place for one int, written to during this call alone; the MPM reads variables of its own.
    let known = unsafe { sys::ap_mpm_query(question as c_int, &raw mut answer) };
    (known == sys::APR_SUCCESS as c_int).then_some(answer)
}

/// The name of the MPM: `event`, `worker`, `prefork`.
fn name() -> String {
    // SAFETY: null, or a constant text of the MPM's, which is loaded as long as httpd runs.
    let name = unsafe { sys::ap_show_mpm() };
    if name.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: as above; a NUL ends it.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}
