//! The state that this module keeps with a client's connection: the request that waits on it without a
//! thread, and what wakes it.
//!
//! httpd has no call by which a module could have it watch a backend. What it has is a state of a connection
//! (CONN_STATE_ASYNC_WAITIO, since 2.4.63) in which the event MPM polls the client's socket and then has
//! the connection processed on any thread. So between the hooks suspend_connection and resume_connection,
//! while the MPM does nothing with the socket but poll it, the socket carries the descriptor of a
//! [`WaitSet`] in place of the client's: it is readable as soon as the backend has said something, the
//! client has gone, or a time is over.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::ffi::httpd::connection::Connection;
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::mpm;
use crate::ffi::httpd::request::Request;
use crate::ffi::state::request_state::RequestState;
use crate::ffi::sys;
use crate::net::{ClientInterest, NetError, WaitSet, Woken};

/// A request that can go on on whichever thread finds that it need not wait any longer.
pub(crate) trait Waiting {
    /// Goes on, with what has been found of the client, to the end or to the next wait (SUSPENDED).
    fn go_on(self: Box<Self>, request: Request<'_>, woken: Woken) -> HandlerStatus;

    /// Goes on to the end in this thread, wherever it has to wait.
    fn finish(self: Box<Self>, request: Request<'_>, woken: Woken) -> HandlerStatus;
}

/// Lives in the connection's pool, from its first processing on in a child that can park requests, and is
/// dropped before the pools of its requests. Cells, as hooks that run one within the other have it at
/// once.
pub(crate) struct ConnectionState {
    /// The connection whose pool it lives in.
    connection: *mut sys::conn_rec,
    /// The hooks of process_connection run within ours.
    pub(crate) is_driven: Cell<bool>,
    waiting: RefCell<Option<Parked>>,
    set: RefCell<Option<WaitSet>>,
    /// The client's own descriptor, while the MPM polls the set in its place.
    client: Cell<Option<RawFd>>,
}

struct Parked {
    request: *mut sys::request_rec,
    waiting: Box<dyn Waiting>,
}

impl ConnectionState {
    /// The state of this connection, if it has one.
    pub(crate) fn existing<'c>(connection: Connection<'c>) -> Option<&'c Self> {
        // SAFETY: null, or made by `of` for this connection: nothing else is kept with one. The
        // connection's pool owns it and outlives 'c, only this thread serves the connection, and there
        // is never a `&mut` to it.
        unsafe { connection.kept().cast::<Self>().as_ref() }
    }

