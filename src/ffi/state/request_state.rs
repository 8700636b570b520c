//! The state that this module keeps with a request of httpd's over several calls of the scheme handler:
//! mod_proxy calls it once for each balancer member that it tries.

use std::cell::{Cell, RefCell};
use std::ffi::c_char;
use std::ptr::NonNull;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::exchange::RequestBody;
use crate::ffi::child::busy_guard::BusyGuard;
use crate::ffi::child::child_state::Child;
use crate::ffi::child::probe_guard::ProbeGuard;
use crate::ffi::child::transient_mark::TransientMark;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::request_body::Body;
use crate::ffi::mod_proxy::worker::{NotedWorker, Worker};
use crate::proxy::{RequestError, body_of};

/// The state of a request, in the request's pool from the first call on. Its fields are cells, because
/// hooks that run inside one another share it; each is borrowed only while its value is used.
#[derive(Default)]
pub(crate) struct RequestState {
    /// The client's body: the bytes that were read for one member are sent to the next.
    pub(crate) upload: RefCell<Option<Upload>>,
    /// Whether the first piece of the body has been read before a member was chosen (or its absence
    /// noticed): it lies in front of the input filters.
    pub(crate) has_first_piece: Cell<bool>,
    /// The probe, if this request probes a member in error.
    pub(crate) probe: RefCell<Option<ProbeGuard>>,
    /// How often the request has been sent, over all members.
    pub(crate) attempts: Cell<u32>,
    /// How often the request may still be resent after a member may have executed it, over all members,
    /// as the first member's `retries` says; `None`: it has not been given to a member.
    pub(crate) repeats_left: Cell<Option<u32>>,
    /// Whether the notes for the access log have been set.
    pub(crate) is_noted: Cell<bool>,
    tried: RefCell<SmallVec<[TriedMember; 2]>>,
    /// The counts of this request on the members on which mod_proxy counts it.
    holds: Cell<SmallVec<[BusyGuard; 2]>>,
    pub(crate) last_failure: LastFailure,
    /// Whether the answer was 502 after the request had been sent to a ProxyRemote: mod_proxy would
    /// then try the backend itself, and must not.
    pub(crate) sent_to_remote_proxy: Cell<bool>,
    /// How often the scheme handler has been called for it, but by way of a ProxyRemote.
    handler_calls: Cell<u32>,
    /// The URL with the balancer's name, with which mod_proxy asks for a member: a string of the request's
    /// pool, noted where requests can be parked. Once one has been, the next member is asked for here.
    pub(crate) balancer_url: Cell<Option<NonNull<c_char>>>,
    /// The end of the request's pool ends its wait.
    pub(crate) is_guarded: Cell<bool>,
}

/// A member to which the request has been given: it is not chosen a second time.
struct TriedMember {
    member: NotedWorker,
    /// Whether the request was sent to it: then the member does not get it again, however it is chosen.
    was_sent: bool,
}

/// The consequences of the last failure that are still to come: when the next member is chosen, or at
/// the request's end.
#[derive(Default)]
pub(crate) struct LastFailure {
    /// The temporary mark on the member that has just not taken the request, through no fault of its
    /// own.
    transient_mark: Cell<TransientMark>,
    /// The client's status if no other member takes the request.
    pub(crate) instead_of_503: Cell<Option<u16>>,
    /// Whether a client that gets 503 is told to come back soon.
    pub(crate) retry_soon: Cell<bool>,
}

impl LastFailure {
    /// Sets a temporary mark on a member that has not taken the request through no fault of its own,
    /// after clearing the mark on the member before.
    pub(crate) fn mark(&self, member: Worker<'_>, child: &Arc<Child>) {
        self.unmark();
        self.transient_mark.set(TransientMark::new(member, child));
    }

    /// Clears the mark, if there is one.
    pub(crate) fn unmark(&self) {
        drop(self.transient_mark.take());
    }
}

