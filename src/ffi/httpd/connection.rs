//! A view of a client's connection, and of what the MPM does with it next.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use crate::ffi::apr::pool::Pool;
use crate::ffi::httpd::module_record;
use crate::ffi::httpd::server::Server;
use crate::ffi::sys;
use crate::net;

/// A connection of httpd's, for the length of a hook. Not `Send`: only the thread that serves it may use
/// it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection<'c> {
    raw: NonNull<sys::conn_rec>,
    hook: PhantomData<&'c ()>,
}

impl<'c> Connection<'c> {
    /// # Safety
    /// `raw` is a connection that this thread serves, and lives during `'c`.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::conn_rec) -> Self {
        // SAFETY: httpd passes no null connection; the caller vouches for the rest.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, hook: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut sys::conn_rec {
        self.raw.as_ptr()
    }

    pub(crate) fn pool(self) -> Pool<'c> {
        // SAFETY: the connection's own pool, used by this thread alone.
        unsafe { Pool::from_ptr((*self.as_ptr()).pool) }
    }

    /// The server whose address it came to.
    pub(crate) fn server(self) -> Server<'c> {
        // SAFETY: a plain field of a live record; the server outlives its connections.
        unsafe { Server::from_ptr((*self.as_ptr()).base_server) }
    }

    /// `Timeout` of that server.
    pub(crate) fn timeout(self) -> Duration {
        self.server().timeout()
    }

    /// Whether the MPM gets it back after each step (event), and it is a connection of its own, no stream
    /// of HTTP/2, and with no filter that has to be read to the end.
    pub(crate) fn can_wait(self) -> bool {
        let c = self.as_ptr();
        // SAFETY: plain fields of a live record.
        unsafe { (*c).master.is_null() && !(*c).cs.is_null() && (*c).clogging_input_filters() == 0 }
    }

    /// Whether a handler has returned SUSPENDED to httpd.
    pub(crate) fn is_suspended(self) -> bool {
        // SAFETY: null or the connection's own record.
        unsafe {
            let state = (*self.as_ptr()).cs;
            !state.is_null() && (*state).state == sys::conn_state_e_CONN_STATE_SUSPENDED
        }
    }

    /// Has the MPM poll the connection's socket for reading, and call the process_connection hooks as
    /// soon as that is possible (httpd.h, CONN_STATE_ASYNC_WAITIO).
    pub(crate) fn wait_for_io(self) {
        #[cfg(httpd_has_waitio)]
        // SAFETY: null or the connection's own record, which the hook that ends now may write.
        unsafe {
            let state = (*self.as_ptr()).cs;
            if !state.is_null() {
                (*state).state = sys::conn_state_e_CONN_STATE_ASYNC_WAITIO;
                (*state).sense = sys::conn_sense_e_CONN_SENSE_WANT_READ;
            }
        }
    }

    /// Has the MPM close it.
    pub(crate) fn close(self) {
        // SAFETY: null or the connection's own record.
        unsafe {
            let state = (*self.as_ptr()).cs;
            if !state.is_null() {
                (*state).state = sys::conn_state_e_CONN_STATE_LINGER;
            }
        }
    }

    /// Sets how long one read or write of its socket may take.
    pub(crate) fn set_socket_timeout(self, timeout: Duration) {
        let microseconds = i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX);
        // SAFETY: null, or the live socket of a live connection.
        unsafe {
            let socket = sys::ap_get_conn_socket(self.as_ptr());
            if !socket.is_null() {
                sys::apr_socket_timeout_set(socket, microseconds);
            }
        }
    }

    /// The client has gone: nothing is sent to it any more, and no rest of a request is read.
    pub(crate) fn abort(self) {
        // SAFETY: plain fields of a live record.
        unsafe {
            (*self.as_ptr()).aborted = 1;
            (*self.as_ptr()).keepalive = sys::ap_conn_keepalive_e_AP_CONN_CLOSE;
        }
    }

    /// Runs the process_connection hooks of all modules.
    pub(crate) fn process(self) -> c_int {
        // SAFETY: the connection is live, on its thread.
        unsafe { sys::ap_run_process_connection(self.as_ptr()) }
    }

    /// The descriptor that httpd has of its socket.
    pub(crate) fn descriptor(self) -> Option<RawFd> {
        let mut descriptor = -1;
        // SAFETY: null, or the live socket of a live connection; writes one number.
        let status = unsafe {
            let socket = sys::ap_get_conn_socket(self.as_ptr());
            if socket.is_null() {
                return None;
            }
            sys::apr_os_sock_get(&raw mut descriptor, socket)
        };
        (status == sys::APR_SUCCESS as c_int && descriptor >= 0).then_some(descriptor)
    }

    /// The client's socket. (Of a connection on which a request waits without a thread: as
    /// [`descriptor`](Self::descriptor).)
    pub(crate) fn socket(self) -> Option<BorrowedFd<'c>> {
        // SAFETY: httpd closes the socket with the connection, which outlives the hook.
        self.descriptor().map(|descriptor| unsafe { BorrowedFd::borrow_raw(descriptor) })
    }

    /// Whether the client has reset it. `false` for a stream of HTTP/2.
    pub(crate) fn is_reset(self) -> bool {
        // SAFETY: a plain field of a live record.
        let is_stream = unsafe { !(*self.as_ptr()).master.is_null() };
        let socket = if is_stream { None } else { self.socket() };
        socket.is_some_and(net::is_reset)
    }

    /// Gives httpd's socket another descriptor.
    ///
    /// # Safety
    /// Until the old one is put back, nothing but polling is done with the socket, and nobody closes
    /// it.
    pub(crate) unsafe fn set_descriptor(self, mut descriptor: RawFd) {
        // SAFETY: null, or the live socket of a live connection, whose pool is only used to make a
        // new one.
        unsafe {
            let mut socket = sys::ap_get_conn_socket(self.as_ptr());
            if !socket.is_null() {
                let pool = self.pool().as_ptr();
                sys::apr_os_sock_put(&raw mut socket, &raw mut descriptor, pool);
            }
        }
    }

    /// Sends what its filters hold, and waits for the client. The connection goes on: httpd's ap_flush_conn
    /// also says that it has ended, after which mod_ssl must not be asked for anything more.
    pub(crate) fn flush(self) {
        let connection = self.as_ptr();
        // SAFETY: the connection, its allocator and its filters are live, on their thread; the brigade is
        // destroyed before this returns.
        unsafe {
            let brigade = sys::apr_brigade_create((*connection).pool, (*connection).bucket_alloc);
            sys::ajp_shim_append_flush(brigade);
            sys::ap_pass_brigade((*connection).output_filters, brigade);
            sys::apr_brigade_destroy(brigade);
        }
    }

    /// Whether something of a response has been handed to httpd's last filter and has not left yet.
    pub(crate) fn has_unsent_output(self) -> bool {
        // SAFETY: the shim reads a live record.
        unsafe { sys::ajp_shim_has_unsent_output(self.as_ptr()) != 0 }
    }

    /// Sends of that as much as the client takes now.
    pub(crate) fn push_output(self) -> sys::apr_status_t {
        // SAFETY: the connection and its filters are live, on their thread.
        unsafe { sys::ajp_shim_push_output(self.as_ptr()) }
    }

    /// The state that this module keeps with the connection: null until [`keep`](Self::keep).
    pub(crate) fn kept(self) -> *mut c_void {
        // SAFETY: conn_config exists for the whole life of the connection.
        unsafe { module_record::config_in((*self.as_ptr()).conn_config, module_record::record()) }
    }

    /// Keeps a pointer with the connection.
    ///
    /// # Safety
    /// `value` is what the users of [`kept`](Self::kept) take it for, and lives as long as the connection.
    pub(crate) unsafe fn keep(self, value: *mut c_void) {
        // SAFETY: as in `kept`.
        unsafe {
            let config = (*self.as_ptr()).conn_config;
            sys::ap_set_module_config(config, module_record::record(), value);
        }
    }
}
