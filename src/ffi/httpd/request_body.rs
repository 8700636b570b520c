//! The client's request body: read from httpd's input filters, piece by piece, not copied.

use std::ffi::c_int;

use smallvec::SmallVec;

use crate::ffi::httpd::patience::Patience;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;
use crate::proxy::{BodyPiece, BodySlices, ClientError, ReadyPiece};

/// Reads a request body. The bytes stay in httpd's buckets.
///
/// Kept with the request over several attempts: each method gets the request again, which is always
/// the one it was made for.
pub(crate) struct Body {
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
    ended: bool,
    /// An error that was met while reading ahead: httpd's filters report it once, and from then on the
    /// end of the body.
    failed: Option<sys::apr_status_t>,
    /// The bytes that Content-Length announced and that have not arrived yet; `None` without a valid
    /// Content-Length.
    missing: Option<u64>,
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

impl Body {
    /// `announced`: the Content-Length, if there is one.
    pub(crate) fn new(announced: Option<u64>) -> Self {
        Self {
            brigade: std::ptr::null_mut(),
            incoming: std::ptr::null_mut(),
            ahead: SmallVec::new(),
            piece: SmallVec::new(),
            is_owned: false,
            ended: false,
            failed: None,
            missing: announced,
        }
    }

    /// Whether reading has begun.
    pub(crate) fn has_begun(&self) -> bool {
        !self.brigade.is_null()
    }

    /// Whether it has the length that the client announced: no input filter has taken it away.
    pub(crate) fn has_length(&self) -> bool {
        self.missing.is_some()
    }

    /// Whether the client has sent all of it, as far as is known: no further read would wait.
    pub(crate) fn is_read(&self) -> bool {
        self.ended || self.missing == Some(0)
    }

