//! APR's arrays.

use std::sync::atomic::{Ordering, fence};

use crate::ffi::sys;

/// Returns the addresses of an array's elements.
///
/// # Race
/// mod_proxy adds a member to a balancer at run time under a lock that not every reader holds
/// (`ap_proxy_sync_balancer`). It moves the elements to a larger place first, leaving the old one as it
/// was, and counts the new one last. So the count is read before the place: an old count goes with
/// either place, and a new one only with the new place.
///
/// # Safety
/// `array` is null or a live array of `T` to which elements may be added, and from which none is
/// taken, while the result is in use.
pub(crate) unsafe fn elements<T>(
    array: *const sys::apr_array_header_t,
) -> impl ExactSizeIterator<Item = *mut T> {
    let (first, count) = if array.is_null() {
        (std::ptr::null_mut(), 0)
    } else {
        // SAFETY: live, as the caller promises; plain words.
        unsafe {
            let count = (&raw const (*array).nelts).read_volatile();
            fence(Ordering::Acquire);
            let first = (&raw const (*array).elts).read_volatile().cast::<T>();
            (first, usize::try_from(count).unwrap_or(0))
        }
    };
    // SAFETY: below the number of elements.
    (0..count).map(move |at| unsafe { first.add(at) })
}
