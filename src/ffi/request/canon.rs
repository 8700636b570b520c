//! The URL of a request made canonical: `proxy_ajp_canon` of mod_proxy_ajp, guards included.

use std::ffi::{c_char, c_int};
use std::fmt;

use memchr::memchr;

use crate::backend::WarningKind;
use crate::ffi::apr::text;
use crate::ffi::httpd::log;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::backend_url::{DEFAULT_PORT, SCHEME, is_ajp};
use crate::ffi::mod_proxy::canonical_start::CanonicalStart;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;
use crate::messages::Message;
use crate::protocol::alphanumeric_or;
use crate::shared::MemberKey;

/// Sets `r->filename` to `proxy:ajp://host[:port]/path[?query]`.
///
/// Declines other schemes. Returns 400 for a URL that cannot be parsed or decoded, and 403 for a
/// control character or a space that was not encoded, which could split the request.
///
/// # Safety
/// `url` is a NUL-terminated string of the request's pool.
pub(crate) unsafe fn canon(request: Request<'_>, url: *mut c_char) -> c_int {
    // SAFETY: as the caller promises. The view ends before netloc writes into the string.
    let Some(text) = unsafe { text::bytes(url) }.filter(|url| is_ajp(url)) else {
        return sys::DECLINED;
    };
    if let Some(start) = CanonicalStart::of(text) {
        // SAFETY: behind the slash of the path, which is in the string.
        let rest = unsafe { url.add(start.path) };
        return canonical(request, start.authority(text), rest, &text[start.path..]);
    }
    // SAFETY: `ajp:` has just been seen there.
    let mut rest = unsafe { url.add(SCHEME.len()) };
    let mut host = std::ptr::null_mut();
    let mut port: sys::apr_port_t = DEFAULT_PORT;
    // SAFETY: all strings are in the request's pool; netloc moves `rest` behind host and port.
    let error = unsafe {
        sys::ap_proxy_canon_netloc(
            request.pool().as_ptr(),
            &raw mut rest,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut host,
            &raw mut port,
        )
    };
    // SAFETY: null or a string of the request's pool.
    if let Some(error) = unsafe { text::bytes(error) } {
        // SAFETY: still a string of the request's pool, whatever netloc made of it.
        let url = unsafe { text::bytes(url) }.unwrap_or_default();
        let (url, error) = (String::from_utf8_lossy(url), String::from_utf8_lossy(error));
        log_at_will(request, Message::UrlInvalid, format_args!("{url}: {error}"));
        return sys::HTTP_BAD_REQUEST as c_int;
    }
    // SAFETY: set by ap_proxy_canon_netloc, in the request's pool.
    let (Some(host), Some(raw_path)) = (unsafe { (text::bytes(host), text::bytes(rest)) }) else {
        return sys::HTTP_BAD_REQUEST as c_int;
    };
    let is_ipv6 = memchr(b':', host).is_some();
    let (open, close): (&[u8], &[u8]) = if is_ipv6 { (b"[", b"]") } else { (b"", b"") };
    let port = if port == DEFAULT_PORT { String::new() } else { format!(":{port}") };
    let authority = [open, host, close, port.as_bytes()].concat();
    canonical(request, &authority, rest, raw_path)
}

/// The same, with `host[:port]`. `raw_path` is the text of `rest`.
fn canonical(
    request: Request<'_>,
    authority: &[u8],
    rest: *const c_char,
    raw_path: &[u8],
) -> c_int {
    let notes = request.notes();
    let is_as_sent = notes.get(c"proxy-nocanon").is_some();
    // With proxy-nocanon, it is the client's own URL, query included.
    let query = if is_as_sent { None } else { request.args() };
    let path = if is_as_sent || notes.get(c"proxy-noencode").is_some() {
        if has_control_or_space(raw_path) {
            return forbidden(request, "path");
        }
        raw_path
    } else if is_encoded(raw_path) {
        raw_path
    } else {
        let Some(encoded) = encoded(request, rest, raw_path.len()) else {
            return sys::HTTP_BAD_REQUEST as c_int;
        };
        encoded
    };
    if query.is_some_and(has_control_or_space) {
        return forbidden(request, "query string");
    }
    let (mark, query): (&[u8], &[u8]) = query.map_or((b"", b""), |query| (b"?", query));
    let name = [b"proxy:ajp://", authority, b"/", path, mark, query];
    request.set_filename(request.pool().concat(&name));
    sys::OK as c_int
}

