//! The first piece of a request body, read before a member is chosen.
//!
//! A request that probes a member in error must not wait for its client in the meantime: a client that
//! announces a body and sends none would keep the member out of service for as long as it likes. So the
//! first piece of an announced body is read before such a member is chosen, and put back in front of
//! httpd's input filters: whichever module serves the request finds it there.

use std::ffi::c_int;

use crate::exchange::RequestBody;
use crate::ffi::httpd::patience::Patience;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::request_body::refused;
use crate::ffi::state::request_state::{RequestState, Upload};
use crate::ffi::sys;
use crate::proxy::ClientError;

/// Whether the first piece of the body can be read without waiting: the client has sent it, or there is none.
pub(crate) fn is_here(request: Request<'_>) -> bool {
    let state = RequestState::of(request);
    if state.has_first_piece.get() {
        return true;
    }
    let mut upload = state.upload.borrow_mut();
    if upload.is_none() {
        // As the client has announced it: a filter that changes the body takes its length away.
        *upload = Upload::of(request).ok();
    }
    // A body that is announced wrongly is refused before anything of it is read.
    upload.as_ref().is_none_or(|upload| upload.kind == RequestBody::None || upload.body.has_begun())
}

/// Waits until the client sends the first piece of its body.
///
/// # Errors
/// The error of the client, or of a filter.
pub(crate) fn read(request: Request<'_>) -> Result<(), ClientError> {
    let mut patience = Patience::default();
    let mut is_there = 0;
    while is_there == 0 {
        // SAFETY: the request is live and this thread serves it; nothing of its body is in use.
        let status =
            unsafe { sys::ajp_shim_peek_body(request.as_ptr(), FIRST_PIECE, &raw mut is_there) };
        if status != sys::APR_SUCCESS as c_int {
            return Err(refused(request, status));
        }
        if is_there == 0 {
            patience.wait(request)?;
        }
    }
    RequestState::of(request).has_first_piece.set(true);
    Ok(())
}

/// Puts the bytes of the body that were read for one of our members back, because the request goes to
/// another module's member.
pub(crate) fn hand_over(request: Request<'_>) {
    let Some(state) = RequestState::existing(request) else { return };
    if let Some(upload) = &mut *state.upload.borrow_mut() {
        upload.body.put_back(request);
    }
}

/// The size of the first packet of a body that every container accepts.
const FIRST_PIECE: i64 = 8186;
