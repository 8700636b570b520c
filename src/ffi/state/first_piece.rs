//! The first piece of a request body, read before a member is chosen.
//!
//! A request that asks a member in error whether it is back must not wait for its client meanwhile:
//! who announces a body and sends none would keep the member out for as long as it likes. So the
//! first piece of an announced body is read before such a member is chosen, and put back in front of
//! httpd's input filters: whoever serves the request, another module's handler too, finds it there.

use std::ffi::c_int;

use crate::exchange::RequestBody;
use crate::ffi::httpd::patience::Patience;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::request_body::refused;
use crate::ffi::state::request_state::{RequestState, Upload};
use crate::ffi::sys;
use crate::proxy::ClientError;

/// Need nobody wait for the client to send the first of its body? It has sent that, or there is none.
pub(crate) fn is_here(request: Request<'_>) -> bool {
    // SAFETY: the reference is used in this function alone.
    let kept = unsafe { RequestState::of(request) };
    if kept.has_first_piece {
        return true;
    }
    if kept.upload.is_none() {
        // As the client has announced it: a filter that changes the body takes its length away.
        kept.upload = Upload::of(request).ok();
    }
    // What is announced wrongly is refused before anything of it is read.
    let upload = kept.upload.as_ref();
    upload.is_none_or(|upload| upload.kind == RequestBody::None || upload.body.has_begun())
}

/// Waits for the client to send the first of its body.
///
/// # Errors
/// What the client, or a filter, has done.
pub(crate) fn read(request: Request<'_>) -> Result<(), ClientError> {
    let mut patience = Patience::default();
    let mut is_there = 0;
    while is_there == 0 {
        // SAFETY: the request is live and this thread serves it; nothing of its body is in use.
        let status =
            unsafe { sys::ajp_shim_peek_body(request.as_ptr(), AT_MOST, &raw mut is_there) };
        if status != sys::APR_SUCCESS as c_int {
            return Err(refused(request, status));
        }
        if is_there == 0 {
            patience.wait(request)?;
        }
    }
    // SAFETY: the reference is used for this one assignment.
    unsafe { RequestState::of(request) }.has_first_piece = true;
    Ok(())
}

/// The request goes to another module's member: what was read of the body for one of ours, which did
/// not take it, is put back for that.
pub(crate) fn hand_over(request: Request<'_>) {
    if !request.kept().is_null() {
        // SAFETY: the reference is used for this one call.
        if let Some(upload) = &mut unsafe { RequestState::of(request) }.upload {
            upload.body.put_back(request);
        }
    }
}

/// As much as goes into the first packet of a body, of the size that every container takes.
const AT_MOST: i64 = 8186;
