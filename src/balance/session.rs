//! The member of a balancer to which a client's session belongs.

use std::ops::Deref;

use memchr::{memchr_iter, memchr2};

/// A balancer's settings for sessions: `stickysession`, `stickysessionsep`, `scolonpathdelim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky<T> {
    /// The cookie's name.
    pub cookie: T,
    /// The name of the parameter in the URL.
    pub path: T,
    /// The separator of session and route; `None`: the whole id is the route.
    pub separator: Option<u8>,
    /// Whether a semicolon ends the parameter in the URL.
    pub ends_at_semicolon: bool,
}

impl<T: Deref<Target = [u8]>> Sticky<T> {
    /// The routes that a request names, those of its URL first, then those of its cookies, each in
    /// their order.
    ///
    /// A client can have several sessions, of other applications or former ones; mod_proxy looks at the
    /// first only, mod_jk at all. An id without a route gives none. As in mod_proxy, the route follows
    /// the first separator.
    ///
    /// `query` is the query string, if it is not a part of `url`.
    pub fn routes<'s, 'r: 's>(
        &'s self,
        url: &'r [u8],
        query: Option<&'r [u8]>,
        cookies: Option<&'r [u8]>,
    ) -> impl Iterator<Item = &'r [u8]> {
        self.routes_in_url(url, query).chain(self.routes_in_cookies(cookies))
    }

    /// Those of [`routes`](Self::routes) that the URL names.
    pub fn routes_in_url<'s, 'r: 's>(
        &'s self,
        url: &'r [u8],
        query: Option<&'r [u8]>,
    ) -> impl Iterator<Item = &'r [u8]> {
        let ids = [url].into_iter().chain(query).flat_map(|text| self.in_url(text));
        ids.filter_map(|id| self.route(id))
    }

    /// Those of [`routes`](Self::routes) that the cookies name.
    pub fn routes_in_cookies<'s, 'r: 's>(
        &'s self,
        cookies: Option<&'r [u8]>,
    ) -> impl Iterator<Item = &'r [u8]> {
        let ids = cookies.into_iter().flat_map(|cookies| self.in_cookies(cookies));
        ids.filter_map(|id| self.route(id))
    }

    /// Whether a cookie or a parameter has its name, whatever the value, and whatever stands before the name.
    ///
    /// mod_proxy_balancer takes more for a cookie than [`routes`](Self::routes): any blank begins one, and an empty
    /// route is a route.
    pub fn is_named(&self, url: &[u8], query: Option<&[u8]>, cookies: Option<&[u8]>) -> bool {
        let in_url = |text: &[u8]| values_behind(text, &self.path).next().is_some();
        let in_cookies = |cookies: &[u8]| {
            let mut names = memchr_iter(b'=', cookies).map(|at| cookies[..at].trim_ascii_end());
            !self.cookie.is_empty() && names.any(|before| before.ends_with(&self.cookie))
        };
        in_url(url) || query.is_some_and(in_url) || cookies.is_some_and(in_cookies)
    }

    /// The routes in a URL. A parameter of a segment ends with its segment.
    fn in_url<'s, 'r: 's>(&'s self, url: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
        let ends = move |byte: &u8| {
            matches!(byte, b'?' | b'&' | b'/') || (self.ends_at_semicolon && *byte == b';')
        };
        values_behind(url, &self.path)
            .map(move |value| value.split(ends).next().unwrap_or_default())
    }

    fn in_cookies<'s, 'r: 's>(&'s self, cookies: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
        // There are few equals signs, and a cookie's name stands before its first.
        memchr_iter(b'=', cookies).filter_map(|at| {
            let before = cookies[..at].trim_ascii_end().strip_suffix(&*self.cookie)?;
            let is_name = matches!(before.trim_ascii_end().last(), None | Some(b';' | b','));
            if !is_name || self.cookie.is_empty() {
                return None;
            }
            let rest = &cookies[at + 1..];
            let value = rest[..memchr2(b';', b',', rest).unwrap_or(rest.len())].trim_ascii();
            let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            Some(bare.unwrap_or(value))
        })
    }

    fn route<'r>(&self, id: &'r [u8]) -> Option<&'r [u8]> {
        let route = match self.separator {
            Some(separator) => &id[id.iter().position(|byte| *byte == separator)? + 1..],
            None => id,
        };
        (!route.is_empty()).then_some(route)
    }
}