    /// The next piece, of 1 to `at_most` bytes; 0 at the end.
    pub(crate) fn read(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<BodyPiece, ClientError> {
        self.drop_piece();
        let mut patience = Patience::default();
        let was_awaited = self.ahead.is_empty() && !self.ended;
        while self.ahead.is_empty() && !self.ended {
            if let Some(status) = self.failed {
                return Err(refused(request, status));
            }
            self.fetch(request, at_most, sys::apr_read_type_e_APR_BLOCK_READ)
                .map_err(|status| refused(request, status))?;
            if self.ahead.is_empty() && !self.ended {
                patience.wait(request)?;
            }
        }
        let len = self.take(request, at_most);
        match self.missing {
            Some(missing) if len == 0 && missing > 0 => Err(ClientError::BodyTooShort { missing }),
            _ => Ok(BodyPiece { len, was_awaited }),
        }
    }

    /// The next piece, of what is there, without waiting: of several packets, where there is so much.
    ///
    /// # Errors
    /// A filter has found the body wrong and answered the client: nothing else can be answered.
    pub(crate) fn read_now(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<ReadyPiece, ClientError> {
        self.drop_piece();
        let held = self.hold(request, at_most);
        if held == 0 {
            self.unless_answered(request)?;
        }
        let len = self.take(request, at_most);
        Ok(ReadyPiece { len, is_settled: self.ended || self.failed.is_some() })
    }

    /// Makes a piece of the first bytes that have been read.
    fn take(&mut self, request: Request<'_>, at_most: usize) -> usize {
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
        let len = at_most - room;
        if request.headers_in().get(c"Content-Length").is_none() {
            // An input filter changes the body, and has taken its length away while reading.
            self.missing = None;
        }
        if let Some(missing) = &mut self.missing {
            *missing = missing.saturating_sub(len as u64);
        }
        len
    }

    /// The present piece is not needed any more. Its buckets go with it, where there are others behind
    /// them; else the next [`fetch`](Self::fetch) cleans the brigade.
    fn drop_piece(&mut self) {
        let Some(rest) = self.ahead.first().map(|slice| slice.bucket) else {
            return self.piece.clear();
        };
        for slice in self.piece.drain(..).filter(|slice| slice.bucket != rest) {
            // SAFETY: a bucket of the brigade, of which there is no other slice: a piece has one of each
            // bucket, and what is ahead begins with another one.
            unsafe { sys::ajp_shim_delete_bucket(slice.bucket) };
        }
    }

    /// Reads what is there beyond the current piece, which is dropped; does not wait.
    ///
    /// # Errors
    /// A filter has found the body wrong and answered the client: nothing else can be answered.
    pub(crate) fn read_ahead(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<(), ClientError> {
        // A filter that changes the body need not be ready for a read that does not wait.
        let is_plain = !request.has_content_input_filters();
        if is_plain && self.ahead.is_empty() && !self.ended && self.failed.is_none() {
            self.drop_piece();
            match self.fetch(request, at_most, sys::apr_read_type_e_APR_NONBLOCK_READ) {
                Ok(()) | Err(NOTHING_YET) => {}
                Err(status) => self.failed = Some(status),
            }
        }
        self.unless_answered(request)
    }

    /// Reads what is there behind the current piece, which stays, until so many bytes lie there; does not
    /// wait.
    ///
    /// # Errors
    /// As of [`read_ahead`](Self::read_ahead).
    pub(crate) fn gather(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<(), ClientError> {
        self.hold(request, at_most);
        self.unless_answered(request)
    }

    /// Fails if a filter has found the body wrong and answered the client.
    fn unless_answered(&self, request: Request<'_>) -> Result<(), ClientError> {
        match self.failed {
            Some(sys::AP_FILTER_ERROR) => Err(refused(request, sys::AP_FILTER_ERROR)),
            _ => Ok(()),
        }
    }

    /// Has so many bytes lie behind the current piece, as far as they are there; returns how many do.
    fn hold(&mut self, request: Request<'_>, at_most: usize) -> usize {
        let mut held: usize = self.ahead.iter().map(|slice| slice.len).sum();
        // A filter that changes the body need not be ready for a read that does not wait.
        let is_plain = !request.has_content_input_filters();
        while is_plain && held < at_most && !self.ended && self.failed.is_none() {
            match self.fetch_more(request, at_most - held) {
                Ok(0) | Err(NOTHING_YET) => break,
                Ok(more) => held += more,
                Err(status) => self.failed = Some(status),
            }
        }
        held
    }

    /// Returns the bytes that were read to the input filters, so that another module can read them:
    /// none of them has been sent.
    pub(crate) fn put_back(&mut self, request: Request<'_>) {
        self.unread();
        self.ahead.clear();
        let brigade = std::mem::replace(&mut self.brigade, std::ptr::null_mut());
        if !brigade.is_null() {
            self.ended = false;
            // SAFETY: the request is live and this thread serves it; the brigade is of its pool, all
            // that was read lies in it, and nothing here points to it any more.
            unsafe { sys::ajp_shim_put_back(request.as_ptr(), brigade) };
        }
    }

    /// Puts the last bytes of the present piece back, to be read again, in front of what follows.
    pub(crate) fn unread_last(&mut self, mut len: usize) {
        if let Some(missing) = &mut self.missing {
            *missing += len as u64;
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

    /// Puts the current piece back, to be read again: it has not reached a backend.
    pub(crate) fn unread(&mut self) {
        self.unread_last(self.piece.iter().map(|slice| slice.len).sum());
    }

    /// The current piece.
    pub(crate) fn piece(&self) -> BodySlices<'_> {
        // SAFETY: each slice lies in a bucket of the brigade, which is cleaned only by `fetch`
        // (which takes &mut self) and with the request's pool, which outlives every use.
        self.piece.iter().map(|s| unsafe { std::slice::from_raw_parts(s.start, s.len) }).collect()
    }

    /// Asks the input filters for more; a blocking read waits until there is some.
    fn fetch(
        &mut self,
        request: Request<'_>,
        at_most: usize,
        kind: sys::apr_read_type_e,
    ) -> Result<(), sys::apr_status_t> {
        if self.brigade.is_null() {
            self.brigade = new_brigade(request);
        } else {
            // SAFETY: the brigade is live. No slice is in use: `ahead` is empty and `piece` has been
            // dropped.
            unsafe { sys::apr_brigade_cleanup(self.brigade.cast()) };
        }
        // SAFETY: the brigade is the request's, and empty.
        unsafe { get_brigade(request, self.brigade, at_most, kind) }?;
        self.note_buckets(self.brigade, None).map(drop)
    }

    /// Asks the input filters for what they have, behind what the brigade holds; returns how many bytes
    /// came.
    fn fetch_more(
        &mut self,
        request: Request<'_>,
        at_most: usize,
    ) -> Result<usize, sys::apr_status_t> {
        if self.brigade.is_null() {
            self.brigade = new_brigade(request);
        }
        if self.incoming.is_null() {
            self.incoming = new_brigade(request);
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
                    self.ended = true;
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

fn new_brigade(request: Request<'_>) -> *mut sys::apr_bucket_brigade {
    // SAFETY: pool and allocator are the request's own, on its thread.
    unsafe {
        sys::apr_brigade_create(request.pool().as_ptr(), (*request.connection()).bucket_alloc)
    }
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

/// APR's status for a socket's errno is the errno itself.
const NOTHING_YET: sys::apr_status_t = libc::EAGAIN;

/// Maps a failure to read a body to the client's error.
pub(crate) fn refused(request: Request<'_>, status: sys::apr_status_t) -> ClientError {
    // httpd says so after a write alone.
    let connection = request.client_connection();
    if request.is_aborted() || connection.is_reset() {
        connection.abort();
        return ClientError::Gone;
    }
    // SAFETY: a pure function of httpd's.
    let status = unsafe { sys::ap_map_http_request_error(status, sys::HTTP_BAD_REQUEST as c_int) };
    match u16::try_from(status) {
        Ok(status) if status >= 400 => ClientError::BodyRefused { status },
        _ => ClientError::Answered,
    }
}
