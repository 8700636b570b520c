//! APR's pools.

use std::ffi::{c_char, c_void};
use std::marker::PhantomData;

use crate::ffi::guard::guard;
use crate::ffi::sys;

/// A pool of httpd's, for allocations that end with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool<'p> {
    raw: *mut sys::apr_pool_t,
    life: PhantomData<&'p ()>,
}

impl Pool<'_> {
    /// # Safety
    /// `raw` is a pool that is live during the lifetime and that no other thread uses meanwhile.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::apr_pool_t) -> Self {
        Self { raw, life: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut sys::apr_pool_t {
        self.raw
    }

    /// Copies text into the pool, with a NUL behind it. Text with a NUL inside ends there.
    pub(crate) fn copy(self, text: &[u8]) -> *mut c_char {
        // SAFETY: the pool is live and ours on this thread (from_ptr); the source is a slice.
        unsafe { sys::apr_pstrmemdup(self.raw, text.as_ptr().cast(), text.len()) }
    }

    /// Copies these texts into the pool, one behind the other, with a NUL at the end.
    pub(crate) fn concat(self, texts: &[&[u8]]) -> *mut c_char {
        let len = texts.iter().map(|text| text.len()).sum::<usize>();
        // SAFETY: the pool is live and ours on this thread (from_ptr). One byte more than any number
        // of slices that are all in memory cannot overflow; httpd ends the process where there is
        // no memory.
        let start = unsafe { sys::apr_palloc(self.raw, len + 1) }.cast::<u8>();
        let mut end = start;
        for text in texts {
            // SAFETY: the texts and the NUL fit in the memory just allocated, to which nobody else has
            // a pointer yet.
            unsafe {
                end.copy_from_nonoverlapping(text.as_ptr(), text.len());
                end = end.add(text.len());
            }
        }
        // SAFETY: as above.
        unsafe { end.write(0) };
        start.cast()
    }

    /// Writes a number into the pool.
    pub(crate) fn copy_number(self, number: impl itoa::Integer) -> *mut c_char {
        self.copy(itoa::Buffer::new().format(number).as_bytes())
    }

    /// Gives a Rust value to the pool, which drops it when it is cleared or destroyed. The pointer
    /// is good until then.
    pub(crate) fn own<T: 'static>(self, value: T) -> *mut T {
        let raw = self.place(value);
        // SAFETY: `raw` is a T in this pool, and belongs to the pool's cleanup alone from here on;
        // drop_owned is the same T. The child cleanup, which APR calls before exec in a forked process,
        // does nothing.
        unsafe {
            sys::apr_pool_cleanup_register(
                self.raw,
                raw.cast::<c_void>().cast_const(),
                Some(drop_owned::<T>),
                Some(sys::apr_pool_cleanup_null),
            );
        }
        raw
    }

    /// The same for a value that is dropped before the pools that were made of this one are destroyed.
    pub(crate) fn own_before_subpools<T: 'static>(self, value: T) -> *mut T {
        let raw = self.place(value);
        // SAFETY: as in `own`.
        unsafe {
            sys::apr_pool_pre_cleanup_register(
                self.raw,
                raw.cast::<c_void>().cast_const(),
                Some(drop_owned::<T>),
            );
        }
        raw
    }

    /// Moves a Rust value into memory of the pool, which nobody drops.
    fn place<T>(self, value: T) -> *mut T {
        const { assert!(align_of::<T>() <= 8, "APR aligns to 8 bytes (APR_ALIGN_DEFAULT)") };
        // SAFETY: the pool is live and ours on this thread (from_ptr); httpd ends the process where
        // there is no memory.
        let raw = unsafe { sys::apr_palloc(self.raw, size_of::<T>()) }.cast::<T>();
        // SAFETY: `raw` has just been allocated, for a T, and aligned for one.
        unsafe { raw.write(value) };
        raw
    }
}

unsafe extern "C" fn drop_owned<T>(raw: *mut c_void) -> sys::apr_status_t {
    guard(0, || {
        // SAFETY: registered by Pool::own with exactly this pointer and type; APR runs a cleanup
        // once, before it takes the pool's memory back.
        unsafe { raw.cast::<T>().drop_in_place() };
        0
    })
}
