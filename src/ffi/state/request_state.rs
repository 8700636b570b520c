//! The state that this module keeps with a request of httpd's, from one call of the scheme handler to the
//! next: mod_proxy calls it once for each balancer member it tries.

use std::cell::{Cell, RefCell};

use crate::exchange::RequestBody;
use crate::ffi::child::busy_guard::BusyGuard;
use crate::ffi::child::probe_guard::ProbeGuard;
use crate::ffi::child::transient_mark::TransientMark;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::request_body::Body;
use crate::ffi::mod_proxy::worker::{NotedWorker, Worker};
use crate::proxy::{RequestError, body_of};

/// Lives in the request's pool, from the first call on. Its fields are cells, since hooks that run one
/// within the other have it at once; each is borrowed for as long as its value is used.
#[derive(Default)]
pub(crate) struct RequestState {
    /// The client's body: what has been read of it for one member is sent to the next.
    pub(crate) upload: RefCell<Option<Upload>>,
    /// The first of the body has been read, or that there is none, before a member was chosen: it
    /// lies in front of the input filters.
    pub(crate) has_first_piece: Cell<bool>,
    /// It is the one that asks a member in error whether it is back.
    pub(crate) asking: RefCell<Option<ProbeGuard>>,
    /// How often the request has been sent, over all members.
    pub(crate) attempts: Cell<u32>,
    /// How often it may still be sent again where a member may have acted on it, over all of them, as
    /// the first one's `retries` says; `None`: it has not been given to one.
    pub(crate) repeats_left: Cell<Option<u32>>,
    /// The members it has been given to: none is chosen a second time.
    pub(crate) tried: RefCell<Vec<NotedWorker>>,
    /// On the members on which mod_proxy counts it.
    pub(crate) holds: RefCell<Vec<BusyGuard>>,
    /// The members that it has been sent to: none gets it a second time, however it was chosen.
    pub(crate) had_it: RefCell<Vec<NotedWorker>>,
    pub(crate) last_failure: LastFailure,
    /// The answer was 502 after the request had been sent to a ProxyRemote: mod_proxy tries the
    /// backend itself then, and must not.
    pub(crate) sent_to_remote_proxy: Cell<bool>,
}

/// The work that the last failure leaves: when the next member is chosen, or at the request's end.
#[derive(Default)]
pub(crate) struct LastFailure {
    /// The member that has just not taken the request, for no fault of its own.
    pub(crate) transient_mark: RefCell<TransientMark>,
    /// The client's status if no other member takes the request.
    pub(crate) instead_of_503: Cell<Option<u16>>,
    /// A client that gets 503 is told to come back soon.
    pub(crate) retry_soon: Cell<bool>,
}

/// A request body and how it is announced.
pub(crate) struct Upload {
    pub(crate) body: Body,
    pub(crate) kind: RequestBody,
    /// The Content-Length, where there is one that holds.
    pub(crate) length: Option<u64>,
    /// A first piece is read before the request is sent.
    pub(crate) reads_ahead: bool,
}

impl Upload {
    /// How the request announces its body. An error page of httpd's own has none, though it has
    /// inherited the client's headers.
    pub(crate) fn of(request: Request<'_>) -> Result<Self, RequestError> {
        let headers = request.headers_in();
        let (kind, announced) = if request.is_error_document() {
            (RequestBody::None, 0)
        } else {
            let coding = headers.get(c"Transfer-Encoding");
            let length = headers.get(c"Content-Length");
            let indeterminate = coding.is_none() && length.is_none() && request.has_body();
            body_of(coding, length, indeterminate)?
        };
        let length = (kind == RequestBody::Announced).then_some(announced);
        let reads_ahead = kind == RequestBody::Announced;
        Ok(Self { body: Body::new(length), kind, length, reads_ahead })
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
        if tried.iter().any(|known| *known == member) {
            return None;
        }
        let before = tried.last().cloned();
        // SAFETY: a member outlives the requests that it is given to.
        tried.push(unsafe { NotedWorker::new(member) });
        before
    }

    /// Notes that the request has been sent to this member.
    pub(crate) fn note_sent(&self, member: Worker<'_>) {
        // SAFETY: a member outlives the requests that it is given to.
        self.had_it.borrow_mut().push(unsafe { NotedWorker::new(member) });
    }

    /// Whether the request has been sent to this member.
    pub(crate) fn was_sent_to(&self, member: Worker<'_>) -> bool {
        self.had_it.borrow().iter().any(|known| *known == member)
    }

    /// The state of this request, if it has one.
    pub(crate) fn existing<'r>(request: Request<'r>) -> Option<&'r Self> {
        // SAFETY: null, or made by `of` for this request: nothing else is kept with one. The
        // request's pool owns it and outlives 'r, only this thread serves the request, and there is
        // never a `&mut` to it.
        unsafe { request.kept().cast::<Self>().as_ref() }
    }
}
