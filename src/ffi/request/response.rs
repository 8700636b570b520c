//! SEND_HEADERS as httpd's response: status, headers, ProxyPassReverse, cookies, error override.

use std::ffi::{CStr, c_char, c_int};

use crate::ffi::apr::pool::Pool;
use crate::ffi::apr::table::Table;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::response_end;
use crate::ffi::sys;
use crate::protocol::{ResponseHeaderName, SendHeaders};
use crate::proxy::{
    ResponseHeaderRule, content_length, is_plain_number, says_no_length, stays_in_response,
};

/// The request's response as it was before the backend's headers were added, to be restored if the
/// backend fails before anything has been sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    status: c_int,
    line: *const c_char,
    headers: *mut sys::apr_table_t,
    /// The backend's headers are in the table of those before, which had none.
    has_lent_its_table: bool,
}

impl Before {
    pub(crate) fn of(request: Request<'_>) -> Self {
        Self {
            status: request.status(),
            line: request.status_line(),
            headers: request.headers_out().as_ptr(),
            has_lent_its_table: false,
        }
    }

    /// The headers, which are in the pool of the request that they are of.
    fn headers<'r>(self, _request: Request<'r>) -> Table<'r> {
        // SAFETY: a table of this request, which nobody takes away while it lives.
        unsafe { Table::from_ptr(self.headers) }
    }

    /// The table for `count` headers of the backend, with those from before that stay.
    fn table<'r>(&mut self, request: Request<'r>, count: usize) -> Table<'r> {
        let before = self.headers(request);
        if before.is_empty() {
            self.has_lent_its_table = true;
            return before;
        }
        let pool = request.pool();
        let headers = Table::new(pool, count + 2);
        for (name, value) in before.entries().filter(|(name, _)| stays_in_response(name)) {
            headers.add(pool.copy(name), pool.copy(value));
        }
        request.set_headers_out(headers);
        headers
    }

    /// Removes the backend's status and headers.
    pub(crate) fn restore(self, request: Request<'_>) {
        let headers = self.headers(request);
        if self.has_lent_its_table {
            headers.clear();
        }
        request.set_status(self.status, self.line);
        request.set_headers_out(headers);
    }
}

/// Puts the backend's status and headers into the response. Returns whether its body is dropped,
/// because ProxyErrorOverride sends httpd's own error page.
pub(crate) fn begin(request: Request<'_>, head: &SendHeaders, before: &mut Before) -> bool {
    let conf = request.proxy_dir_conf();
    let headers = before.table(request, head.count());
    let texts = HeadTexts::of(head, request.pool());
    request.set_status(head.status.into(), texts.status_line(head));
    let mut has_length = false;
    for (name, value) in head.headers() {
        let add = |value| headers.add(texts.name(name), value);
        match ResponseHeaderRule::of(name) {
            ResponseHeaderRule::Dropped => {}
            ResponseHeaderRule::Length if has_length => {}
            ResponseHeaderRule::Length => {
                has_length = true;
                headers.add(c"Content-Length".as_ptr(), texts.number(value));
            }
            ResponseHeaderRule::Copied => add(texts.text(value)),
            ResponseHeaderRule::Type => {
                let value = texts.text(value);
                add(value);
                // SAFETY: the request is live; the text is in its pool. Sets up filters by type.
                unsafe { sys::ap_set_content_type(request.as_ptr(), value) };
            }
            // SAFETY: request and configuration are live, the text is in the request's pool.
            ResponseHeaderRule::Cookie => add(unsafe {
                sys::ap_proxy_cookie_reverse_map(request.as_ptr(), conf, texts.text(value))
            }),
            // SAFETY: as above.
            ResponseHeaderRule::Location => add(unsafe {
                sys::ap_proxy_location_reverse_map(request.as_ptr(), conf, texts.text(value))
            }),
        }
    }
    if says_no_length(head.status, || headers.get(c"Content-Length")) {
        headers.unset(c"Content-Length");
    }
    let status = c_int::from(head.status);
    // SAFETY: conf is mod_proxy's for this request; ap_proxy_should_override only reads it.
    let overrides = |status| unsafe { sys::ap_proxy_should_override(conf, status) != 0 };
    if overrides(status) {
        if head.status == 401 {
            keep_challenges(request, headers);
        }
        return true;
    }
    if overrides(before.status) {
        // This is the page of an ErrorDocument: the error status stays.
        request.set_status(before.status, before.line);
    }
    false
}

