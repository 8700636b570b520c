//! The backend's URL, taken apart.

use std::ffi::c_char;
use std::ops::Range;

use memchr::{memchr, memchr2};

use crate::ffi::apr::text;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;

/// The parts of the backend's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uri<'r> {
    pub(crate) host: &'r [u8],
    pub(crate) port: u16,
    pub(crate) path: &'r [u8],
    pub(crate) query: Option<&'r [u8]>,
}

impl<'r> Uri<'r> {
    /// Parses a URL; `None` if APR finds no host in it.
    ///
    /// # Safety
    /// `url` is a string that lives as long as the request.
    pub(crate) unsafe fn of(request: Request<'r>, url: *const c_char) -> Option<Self> {
        // SAFETY: as the caller promises.
        unsafe { Self::plain(text::bytes(url)?).or_else(|| Self::parse(request, url)) }
    }

    /// Parses `ajp://host:port/path?query` and no more, as `canon` writes it: names, IPv4, and a port
    /// of digits only. [`parse`](Self::parse) is for everything else.
    fn plain(url: &'r [u8]) -> Option<Self> {
        Origin::of(url)?.uri(url)
    }

    /// # Safety
    /// `url` is a string that lives as long as the request.
    unsafe fn parse(request: Request<'r>, url: *const c_char) -> Option<Self> {
        let mut uri = std::mem::MaybeUninit::<sys::apr_uri_t>::zeroed();
        // SAFETY: apr_uri_parse fills in the whole record; its strings are in the request's pool.
        let uri = unsafe {
            if sys::apr_uri_parse(request.pool().as_ptr(), url, uri.as_mut_ptr()) != 0 {
                return None;
            }
            uri.assume_init()
        };
        // SAFETY: null, or strings of the request's pool.
        unsafe {
            Some(Self {
                host: text::bytes(uri.hostname).filter(|host| !host.is_empty())?,
                port: if uri.port == 0 { DEFAULT_PORT } else { uri.port },
                path: text::bytes(uri.path).unwrap_or(b"/"),
                query: text::bytes(uri.query),
            })
        }
    }
}

/// Host and port of a URL, of the plain forms that most have: names, IPv4, and a port of digits only.
#[derive(Debug)]
pub(crate) struct NetLoc {
    /// Where the host is.
    pub(crate) host: Range<usize>,
    pub(crate) port: u16,
    /// Where the path begins, with its slash.
    pub(crate) end: usize,
    /// Whether `ap_proxy_canon_netloc` leaves the host as it is: a name in lower case, or an address of IPv4.
    pub(crate) is_canonical: bool,
}

impl NetLoc {
    /// Those of this URL; `None`: of a form that is left to APR.
    pub(crate) fn of(url: &[u8]) -> Option<Self> {
        let start = SCHEME.len() + 2;
        if url.get(SCHEME.len()..start)? != b"//" {
            return None;
        }
        let rest = &url[start..];
        let mut seen = 0;
        let host_len = rest.iter().position(|byte| {
            let class = CLASSES[usize::from(*byte)];
            seen |= class;
            class == 0
        })?;
        let host = start..start + host_len;
        let is_canonical = match seen {
            0 => return None,
            NUMBER => is_ipv4(&rest[..host_len]),
            _ => seen & UPPER_CASE == 0,
        };
        let (port, port_len) = match &rest[host_len..] {
            [b'/', ..] => (DEFAULT_PORT, 0),
            [b':', behind @ ..] => port_before_path(behind)?,
            _ => return None,
        };
        Some(Self { end: host.end + port_len, host, port, is_canonical })
    }

    /// `host[:port]` as a canonical URL has it, where [`is_canonical`](Self::is_canonical).
    pub(crate) fn authority<'u>(&self, url: &'u [u8]) -> &'u [u8] {
        let end = if self.port == DEFAULT_PORT { self.host.end } else { self.end };
        url.get(self.host.start..end).unwrap_or_default()
    }
}

/// The port behind the colon, and the length of both; zeros in front are left to APR, too.
fn port_before_path(rest: &[u8]) -> Option<(u16, usize)> {
    let mut port = 0_u32;
    for (digits, byte) in rest.iter().enumerate().take(1 + MOST_DIGITS) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let is_port = *byte == b'/' && port > 0;
            return is_port.then_some((u16::try_from(port).ok()?, 1 + digits));
        }
        port = port * 10 + u32::from(digit);
        if port == 0 {
            return None;
        }
    }
    None
}

/// Those of the highest port.
const MOST_DIGITS: usize = 5;

/// What the bytes of a name or of an address of IPv4 are; 0: a byte that is in neither.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b'0'..=b'9' | b'.' => NUMBER,
            b'A'..=b'Z' => UPPER_CASE,
            b'a'..=b'z' | b'-' => LOWER_CASE,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

const NUMBER: u8 = 1;
const LOWER_CASE: u8 = 2;
const UPPER_CASE: u8 = 4;

/// Four numbers up to 255, without zeros in front. Nothing but digits and dots is given to it.
fn is_ipv4(host: &[u8]) -> bool {
    let mut numbers = 0;
    host.split(|byte| *byte == b'.').all(|number| {
        numbers += 1;
        let is_up_to_199 = matches!(number, [_] | [b'1'..=b'9', _] | [b'1', _, _]);
        is_up_to_199 || matches!(number, [b'2', b'0'..=b'4', _] | [b'2', b'5', b'0'..=b'5'])
    }) && numbers == 4
}

