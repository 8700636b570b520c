//! APR's tables.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use crate::ffi::apr::pool::Pool;
use crate::ffi::apr::text;
use crate::ffi::sys;

/// A table of httpd's. Reads and writes are for the thread that serves the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'p> {
    raw: *mut sys::apr_table_t,
    life: PhantomData<&'p ()>,
}

impl<'p> Table<'p> {
    /// # Safety
    /// `raw` is a table that is live during `'p`, as its texts are, and used by this thread alone.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::apr_table_t) -> Self {
        Self { raw, life: PhantomData }
    }

    /// An empty table in a pool.
    pub(crate) fn new(pool: Pool<'p>, entries: usize) -> Self {
        let entries = i32::try_from(entries).unwrap_or(16);
        // SAFETY: the pool is live during 'p, and the table as long as its pool.
        unsafe { Self::from_ptr(sys::apr_table_make(pool.as_ptr(), entries)) }
    }

    pub(crate) fn as_ptr(self) -> *mut sys::apr_table_t {
        self.raw
    }

    /// Returns the value of a key; case does not matter.
    pub(crate) fn get(self, key: &CStr) -> Option<&'p [u8]> {
        // Most environments and notes are empty.
        if self.is_empty() {
            return None;
        }
        // SAFETY: the table is live; its values are NUL-terminated strings in its pool, which
        // nobody writes to (a change of the table replaces the pointer).
        unsafe { text::bytes(sys::apr_table_get(self.raw, key.as_ptr())) }
    }

    /// Sets a key to text that lives as long as the table: static, or copied into its pool.
    pub(crate) fn set(self, key: &'static CStr, value: *const c_char) {
        // SAFETY: the table is live; key is static, value is as the caller of this crate-private
        // function made it: from Pool::copy of the same request, or static.
        unsafe { sys::apr_table_setn(self.raw, key.as_ptr(), value) }
    }

    /// What sets the entries whose keys begin so: quickly, if there are none yet. (Setting one compares all
    /// entries that begin with the same letter.)
    pub(crate) fn setter(self, prefix: &'static [u8]) -> impl Fn(&'static CStr, *const c_char) {
        let is_first = self.beginning_with(prefix).next().is_none();
        move |key, value| match is_first {
            true => self.add(key.as_ptr(), value),
            false => self.set(key, value),
        }
    }

    /// Adds an entry beside those of the same key; texts as for [`set`](Self::set).
    pub(crate) fn add(self, key: *const c_char, value: *const c_char) {
        // SAFETY: as in `set`.
        unsafe { sys::apr_table_addn(self.raw, key, value) }
    }

    /// Removes all entries.
    pub(crate) fn clear(self) {
        // SAFETY: the table is live.
        unsafe { sys::apr_table_clear(self.raw) }
    }

    pub(crate) fn unset(self, key: &CStr) {
        if !self.is_empty() {
            // SAFETY: the table is live.
            unsafe { sys::apr_table_unset(self.raw, key.as_ptr()) }
        }
    }

    /// All entries in their order.
    pub(crate) fn entries(self) -> impl Iterator<Item = (&'p [u8], &'p [u8])> {
        self.texts().map(|(key, value)| (key.to_bytes(), value.to_bytes()))
    }

    /// The entries whose keys begin so, in any case, in their order. Nothing of the others is read but the beginning
    /// of their keys.
    pub(crate) fn beginning_with(
        self,
        prefix: &'static [u8],
    ) -> impl Iterator<Item = (&'p [u8], &'p [u8])> {
        // SAFETY: an entry's key is a NUL-terminated string or null.
        let begins = move |key| unsafe { text::begins_with(key, prefix) };
        self.texts_of(begins).map(|(key, value)| (key.to_bytes(), value.to_bytes()))
    }

    /// All entries, as texts of C's.
    pub(crate) fn texts(self) -> impl Iterator<Item = (&'p CStr, &'p CStr)> {
        self.texts_of(|_| true)
    }

    /// Whether there are no entries.
    pub(crate) fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The number of entries.
    #[inline]
    fn len(self) -> usize {
        // SAFETY: the table is live, and begins with the header of its array: apr_table_elts returns the address
        // of the table itself (apr_tables.c).
        let count = unsafe { (*self.raw.cast::<sys::apr_array_header_t>()).nelts };
        usize::try_from(count).unwrap_or(0)
    }

    /// Those whose keys are asked for.
    fn texts_of(
        self,
        is_asked_for: impl Fn(*const c_char) -> bool,
    ) -> impl Iterator<Item = (&'p CStr, &'p CStr)> {
        // SAFETY: the table is live; apr_table_elts returns its own array header, whose field is a plain value.
        let first =
            unsafe { (*sys::apr_table_elts(self.raw)).elts.cast::<sys::apr_table_entry_t>() };
        (0..self.len()).filter_map(move |i| {
            // SAFETY: i is below nelts; the table is not changed while the iterator is in use,
            // which is within one function of this thread.
            let (key, value) = unsafe { ((*first.add(i)).key, (*first.add(i)).val) };
            if !is_asked_for(key) {
                return None;
            }
            // SAFETY: an entry's strings are NUL-terminated or null.
            unsafe { Some((text::c_str(key)?, text::c_str(value).unwrap_or(c""))) }
        })
    }
}
