//! The bytes of a request body that have been read, in the buckets that httpd's input filters give.

use std::ffi::c_int;

use smallvec::SmallVec;

use crate::ffi::httpd::request::Request;
use crate::ffi::sys;

/// The bytes that have been read: the present piece, and what lies behind it.
pub(super) struct BodyBuckets {
    /// Belongs to the request's pool, which destroys it; null until something is read.
    brigade: *mut sys::apr_bucket_brigade,
    /// What the input filters are given to fill, where the brigade holds bytes that are still to be sent;
    /// empty but for that, null until then.
    incoming: *mut sys::apr_bucket_brigade,
    /// The bytes that the brigade holds beyond the current piece.
    ahead: Slices,
    piece: Slices,
    /// What is ahead stays in place while more is read.
    is_owned: bool,
    has_ended: bool,
}

/// A small body is one slice, for which nothing is allocated.
type Slices = SmallVec<[Slice; 1]>;

/// Bytes of a bucket in the brigade, which stay in place until it is deleted.
#[derive(Clone, Copy)]
struct Slice {
    bucket: *mut sys::apr_bucket,
    start: *const u8,
    len: usize,
}

impl BodyBuckets {
    /// Nothing has been read.
    pub(super) fn new() -> Self {
        Self {
            brigade: std::ptr::null_mut(),
            incoming: std::ptr::null_mut(),
            ahead: SmallVec::new(),
            piece: SmallVec::new(),
            is_owned: false,
            has_ended: false,
        }
    }

    /// Whether reading has begun.
    pub(super) fn has_begun(&self) -> bool {
        !self.brigade.is_null()
    }

    /// Whether the filters have given the end of the body.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether a further piece has to be fetched: nothing lies behind the present one, which is not the last.
    pub(super) fn needs_fetch(&self) -> bool {
        self.ahead.is_empty() && !self.has_ended
    }

    /// The bytes behind the present piece.
    pub(super) fn len_ahead(&self) -> usize {
        self.ahead.iter().map(|slice| slice.len).sum()
    }

    /// The bytes of the present piece.
    pub(super) fn len(&self) -> usize {
        self.piece.iter().map(|slice| slice.len).sum()
    }

    /// Makes a piece of the first bytes that have been read.
    pub(super) fn take(&mut self, at_most: usize) -> usize {
        let (mut room, mut whole) = (at_most, 0);
        for slice in &mut self.ahead {
            let len = slice.len.min(room);
            if len > 0 {
                self.piece.push(Slice { len, ..*slice });
            }
            room -= len;
            if len < slice.len {
                // SAFETY: len is below slice.len, so this stays inside the bucket's bytes.
                slice.start = unsafe { slice.start.add(len) };
                slice.len -= len;
                break;
            }
            whole += 1;
        }
        self.ahead.drain(..whole);
        at_most - room
    }

    /// The present piece is not needed any more. Its buckets go with it, where there are others behind
    /// them; else the next [`fetch`](Self::fetch) cleans the brigade.
    pub(super) fn drop_piece(&mut self) {
        let Some(rest) = self.ahead.first().map(|slice| slice.bucket) else {
            return self.piece.clear();
        };
        for slice in self.piece.drain(..).filter(|slice| slice.bucket != rest) {
            // SAFETY: a bucket of the brigade, of which there is no other slice: a piece has one of each
            // bucket, and what is ahead begins with another one.
            unsafe { sys::ajp_shim_delete_bucket(slice.bucket) };
        }
    }

    /// Puts the last bytes of the present piece back, to be read again, in front of what follows.
    pub(super) fn unread_last(&mut self, mut len: usize) {
        if len == 0 {
            return;
        }
        let mut returned = Slices::new();
        while let (Some(slice), true) = (self.piece.last_mut(), len > 0) {
            let back = slice.len.min(len);
            slice.len -= back;
            len -= back;
            // SAFETY: not behind the end of the bucket's bytes, which were slice.len + back.
            let start = unsafe { slice.start.add(slice.len) };
            let rest = Slice { bucket: slice.bucket, start, len: back };
            if slice.len == 0 {
                self.piece.pop();
            }
            match self.ahead.first_mut() {
                // The rest of the same bucket, which lies behind it.
                Some(front) if returned.is_empty() && front.bucket == rest.bucket => {
                    (front.start, front.len) = (rest.start, rest.len + front.len);
                }
                _ => returned.push(rest),
            }
        }
        // Once for all: there may be thousands, of a byte each.
        self.ahead.insert_many(0, returned.into_iter().rev());
    }

    /// Returns all that was read to the input filters, for another module.
    pub(super) fn put_back(&mut self, request: Request<'_>) {
        self.piece.clear();
        self.ahead.clear();
        let brigade = std::mem::replace(&mut self.brigade, std::ptr::null_mut());
        if !brigade.is_null() {
            self.has_ended = false;
            // SAFETY: the request is live and this thread serves it; the brigade is of its pool, all
            // that was read lies in it, and nothing here points to it any more.
            unsafe { sys::ajp_shim_put_back(request.as_ptr(), brigade) };
        }
    }

    /// The current piece.
    pub(super) fn piece(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        // SAFETY: each slice lies in a bucket of the brigade, which is cleaned only by `fetch`
        // (which takes &mut self) and with the request's pool, which outlives every use.
        self.piece.iter().map(|s| unsafe { std::slice::from_raw_parts(s.start, s.len) })
    }