/// The values that follow `name=` anywhere in `text`.
fn values_behind<'s, 'r: 's>(text: &'r [u8], name: &'s [u8]) -> impl Iterator<Item = &'r [u8]> {
    // There are few equals signs, and the name is looked for before each of them alone.
    let equals = memchr_iter(b'=', text);
    let ends = equals.filter(move |at| !name.is_empty() && text[..*at].ends_with(name));
    ends.map(|at| &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sticky() -> Sticky<Vec<u8>> {
        Sticky {
            cookie: b"JSESSIONID".to_vec(),
            path: b"jsessionid".to_vec(),
            separator: Some(b'.'),
            ends_at_semicolon: true,
        }
    }

    fn routes(url: &str, cookies: &str) -> Vec<String> {
        let text = |route: &[u8]| String::from_utf8_lossy(route).into_owned();
        sticky().routes(url.as_bytes(), None, Some(cookies.as_bytes())).map(text).collect()
    }

    #[test]
    fn the_route_follows_the_first_separator() {
        assert_eq!(routes("/", "JSESSIONID=1.a"), ["a"]);
        assert_eq!(routes("/", "JSESSIONID=1.a.b"), ["a.b"]);
        assert!(routes("/", "JSESSIONID=1").is_empty());
        assert!(routes("/", "JSESSIONID=1.").is_empty());
        assert!(routes("/", "JSESSIONID=").is_empty());
    }

    #[test]
    fn every_cookie_of_the_name_counts_in_its_order_and_no_other() {
        let cookies =
            "XJSESSIONID=0.x; JSESSIONID=1.zz; JSESSIONID = \"2.b\",JSESSIONID=3.c; j=4.d";
        assert_eq!(routes("/", cookies), ["zz", "b", "c"]);
    }

    /// As RFC 6265 5.4 has them: pairs between semicolons (or commas), the name before the first equals sign.
    fn in_pairs(cookies: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
        let pairs = cookies.split(|byte| matches!(byte, b';' | b','));
        let named = pairs.filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let value = pair[at + 1..].trim_ascii();
            let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            (pair[..at].trim_ascii() == name).then(|| bare.unwrap_or(value).to_vec())
        });
        named.collect()
    }

    #[test]
    fn any_cookies_are_read_as_pairs() {
        let parts: [&[u8]; 9] = [b"j", b"jj", b"=", b";", b",", b" ", b"\"", b"1.a", b"\t"];
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut cookies = Vec::new();
            for _ in 0..10 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                cookies.extend_from_slice(parts[(seed >> 33) as usize % parts.len()]);
            }
            let sticky = Sticky { cookie: b"j".to_vec(), ..sticky() };
            let found: Vec<_> = sticky.in_cookies(&cookies).map(<[u8]>::to_vec).collect();
            let text = String::from_utf8_lossy(&cookies);
            assert_eq!(found, in_pairs(&cookies, b"j"), "{text}");
        }
    }

    #[test]
    fn the_url_comes_first() {
        assert_eq!(routes("/p;jsessionid=1.a/q?x=1.b", "JSESSIONID=2.c"), ["a", "c"]);
        assert_eq!(routes("/p;jsessionid=1.a;v=2?x", ""), ["a"]);
        assert_eq!(routes("/p?jsessionid=1.a&x=2", ""), ["a"]);
        assert!(routes("/p?jsessionids=1.a", "").is_empty());
        let apart = sticky();
        let query = Some(&b"x=1&jsessionid=1.a&y=2"[..]);
        let mut found = apart.routes(b"/p;jsessionid=1.b", query, Some(b"JSESSIONID=2.c"));
        assert_eq!(found.next(), Some(&b"b"[..]));
        assert_eq!(found.next(), Some(&b"a"[..]));
        assert_eq!(found.next(), Some(&b"c"[..]));
    }

    #[test]
    fn without_a_separator_the_whole_id_is_the_route() {
        let whole = Sticky { separator: None, ..sticky() };
        assert_eq!(whole.routes(b"/", None, Some(b"JSESSIONID=a.b")).next(), Some(&b"a.b"[..]));
        assert_eq!(whole.routes(b"/p;jsessionid=a.b", None, None).next(), Some(&b"a.b"[..]));
    }

    #[test]
    fn an_empty_name_finds_nothing() {
        let nameless = Sticky { path: Vec::new(), cookie: Vec::new(), ..sticky() };
        assert_eq!(nameless.routes(b"/a=1.b", None, Some(b"c=1.d")).next(), None);
    }

    #[test]
    fn a_session_is_named_whatever_its_value_and_whatever_stands_before_the_name() {
        let is_named = |url: &[u8], query, cookies| sticky().is_named(url, query, cookies);
        assert!(is_named(b"/x;jsessionid=/y", None, None));
        assert!(is_named(b"/x", Some(b"a&jsessionid=1"), None));
        for cookies in [&b"JSESSIONID=x"[..], b"JSESSIONID =", b"a=b JSESSIONID=x.b"] {
            assert!(is_named(b"/x", None, Some(cookies)), "{cookies:?}");
        }
        assert!(!is_named(
            b"/jsessionid/x=1",
            Some(b"JSESSIONID=1"),
            Some(b"jsessionid=1; JSESSIONID")
        ));
        let unnamed = Sticky { cookie: b"".to_vec(), path: b"".to_vec(), ..sticky() };
        assert!(!unnamed.is_named(b"/x=1", Some(b"=2"), Some(b"=3; a=4")));
    }
}