/// A request body and how it is announced.
pub(crate) struct Upload {
    pub(crate) body: Body,
    pub(crate) kind: RequestBody,
    /// The Content-Length, if it is valid.
    pub(crate) length: Option<u64>,
    /// Whether a first piece is read before the request is sent.
    pub(crate) reads_ahead: bool,
}

impl Upload {
    /// Reads how the request announces its body. An error page of httpd's own has none, although it has
    /// inherited the client's headers.
    pub(crate) fn of(request: Request<'_>) -> Result<Self, RequestError> {
        let headers = request.headers_in();
        let (kind, announced) = if request.is_error_document() {
            (RequestBody::None, 0)
        } else {
            let coding = headers.get(c"Transfer-Encoding");
            let length = headers.get(c"Content-Length");
            let indeterminate =
                coding.is_none() && length.is_none() && request.has_unannounced_body();
            body_of(coding, length, indeterminate)?
        };
        let length = (kind == RequestBody::Announced).then_some(announced);
        let reads_ahead = kind == RequestBody::Announced;
        Ok(Self { body: Body::new(request, length), kind, length, reads_ahead })
    }
}

impl RequestState {
    /// The state of this request; made on the first call.
    pub(crate) fn of<'r>(request: Request<'r>) -> &'r Self {
        Self::existing(request).unwrap_or_else(|| {
            let state = request.pool().own(Self::default());
            // SAFETY: a RequestState, which the request's pool owns from here on.
            unsafe { request.keep(state.cast()) };
            // SAFETY: made above; the request's pool owns it and outlives 'r, and there is never a
            // `&mut` to it.
            unsafe { &*state }
        })
    }

    /// Notes that the request is given to this member, and returns the one before, if it is another.
    pub(crate) fn note_tried(&self, member: Worker<'_>) -> Option<NotedWorker> {
        let mut tried = self.tried.borrow_mut();
        if tried.iter().any(|known| known.member == member) {
            return None;
        }
        let before = tried.last().map(|before| before.member.clone());
        // SAFETY: a member outlives the requests that it is given to.
        let member = unsafe { NotedWorker::new(member) };
        tried.push(TriedMember { member, was_sent: false });
        before
    }

    /// Whether the request has been given to this member.
    pub(crate) fn was_tried(&self, member: Worker<'_>) -> bool {
        self.tried.borrow().iter().any(|known| known.member == member)
    }

    /// Counts a call of the scheme handler.
    pub(crate) fn count_handler_call(&self) {
        self.handler_calls.set(self.handler_calls.get() + 1);
    }

    /// How often the scheme handler has been called.
    pub(crate) fn handler_calls(&self) -> u32 {
        self.handler_calls.get()
    }

    /// How many members the request has been given to.
    pub(crate) fn tried_count(&self) -> usize {
        self.tried.borrow().len()
    }

    /// Notes that the request has been sent to this member, to which it has been given.
    pub(crate) fn note_sent(&self, member: Worker<'_>) {
        let mut tried = self.tried.borrow_mut();
        if let Some(known) = tried.iter_mut().find(|known| known.member == member) {
            known.was_sent = true;
        }
    }

    /// Whether the request has been sent to this member.
    pub(crate) fn was_sent_to(&self, member: Worker<'_>) -> bool {
        self.tried.borrow().iter().any(|known| known.was_sent && known.member == member)
    }

    /// Keeps the count of this request on a member until the request ends.
    pub(crate) fn hold(&self, guard: BusyGuard) {
        let mut holds = self.holds.take();
        holds.push(guard);
        self.holds.set(holds);
    }

    /// The state of this request, if it has one.
    pub(crate) fn existing<'r>(request: Request<'r>) -> Option<&'r Self> {
        // SAFETY: null, or made by `of` for this request: nothing else is kept with one. The
        // request's pool owns it and outlives 'r, only this thread serves the request, and there is
        // never a `&mut` to it.
        unsafe { request.kept().cast::<Self>().as_ref() }
    }
}