    /// Asks the input filters for more, in place of all that was read before; a blocking read waits until there is
    /// some.
    pub(super) fn fetch(
        &mut self,
        request: Request<'_>,
        at_most: usize,
        kind: sys::apr_read_type_e,
    ) -> Result<(), sys::apr_status_t> {
        self.piece.clear();
        self.ahead.clear();
        if self.brigade.is_null() {
            self.brigade = request.new_brigade();
        } else {
            // SAFETY: the brigade is live, and no slice of it is left.
            unsafe { sys::apr_brigade_cleanup(self.brigade.cast()) };
        }
        // SAFETY: the brigade is the request's, and empty.
        unsafe { get_brigade(request, self.brigade, at_most, kind) }?;
        self.note_buckets(self.brigade, None).map(drop)
    }

    /// Asks the input filters for what they have, behind what the brigade holds; returns how many bytes
    /// came.
    pub(super) fn fetch_more(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<usize, sys::apr_status_t> {
        if self.brigade.is_null() {
            self.brigade = request.new_brigade();
        }
        if self.incoming.is_null() {
            self.incoming = request.new_brigade();
        }
        if self.ahead.is_empty() && self.piece.is_empty() {
            // SAFETY: the brigade is live, and no slice of it is in use.
            unsafe { sys::apr_brigade_cleanup(self.brigade.cast()) };
        } else if !self.is_owned {
            self.own_slices(request)?;
        }
        let kind = sys::apr_read_type_e_APR_NONBLOCK_READ;
        // SAFETY: the brigade is the request's, and empty. Filters expect that: what has been read before
        // is in the other one.
        unsafe { get_brigade(request, self.incoming, at_most, kind) }?;
        let noted = self.note_buckets(self.incoming, Some(request));
        // SAFETY: both brigades are live, with the same allocator.
        unsafe { sys::ajp_shim_concat(self.brigade, self.incoming) };
        noted
    }

    /// Has the bytes that have been read stay in place while more is read: some filters use their buffer
    /// again.
    fn own_slices(&mut self, request: Request<'_>) -> Result<(), sys::apr_status_t> {
        // What follows a slice in its bucket: of the piece's last one it may lie ahead.
        let mut behind = None;
        for slice in self.ahead.iter_mut().rev().chain(self.piece.iter_mut().rev()) {
            let (data, len) = own(slice.bucket, request)?;
            let tail = match behind {
                Some((bucket, tail)) if bucket == slice.bucket => tail,
                _ => 0,
            };
            // SAFETY: the slices of a bucket end where its bytes do, one behind the other.
            slice.start = unsafe { data.add(len - tail - slice.len) };
            behind = Some((slice.bucket, tail + slice.len));
        }
        self.is_owned = true;
        Ok(())
    }

    /// Notes the bytes of these buckets; returns how many there are. With `owned_by`, they stay in place
    /// while more is read.
    fn note_buckets(
        &mut self,
        brigade: *mut sys::apr_bucket_brigade,
        owned_by: Option<Request<'_>>,
    ) -> Result<usize, sys::apr_status_t> {
        let (mut bucket, mut count) = (std::ptr::null_mut(), 0);
        self.is_owned = owned_by.is_some();
        loop {
            let (mut data, mut len, mut status) = (std::ptr::null(), 0, 0);
            // SAFETY: the brigade is live; the shim fills in the other places.
            let kind = unsafe {
                sys::ajp_shim_next_bucket(
                    brigade,
                    &raw mut bucket,
                    &raw mut data,
                    &raw mut len,
                    &raw mut status,
                )
            };
            match kind as u32 {
                sys::AJP_SHIM_BUCKET_END => return Ok(count),
                sys::AJP_SHIM_BUCKET_DATA if len > 0 => {
                    let (start, len) = match owned_by {
                        Some(request) => own(bucket, request)?,
                        None => (data.cast(), len),
                    };
                    self.ahead.push(Slice { bucket, start, len });
                    count += len;
                }
                sys::AJP_SHIM_BUCKET_EOS => {
                    self.has_ended = true;
                    return Ok(count);
                }
                sys::AJP_SHIM_BUCKET_FAILED => return Err(status),
                _ => {}
            }
        }
    }
}

/// Makes the bytes of a bucket of the request's body its own; returns where they are.
fn own(
    bucket: *mut sys::apr_bucket,
    request: Request<'_>,
) -> Result<(*const u8, usize), sys::apr_status_t> {
    let (mut data, mut len) = (std::ptr::null(), 0);
    // SAFETY: a bucket of a brigade of the body, which has been read; the pool is that of the request,
    // which outlives it.
    let status = unsafe {
        sys::ajp_shim_own_bucket(bucket, request.pool().as_ptr(), &raw mut data, &raw mut len)
    };
    if status == sys::APR_SUCCESS as c_int { Ok((data.cast(), len)) } else { Err(status) }
}

/// Asks the input filters of a request for bytes of its body.
///
/// # Safety
/// The brigade is one of this request's, and empty.
unsafe fn get_brigade(
    request: Request<'_>,
    brigade: *mut sys::apr_bucket_brigade,
    at_most: usize,
    kind: sys::apr_read_type_e,
) -> Result<(), sys::apr_status_t> {
    // SAFETY: the filters are the request's own, on its thread; as the caller promises.
    let status = unsafe {
        sys::ap_get_brigade(
            (*request.as_ptr()).input_filters,
            brigade,
            sys::ap_input_mode_t_AP_MODE_READBYTES,
            kind,
            i64::try_from(at_most).unwrap_or(i64::MAX),
        )
    };
    if status == sys::APR_SUCCESS as c_int { Ok(()) } else { Err(status) }
}