    /// The state of this connection; made on the first call.
    pub(crate) fn of<'c>(connection: Connection<'c>) -> &'c Self {
        Self::existing(connection).unwrap_or_else(|| {
            let state = connection.pool().own_before_subpools(Self {
                connection: connection.as_ptr(),
                is_driven: Cell::new(false),
                waiting: RefCell::new(None),
                set: RefCell::new(None),
                client: Cell::new(None),
            });
            // SAFETY: a ConnectionState, which the connection's pool owns from here on.
            unsafe { connection.keep(state.cast()) };
            // SAFETY: made above; the connection's pool owns it and outlives 'c, and there is never a
            // `&mut` to it.
            unsafe { &*state }
        })
    }

    /// Whether a request waits on this connection.
    pub(crate) fn has_parked(&self) -> bool {
        self.waiting.borrow().is_some()
    }

    /// Whether it is this request.
    pub(crate) fn has_parked_this(&self, request: Request<'_>) -> bool {
        self.waiting.borrow().as_ref().is_some_and(|parked| parked.request == request.as_ptr())
    }

    /// Gives the set of this connection to `arm`, made if there is none, and notes the request as
    /// waiting, to be looked at again at `until` at the latest.
    ///
    /// # Errors
    /// No descriptor is left, or another limit of the operating system is reached; the request is given
    /// back.
    pub(crate) fn park<W: Waiting + 'static>(
        &self,
        request: Request<'_>,
        mut waiting: Box<W>,
        wait: Wait,
        arm: impl FnOnce(&mut W, &WaitSet) -> Result<(), NetError>,
    ) -> Result<(), Box<W>> {
        let armed = self.arm(request, wait, |set| arm(&mut waiting, set));
        if armed.is_err() {
            return Err(waiting);
        }
        if !RequestState::of(request).is_guarded.replace(true) {
            request.pool().own_before_subpools(WaitGuard(request.as_ptr()));
        }
        let waiting: Box<dyn Waiting> = waiting;
        *self.waiting.borrow_mut() = Some(Parked { request: request.as_ptr(), waiting });
        Ok(())
    }

    fn arm(
        &self,
        request: Request<'_>,
        wait: Wait,
        arm: impl FnOnce(&WaitSet) -> Result<(), NetError>,
    ) -> Result<(), NetError> {
        let connection = request.client_connection();
        let client = connection.socket().ok_or(NetError::Closed)?;
        let mut place = self.set.borrow_mut();
        let set = match &mut *place {
            Some(set) => set,
            none => none.insert(WaitSet::new(client)?),
        };
        set.watch_client(client, wait.client)?;
        let now = Instant::now();
        let heartbeat = now + heartbeat(request.timeout().min(connection.timeout()));
        set.wake_at(now, wait.until.map_or(heartbeat, |until| until.min(heartbeat)))?;
        arm(set)
    }

    /// Takes the request that waits, with the set that has woken it and what that has found.
    pub(crate) fn take(&self) -> Option<(*mut sys::request_rec, Box<dyn Waiting>, Woken)> {
        let Parked { request, waiting } = self.waiting.borrow_mut().take()?;
        let woken = self.set.borrow().as_ref().map(WaitSet::look).unwrap_or_default();
        Some((request, waiting, woken))
    }

    /// Lends the set.
    pub(crate) fn with_set(&self, then: impl FnOnce(&WaitSet)) {
        if let Some(set) = &*self.set.borrow() {
            then(set);
        }
    }

    /// The request ends before its wait does: what is kept of it goes.
    fn forget(&self, request: Request<'_>) {
        if self.has_parked_this(request) {
            self.abandon();
        }
    }

    /// Drops what is kept of the request that waits, if there is one, and the set, unless the MPM polls it: a
    /// descriptor that the request shared with others would still be in it.
    pub(crate) fn abandon(&self) {
        // Taken out first: what it drops may look here.
        let parked = self.waiting.borrow_mut().take();
        drop(parked);
        if self.client.get().is_none() {
            self.end_set();
        }
    }

    /// Closes the set. In a child that stops, the MPM's main thread closes the sockets of all connections
    /// (`close_worker_sockets` in event.c): it may have read the set's descriptor there at any moment, and close it now
    /// or later.
    fn end_set(&self) {
        if let Some(set) = self.set.borrow_mut().take() {
            if mpm::is_stopping() {
                set.end_without_closing();
            }
        }
    }

    /// suspend_connection: from here on the MPM polls.
    pub(crate) fn suspend(&self, connection: Connection<'_>) {
        if !self.has_parked() || self.client.get().is_some() {
            return;
        }
        if let (Some(set), Some(client)) = (&*self.set.borrow(), connection.descriptor()) {
            self.client.set(Some(client));
            // SAFETY: until resume_connection, or the end of the connection's pool, the MPM does
            // nothing with the socket but add it to its pollset and take it out again.
            unsafe { connection.set_descriptor(set.as_fd().as_raw_fd()) };
        }
    }

    /// resume_connection: from here on httpd uses the client's socket.
    pub(crate) fn resume(&self, connection: Connection<'_>) {
        let Some(client) = self.client.take() else { return };
        if connection.descriptor().is_some() {
            // SAFETY: the socket's own descriptor, which has been open all the time.
            unsafe { connection.set_descriptor(client) };
            return;
        }
        // The MPM has closed what it took for the client's.
        if let Some(set) = self.set.borrow_mut().take() {
            set.end_without_closing();
        }
        // SAFETY: nobody else knows of the descriptor any more.
        drop(unsafe { OwnedFd::from_raw_fd(client) });
    }
}

impl Drop for ConnectionState {
    fn drop(&mut self) {
        // SAFETY: a cleanup of the connection's pool, which runs before its memory goes, on the thread
        // that destroys it.
        let connection = unsafe { Connection::from_ptr(self.connection) };
        self.abandon();
        self.resume(connection);
        self.end_set();
        // SAFETY: null is no state at all.
        unsafe { connection.keep(std::ptr::null_mut()) };
    }
}

/// Ends the wait of a request with its pool: whatever has ended it, nothing points to its memory then.
struct WaitGuard(*mut sys::request_rec);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        // SAFETY: a cleanup of the request's pool, which runs before its memory goes, on the thread that
        // destroys it; its connection outlives it.
        let request = unsafe { Request::from_ptr(self.0) };
        if let Some(state) = ConnectionState::existing(request.client_connection()) {
            state.forget(request);
        }
    }
}

/// What is waited for beside the descriptors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// The longest wait.
    pub(crate) until: Option<Instant>,
    /// What the client may do meanwhile.
    pub(crate) client: ClientInterest,
}

/// The MPM closes a connection that it has polled for `Timeout`: that of the request's server or that of
/// the connection's, as KeepAliveTimeout is set or not (`event_post_read_request`). The request has a
/// look before either.
fn heartbeat(timeout: Duration) -> Duration {
    (timeout / 2).max(Duration::from_millis(10))
}
