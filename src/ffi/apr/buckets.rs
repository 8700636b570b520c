//! Bucket memory that belongs to Rust: a slice of a connection's receive buffer.

use std::ffi::{c_char, c_void};

use crate::ffi::guard::guard;
use crate::ffi::sys;
use crate::protocol::BufferSlice;

/// Appends `data` to a brigade without copying it.
///
/// # Safety
/// `brigade` is live, and this thread is the one that may use it.
pub(crate) unsafe fn append(brigade: *mut sys::apr_bucket_brigade, data: BufferSlice) {
    let start: *const c_char = data.as_ptr().cast();
    let len = data.len();
    let owner = Box::into_raw(Box::new(data)).cast::<c_void>();
    // SAFETY: the brigade is live; `owner` keeps the bytes at `start` in place until the last
    // bucket over them is destroyed and `release` gets it back. BufferSlice is Send, so that may happen
    // on any thread.
    unsafe { sys::ajp_shim_append_slice(brigade, start, len, owner, Some(release)) }
}

/// Drops the bytes that [`append`] gave away.
unsafe extern "C" fn release(owner: *mut c_void) {
    // SAFETY: made by Box::into_raw in `append`; the shim gives it back once.
    guard((), || drop(unsafe { Box::from_raw(owner.cast::<BufferSlice>()) }))
}
