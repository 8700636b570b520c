//! httpd's servers: the main one and its virtual hosts.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

use crate::ffi::httpd::module_record;
use crate::ffi::sys;

/// A server of httpd's, for the length of a hook: reads a field at a time, never holds a reference to
/// the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server<'s> {
    raw: NonNull<sys::server_rec>,
    hook: PhantomData<&'s ()>,
}

impl<'s> Server<'s> {
    /// # Safety
    /// `raw` is a server of httpd's that is live during `'s`, as its configuration is. No server is
    /// added or taken away meanwhile.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::server_rec) -> Self {
        // SAFETY: httpd passes no null server; the caller vouches for the rest.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, hook: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut sys::server_rec {
        self.raw.as_ptr()
    }

    /// Iterates over this server and those behind it in httpd's list: from the main server, over all.
    pub(crate) fn and_hosts(self) -> impl Iterator<Item = Server<'s>> {
        // SAFETY: a live server of httpd's list, which does not change during 's (from_ptr).
        let next = |server: &Self| NonNull::new(unsafe { (*server.as_ptr()).next });
        let view = |raw| Self { raw, hook: PhantomData };
        std::iter::successors(Some(self), move |server| next(server).map(view))
    }

    /// A module's configuration of this server; null where it has none.
    ///
    /// # Safety
    /// `module` is the record of a module that httpd has loaded.
    pub(crate) unsafe fn config_of(self, module: *const sys::module) -> *mut c_void {
        // SAFETY: the server is live; as the caller promises.
        unsafe { module_record::config_in((*self.as_ptr()).module_config, module) }
    }

    /// `Timeout`, in microseconds.
    pub(crate) fn timeout_us(self) -> i64 {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).timeout }
    }

    /// `Timeout`.
    pub(crate) fn timeout(self) -> Duration {
        Duration::from_micros(u64::try_from(self.timeout_us()).unwrap_or(0))
    }
}

/// httpd's main server; `None` before httpd has one.
///
/// # Safety
/// The result is used only in a child, or in a hook of the parent's, after httpd has read its
/// configuration and before it clears that.
pub(crate) unsafe fn main<'s>() -> Option<Server<'s>> {
    // SAFETY: a pointer that httpd sets before any child exists, and that is constant in a child.
    let main = NonNull::new(unsafe { (&raw const sys::ap_server_conf).read() })?;
    // SAFETY: the caller vouches for the rest.
    Some(unsafe { Server::from_ptr(main.as_ptr()) })
}

/// Whether httpd reads its configuration for the first time, as a rehearsal: it reads it once more
/// before it starts.
pub(crate) fn is_first_reading() -> bool {
    // SAFETY: httpd reads one of its own variables.
    let state = unsafe { sys::ap_state_query(sys::AP_SQ_MAIN_STATE as c_int) };
    state == sys::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
}

/// Whether httpd only tests its configuration (`apachectl configtest`).
pub(crate) fn is_config_test() -> bool {
    // SAFETY: httpd reads one of its own variables.
    let mode = unsafe { sys::ap_state_query(sys::AP_SQ_RUN_MODE as c_int) };
    mode == sys::AP_SQ_RM_CONFIG_TEST as c_int
}

/// Whether httpd reads its configuration again, for a restart.
pub(crate) fn is_restart() -> bool {
    // SAFETY: httpd reads one of its own variables. 0: the first reading; 1: the one it starts with.
    unsafe { sys::ap_state_query(sys::AP_SQ_CONFIG_GEN as c_int) > 1 }
}