/// Keeps a 200 whole, just before the first part of the response is passed on: the backend's answer is
/// complete, whatever range the client asked for, and whether or not it arrived in one piece.
///
/// Any other response may become one of httpd's own: a 304 the response that mod_cache has stored, an
/// error a page of httpd's; and mod_xsendfile sends a file.
pub(crate) fn keep_whole(request: Request<'_>) {
    let headers = request.headers_out();
    let is_file = || X_SENDFILE.iter().any(|name| headers.get(name).is_some());
    if request.status() == sys::HTTP_OK as c_int && !is_file() {
        // SAFETY: the request is live, and its filters are not at work.
        unsafe { response_end::keep_from_ranges(request) }
    }
}

const X_SENDFILE: [&CStr; 2] = [c"X-Sendfile", c"X-Sendfile-Temporary"];

/// The texts of a response's head in the request's pool. They are C strings in the packet already, so that one
/// copy is made of all.
struct HeadTexts<'r, 'h> {
    pool: Pool<'r>,
    payload: &'h [u8],
    copy: *mut c_char,
}

impl<'r, 'h> HeadTexts<'r, 'h> {
    fn of(head: &'h SendHeaders, pool: Pool<'r>) -> Self {
        let payload = head.payload();
        Self { pool, payload, copy: pool.copy(payload) }
    }

    /// The copy of a text that lies in the payload.
    fn text(&self, text: &[u8]) -> *const c_char {
        match self.place(text) {
            // SAFETY: `at` is below the length of the payload, of which this is a copy.
            Some(at) => unsafe { self.copy.add(at) },
            None => self.pool.copy(text),
        }
    }

    /// Where a text lies in the payload, with a NUL behind it.
    fn place(&self, text: &[u8]) -> Option<usize> {
        let at = (text.as_ptr() as usize).wrapping_sub(self.payload.as_ptr() as usize);
        let end = at.checked_add(text.len())?;
        (self.payload.get(end) == Some(&0x00)).then_some(at)
    }

    /// `NNN reason`; null if the backend gave no reason, so that httpd uses its own text. The number is written
    /// before the copy of the reason, where the packet has the status and the length of the reason.
    fn status_line(&self, head: &SendHeaders) -> *const c_char {
        let reason = head.reason();
        let [hundreds, tens, ones] =
            [100, 10, 1].map(|unit| b'0' + (head.status / unit % 10) as u8);
        let number = [hundreds, tens, ones, b' '];
        match self.place(reason).and_then(|at| at.checked_sub(number.len())) {
            _ if reason.is_empty() => std::ptr::null(),
            // SAFETY: the four bytes lie in the copy, just before the reason. There are the status and the length of
            // the reason, of which nothing else is made; and nobody else has the copy.
            Some(start) => unsafe {
                let start = self.copy.add(start);
                start.cast::<[u8; 4]>().write_unaligned(number);
                start
            },
            None => self.pool.concat(&[&number, reason]),
        }
    }

    /// A header's name as a key of httpd's tables.
    fn name(&self, name: ResponseHeaderName<'_>) -> *const c_char {
        match name.code() {
            Some(header) => header.c_name().as_ptr(),
            None => self.text(name.name()),
        }
    }

    /// A Content-Length as a plain number.
    fn number(&self, value: &[u8]) -> *const c_char {
        if is_plain_number(value) {
            return self.text(value);
        }
        match content_length(value) {
            Some(number) => self.pool.copy_number(number),
            None => self.pool.copy(value.trim_ascii()),
        }
    }
}

/// Keeps the challenges that a 401 needs, also with httpd's own page.
fn keep_challenges(request: Request<'_>, headers: Table<'_>) {
    let challenges = headers.entries().filter(|(n, _)| n.eq_ignore_ascii_case(b"www-authenticate"));
    let (pool, out) = (request.pool(), request.err_headers_out());
    let mut count = 0;
    for (_, challenge) in challenges {
        out.add(c"WWW-Authenticate".as_ptr(), pool.copy(challenge));
        count += 1;
    }
    if count == 0 {
        log::debug_request(request, format_args!("the backend sent 401 without WWW-Authenticate"));
    }
}
