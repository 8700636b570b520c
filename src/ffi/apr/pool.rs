//! Pools, tables and strings of APR.

use std::ffi::{CStr, c_char, c_void};

use crate::ffi::guard::guard;
use crate::ffi::sys;

/// The bytes of a C string, without the NUL; `None` for a null pointer.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that nobody changes during `'a`.
pub(crate) unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and terminated and constant for 'a as the caller promises.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// A pool of httpd's, for allocations that end with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool(*mut sys::apr_pool_t);

impl Pool {
    /// # Safety
    /// `raw` is a live pool that no other thread uses while this copy is in use.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::apr_pool_t) -> Self {
        Self(raw)
    }

    pub(crate) fn as_ptr(self) -> *mut sys::apr_pool_t {
        self.0
    }

    /// Copies text into the pool, with a NUL behind it. Text with a NUL inside ends there.
    pub(crate) fn copy(self, text: &[u8]) -> *mut c_char {
        // SAFETY: the pool is live and ours on this thread (from_ptr); the source is a slice.
        unsafe { sys::apr_pstrmemdup(self.0, text.as_ptr().cast(), text.len()) }
    }

    /// Copies these texts into the pool, one behind the other, with a NUL at the end.
    pub(crate) fn concat(self, texts: &[&[u8]]) -> *mut c_char {
        let len = texts.iter().map(|text| text.len()).sum::<usize>();
        // SAFETY: the pool is live and ours on this thread (from_ptr). One byte more than any number
        // of slices that are all in memory cannot overflow; httpd ends the process where there is
        // no memory.
        let start = unsafe { sys::apr_palloc(self.0, len + 1) }.cast::<u8>();
        let mut end = start;
        for text in texts {
            // SAFETY: the texts and the NUL fit in what has just been allocated, which nobody else
            // knows of yet.
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
    pub(crate) fn own<T>(self, value: T) -> *mut T {
        const { assert!(align_of::<T>() <= 8, "APR aligns to 8 bytes (APR_ALIGN_DEFAULT)") };
        // SAFETY: the pool is live and ours on this thread (from_ptr); httpd ends the process where
        // there is no memory.
        let raw = unsafe { sys::apr_palloc(self.0, size_of::<T>()) }.cast::<T>();
        // SAFETY: `raw` has just been allocated, for a T, and aligned for one. From here on it belongs
        // to the pool's cleanup alone; drop_owned is the same T. The child cleanup, which APR calls
        // before exec in a forked process, does nothing.
        unsafe {
            raw.write(value);
            sys::apr_pool_cleanup_register(
                self.0,
                raw.cast::<c_void>().cast_const(),
                Some(drop_owned::<T>),
                Some(sys::apr_pool_cleanup_null),
            );
        }
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

/// A table of httpd's. Reads and writes are for the thread that serves the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table(*mut sys::apr_table_t);

impl Table {
    /// # Safety
    /// `raw` is a live table, used by this thread alone, as long as the copy is used.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::apr_table_t) -> Self {
        Self(raw)
    }

    pub(crate) fn new(pool: Pool, entries: usize) -> Self {
        let entries = i32::try_from(entries).unwrap_or(16);
        // SAFETY: the pool is live (Pool's invariant).
        Self(unsafe { sys::apr_table_make(pool.as_ptr(), entries) })
    }

    pub(crate) fn as_ptr(self) -> *mut sys::apr_table_t {
        self.0
    }

    /// The value of a key, in any case; the bytes are good while the entry is not changed.
    pub(crate) fn get<'a>(self, key: &CStr) -> Option<&'a [u8]> {
        // SAFETY: the table is live; its values are NUL-terminated strings in its pool, which
        // nobody writes to (a change of the table replaces the pointer).
        unsafe { bytes(sys::apr_table_get(self.0, key.as_ptr())) }
    }

    /// Sets a key to text that lives as long as the table: static, or copied into its pool.
    pub(crate) fn set(self, key: &'static CStr, value: *const c_char) {
        // SAFETY: the table is live; key is static, value is as the caller of this crate-private
        // function made it: from Pool::copy of the same request, or static.
        unsafe { sys::apr_table_setn(self.0, key.as_ptr(), value) }
    }

    /// Adds an entry beside those of the same key; texts as for [`set`](Self::set).
    pub(crate) fn add(self, key: *const c_char, value: *const c_char) {
        // SAFETY: as in `set`.
        unsafe { sys::apr_table_addn(self.0, key, value) }
    }

    pub(crate) fn unset(self, key: &CStr) {
        // SAFETY: the table is live.
        unsafe { sys::apr_table_unset(self.0, key.as_ptr()) }
    }

    /// All entries in their order.
    pub(crate) fn entries<'a>(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        // SAFETY: the table is live; apr_table_elts returns its own array header.
        let array = unsafe { sys::apr_table_elts(self.0) };
        // SAFETY: as above; both fields are plain values.
        let (first, count) =
            unsafe { ((*array).elts.cast::<sys::apr_table_entry_t>(), (*array).nelts) };
        (0..usize::try_from(count).unwrap_or(0)).filter_map(move |i| {
            // SAFETY: i is below nelts; the table is not changed while the iterator is in use,
            // which is within one function of this thread.
            let entry = unsafe { &raw const *first.add(i) };
            // SAFETY: an entry's strings are NUL-terminated or null.
            unsafe { Some((bytes((*entry).key)?, bytes((*entry).val).unwrap_or(b""))) }
        })
    }
}

/// The IP address of APR's record; `None` for null and for anything that is not IP.
///
/// # Safety
/// `address` is null or a live record.
pub(crate) unsafe fn address(address: *const sys::apr_sockaddr_t) -> Option<std::net::IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: live, as the caller promises; ipaddr_ptr points to ipaddr_len bytes inside it.
    let bytes = unsafe {
        let (start, len) = ((*address).ipaddr_ptr, (*address).ipaddr_len);
        if start.is_null() {
            return None;
        }
        std::slice::from_raw_parts(start.cast::<u8>(), usize::try_from(len).unwrap_or(0))
    };
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(Into::into)
}