/// The beginning of a URL, `ajp://host:port`: taken apart once, for all URLs that begin so.
#[derive(Debug)]
pub(crate) struct Origin {
    text: Box<[u8]>,
    host: Range<usize>,
    port: u16,
}

impl Origin {
    /// The beginning of this URL; `None`: of a form that is left to APR.
    pub(crate) fn of(url: &[u8]) -> Option<Self> {
        let NetLoc { host, port, end, .. } = NetLoc::of(url)?;
        Some(Self { text: url[..end].into(), host, port })
    }

    /// The beginning of the URLs of this backend; `None`: they are left to APR.
    pub(crate) fn as_canon_writes_it(host: &[u8], port: u16) -> Option<Self> {
        let mut url = [SCHEME, b"//", host].concat();
        if port != DEFAULT_PORT {
            url.extend_from_slice(format!(":{port}").as_bytes());
        }
        url.push(b'/');
        Self::of(&url).filter(|found| found.port == port && found.host.len() == host.len())
    }

    /// Takes a URL apart that begins so; `None`: it does not, or is left to APR.
    pub(crate) fn uri<'r>(&self, url: &'r [u8]) -> Option<Uri<'r>> {
        let (origin, rest) = url.split_at_checked(self.text.len())?;
        if *origin != *self.text || !rest.starts_with(b"/") {
            return None;
        }
        let (path, query) = match memchr2(b'?', b'#', rest) {
            None => (rest, None),
            Some(end) => (&rest[..end], Some(rest[end..].strip_prefix(b"?")?)),
        };
        if query.is_some_and(|query| memchr(b'#', query).is_some()) {
            return None;
        }
        Some(Uri { host: origin.get(self.host.clone())?, port: self.port, path, query })
    }
}

/// Whether this is an ajp URL.
pub(crate) fn is_ajp(url: &[u8]) -> bool {
    url.starts_with(SCHEME)
        || url.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// The beginning of an ajp URL.
pub(crate) const SCHEME: &[u8] = b"ajp:";

/// AJP's default port (`ap_proxy_port_of_scheme`).
pub(crate) const DEFAULT_PORT: u16 = 8009;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_from_canon_is_parsed_in_place() {
        let uri = |host, port, path, query| Uri { host, port, path, query };
        for (url, parts) in [
            ("ajp://a.b-c:8010/app/x", uri(&b"a.b-c"[..], 8010, &b"/app/x"[..], None)),
            ("AJP://10.0.0.1/", uri(b"10.0.0.1", 8009, b"/", None)),
            ("ajp://h:65535/x?", uri(b"h", 65535, b"/x", Some(&b""[..]))),
            ("ajp://h/x?a=b:c/d?e", uri(b"h", 8009, b"/x", Some(b"a=b:c/d?e"))),
        ] {
            assert_eq!(Uri::plain(url.as_bytes()), Some(parts), "{url}");
        }
    }

    #[test]
    fn a_host_that_httpd_would_change_or_refuse_is_left_to_it() {
        let is_canonical = |host: &str| {
            let url = format!("ajp://{host}:8010/");
            NetLoc::of(url.as_bytes()).is_some_and(|found| found.is_canonical)
        };
        for host in [
            "a.b-c",
            "10.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "1a",
            "1.2.3.4.example",
            "localhost",
        ] {
            assert!(is_canonical(host), "{host}");
        }
        for host in [
            "Host",
            "10.0.0.256",
            "10.0.0.1000",
            "10..0.1",
            "1.2.3.4.5",
            "10.0.0",
            "1",
            "010.0.0.1",
            ".",
            "1.2.3.4.",
        ] {
            assert!(!is_canonical(host), "{host}");
        }
    }

    #[test]
    fn an_unusual_url_is_left_to_apr() {
        for url in [
            "ajp:",
            "ajp:/",
            "ajp:x",
            "ajp://",
            "ajp:///x",
            "ajp://h",
            "ajp://h?x=/",
            "ajp://:8009/",
            "ajp://u@h/x",
            "ajp://u:p@h:8009/x",
            "ajp://[::1]:8009/x",
            "ajp://h:/x",
            "ajp://h:0/x",
            "ajp://h:08/x",
            "ajp://h:65536/x",
            "ajp://h:123456/x",
            "ajp://h:+9/x",
            "ajp://h:80:9/x",
            "ajp://h_h/x",
            "ajp://h/x#y",
            "ajp://h/x?y#z",
            "ajp://h/x#y?z",
        ] {
            assert_eq!(Uri::plain(url.as_bytes()), None, "{url}");
        }
    }

    #[test]
    fn a_url_that_begins_otherwise_is_not_taken_apart_by_the_origin_of_another() {
        let origin = Origin::as_canon_writes_it(b"h", 8010).unwrap();
        for url in ["ajp://h:8010/", "ajp://h:8010/x?y"] {
            assert_eq!(origin.uri(url.as_bytes()), Uri::plain(url.as_bytes()), "{url}");
        }
        for host in [&b"::1"[..], b"fe80::1", b"", b"h/x", b"h_h"] {
            assert!(Origin::as_canon_writes_it(host, 8010).is_none(), "{host:?}");
        }
        for url in
            ["ajp://h:80100/", "ajp://h:8011/", "ajp://H:8010/", "ajp://h:8010", "ajp://h:801"]
        {
            assert_eq!(origin.uri(url.as_bytes()), None, "{url}");
        }
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        assert!(is_ajp(b"AJP://host/"));
        assert!(!is_ajp(b"ajps://host/"));
        assert!(!is_ajp(b"aj"));
    }
}