/// Whether the path has only characters that stand for themselves in it, which [`encoded`] leaves as they are.
fn is_encoded(path: &[u8]) -> bool {
    path.iter().all(|byte| STANDS_FOR_ITSELF[usize::from(*byte)])
}

/// Letters, digits, and what `ap_proxy_canonenc` allows in a path.
const STANDS_FOR_ITSELF: [bool; 256] = alphanumeric_or(b"~$-_.+!*'(),;:@&=/");

/// Encodes what a URL needs encoded in a path; encoded slashes stay as they are if AllowEncodedSlashes
/// is NoDecode. `None`: an invalid escape.
fn encoded<'r>(request: Request<'r>, path: *const c_char, len: usize) -> Option<&'r [u8]> {
    let (pool, r) = (request.pool().as_ptr(), request.as_ptr());
    let len = c_int::try_from(len).ok()?;
    // SAFETY: the request is live and `path` a string of its pool; the result is null or one too.
    unsafe {
        #[cfg(httpd_has_canonenc_ex)]
        let encoded = {
            let flags = if request.keeps_encoded_slashes() { KEEP_ENCODED_SLASHES } else { 0 };
            sys::ajp_shim_canonenc_ex(pool, path, len, sys::enctype_enc_path, flags, (*r).proxyreq)
        };
        #[cfg(not(httpd_has_canonenc_ex))]
        let encoded =
            sys::ap_proxy_canonenc(pool, path, len, sys::enctype_enc_path, 0, (*r).proxyreq);
        text::bytes(encoded)
    }
}

#[cfg(httpd_has_canonenc_ex)]
const KEEP_ENCODED_SLASHES: c_int = sys::PROXY_CANONENC_NOENCODEDSLASHENCODING as c_int;

/// Whether the text has bytes at which `ap_scan_vchar_obstext` stops: all but visible characters and
/// bytes above 0x7f.
fn has_control_or_space(text: &[u8]) -> bool {
    text.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)
}

fn forbidden(request: Request<'_>, what: &str) -> c_int {
    log_at_will(
        request,
        Message::UrlForbidden,
        format_args!("the {what} to be forwarded contains control characters or spaces"),
    );
    sys::HTTP_FORBIDDEN as c_int
}

/// Logs once a minute for all workers: no backend is known yet, and a client may choose the URL.
fn log_at_will(request: Request<'_>, message: Message, text: fmt::Arguments<'_>) {
    let Some(child) = ServerState::child_of(request.server()) else { return };
    let warnings = child.warnings(MemberKey::of(&[SCHEME]));
    log::at_will(request, message, Some((&warnings, WarningKind::Url)), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_needs_no_encoding_has_letters_digits_and_a_few_marks() {
        let stands: Vec<u8> = (0..=255).filter(|byte| is_encoded(&[*byte])).collect();
        let wanted =
            b"!$&'()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
        assert_eq!(stands.escape_ascii().to_string(), wanted.escape_ascii().to_string());
        assert!(is_encoded(b"") && !is_encoded(b"a/b%2F") && !is_encoded(b"a b"));
    }

    #[test]
    fn a_query_or_path_with_a_control_character_or_space_is_forbidden() {
        for bad in [&b"a b"[..], b"a\tb", b"a\r\nX: y", b"\x00", b"a\x7f"] {
            assert!(has_control_or_space(bad), "{bad:?}");
        }
        for good in [&b""[..], b"a=b&c=%20", b"\xc3\xa4~"] {
            assert!(!has_control_or_space(good), "{good:?}");
        }
    }
}
