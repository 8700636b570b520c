//! What this module keeps with a request of httpd's, from one call of the scheme handler to the
//! next: mod_proxy calls it once for each balancer member it tries.

use crate::exchange::RequestBody;
use crate::ffi::child::busy_guard::BusyGuard;
use crate::ffi::child::probe_guard::ProbeGuard;
use crate::ffi::child::transient_mark::TransientMark;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::request_body::Body;
use crate::ffi::mod_proxy::worker::Worker;
use crate::proxy::{RequestError, body_of};

/// Lives in the request's pool, from the first call on.
#[derive(Default)]
pub(crate) struct RequestState {
    /// The client's body: what has been read of it for one member is sent to the next.
    pub(crate) upload: Option<Upload>,
    /// The first of the body has been read, or that there is none, before a member was chosen: it
    /// lies in front of the input filters.
    pub(crate) has_first_piece: bool,
    /// It is the one that asks a member in error whether it is back.
    pub(crate) asking: Option<ProbeGuard>,
    /// How often the request has been sent, over all members.
    pub(crate) attempts: u32,
    /// How often it may still be sent again where a member may have acted on it, over all of them, as
    /// the first one's `retries` says; `None`: it has not been given to one.
    pub(crate) repeats_left: Option<u32>,
    /// The members it has been given to: none is chosen a second time.
    pub(crate) tried: Vec<Worker>,
    /// On the members on which mod_proxy counts it.
    pub(crate) holds: Vec<BusyGuard>,
    /// Those of them it has been sent to: none gets it a second time, however it was chosen.
    pub(crate) had_it: Vec<Worker>,
    pub(crate) last_failure: LastFailure,
    /// The answer was 502 after the request had been sent to a ProxyRemote: mod_proxy tries the
    /// backend itself then, and must not.
    pub(crate) sent_to_remote_proxy: bool,
}

/// What the last failure leaves to be done: when the next member is chosen, or at the request's end.
#[derive(Default)]
pub(crate) struct LastFailure {
    /// The member that has just not taken the request, for no fault of its own.
    pub(crate) transient_mark: TransientMark,
    /// The client's status if no other member takes the request.
    pub(crate) instead_of_503: Option<u16>,
    /// A client that gets 503 is told to come back soon.
    pub(crate) retry_soon: bool,
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
    /// What is kept with this request; made on the first call.
    ///
    /// # Safety
    /// The reference of an earlier call is not used any more.
    pub(crate) unsafe fn of<'r>(request: Request<'r>) -> &'r mut Self {
        let mut kept = request.kept().cast::<Self>();
        if kept.is_null() {
            kept = request.pool().own(Self::default());
            request.keep(kept.cast());
        }
        // SAFETY: made above, or in an earlier call for this request; the request's pool owns it
        // and outlives 'r; only this thread serves the request, and the caller promises that no
        // other reference is in use.
        unsafe { &mut *kept }
    }

    /// The members that a request has been given to.
    ///
    /// # Safety
    /// The list is not changed while the result is in use.
    pub(crate) unsafe fn tried<'r>(request: Request<'r>) -> &'r [Worker] {
        let kept = request.kept().cast::<Self>();
        if kept.is_null() {
            return &[];
        }
        // SAFETY: made by `of`; the request's pool owns it and outlives 'r, and only this thread
        // serves the request. The reference is to the list alone: nothing is said of the rest.
        unsafe { &(*kept).tried }
    }
}
