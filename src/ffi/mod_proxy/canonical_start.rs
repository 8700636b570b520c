//! The beginning of a backend's URL that httpd would leave as it is.

use std::cell::RefCell;

use crate::ffi::mod_proxy::backend_url::NetLoc;

/// Where the parts of such a URL are: `ajp://host:port/path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CanonicalStart {
    /// Where the host begins.
    host: usize,
    /// Where `host[:port]` ends, without AJP's default port.
    authority: usize,
    /// Where the path begins, behind its slash.
    pub(crate) path: usize,
}

/// The one that a thread has seen last. The next request is mostly for the same backend.
struct Last {
    text: [u8; MOST],
    start: CanonicalStart,
}

/// A longer one is looked at each time.
const MOST: usize = 64;

thread_local! {
    // Nothing begins as it does at first, since no URL begins with a NUL.
    static LAST: RefCell<Last> = const {
        let start = CanonicalStart { host: 0, authority: 0, path: 1 };
        RefCell::new(Last { text: [0; MOST], start })
    };
}

impl CanonicalStart {
    /// That of this URL; `None`: httpd would change it, or it is left to APR.
    pub(crate) fn of(url: &[u8]) -> Option<Self> {
        let seen = LAST.try_with(|last| last.try_borrow().ok().and_then(|last| last.start_of(url)));
        seen.ok().flatten().or_else(|| Self::anew(url))
    }

    #[cold]
    fn anew(url: &[u8]) -> Option<Self> {
        let found = NetLoc::of(url).filter(|found| found.is_canonical)?;
        let start = Self {
            host: found.host.start,
            authority: found.host.start + found.authority(url).len(),
            path: found.end + 1,
        };
        // A thread that ends keeps none.
        let _ = LAST.try_with(|last| {
            if let (Some(text), Ok(mut last)) = (url.get(..start.path), last.try_borrow_mut()) {
                if let Some(kept) = last.text.get_mut(..text.len()) {
                    kept.copy_from_slice(text);
                    last.start = start;
                }
            }
        });
        Some(start)
    }

    /// `host[:port]` as a canonical URL has it.
    pub(crate) fn authority(self, url: &[u8]) -> &[u8] {
        url.get(self.host..self.authority).unwrap_or_default()
    }
}

impl Last {
    fn start_of(&self, url: &[u8]) -> Option<CanonicalStart> {
        let text = self.text.get(..self.start.path)?;
        url.starts_with(text).then_some(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Authority and path.
    fn parts(url: &str) -> Option<(&str, &str)> {
        let start = CanonicalStart::of(url.as_bytes())?;
        let authority = std::str::from_utf8(start.authority(url.as_bytes())).unwrap();
        Some((authority, &url[start.path..]))
    }

    #[test]
    fn a_url_is_taken_apart_alike_whatever_came_before() {
        let long = format!("{}.example", "a".repeat(100));
        let long_url = format!("ajp://{long}:8010/x");
        let urls = [
            ("ajp://h:8010/x", Some(("h:8010", "x"))),
            ("ajp://h:8010/", Some(("h:8010", ""))),
            ("ajp://h:80100/x", None),
            ("ajp://h:801/x", Some(("h:801", "x"))),
            ("ajp://h:8009/x/y", Some(("h", "x/y"))),
            ("ajp://h/x", Some(("h", "x"))),
            ("AJP://h/x", Some(("h", "x"))),
            ("ajp://127.0.0.1:8010/x?y", Some(("127.0.0.1:8010", "x?y"))),
            ("ajp://127.0.0.1:8010", None),
            ("ajp://127.0.0.01:8010/x", None),
            ("ajp://H/x", None),
            ("", None),
            (&*long_url, Some((&*[&*long, ":8010"].concat(), "x"))),
        ]
        .map(|(url, wanted)| (url, wanted.map(|(authority, path)| (authority.to_owned(), path))));
        for (before, _) in &urls {
            for (url, wanted) in &urls {
                let wanted = wanted.as_ref().map(|(authority, path)| (&**authority, *path));
                let _ = CanonicalStart::of(before.as_bytes());
                assert_eq!((parts(url), parts(url)), (wanted, wanted), "{url} after {before}");
            }
        }
    }
}
