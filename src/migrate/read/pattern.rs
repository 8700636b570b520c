//! Patterns of mounts: `*` any characters, `?` one; and the regular expressions they become.
//!
//! mod_jk compares a pattern with the path as Tomcat sees it: without the parameters of its segments,
//! and with `//` folded afterwards (`/app;v=1/;x//y` is `/app/y`). ProxyPassMatch sees all of it. So
//! a `/` of a pattern is any number of empty segments in the expression, `;…` may stand before each
//! `/` and at the end, and nothing matches within parameters.
//!
//! PCRE gives up after so many steps, and httpd takes that for "no match". So no expression may
//! need more than a multiple of the path's length, nor memory that grows with it: whatever can stand for several lengths
//! is possessive or atomic, and ends where what follows it in the pattern is first found. That
//! place is as good as any later one, since another `*` or the end of the path comes next.

use std::cmp::Reverse;

/// A pattern that begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

/// What a pattern begins with, or never matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It does not begin with `/`.
    NoSlash,
    /// It has `;` or `//`, which no path has when mod_jk compares it.
    NeverMatches,
}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// It cannot match.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::NoSlash);
        }
        if text.contains(';') || text.contains("//") {
            return Err(PatternError::NeverMatches);
        }
        Ok(Self(text.into()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// mod_jk's order: more slashes first, then the longer.
    #[must_use]
    pub fn specificity(&self) -> (Reverse<usize>, Reverse<usize>) {
        (Reverse(self.0.matches('/').count()), Reverse(self.0.len()))
    }

    /// What stands before the first wildcard.
    fn literal(&self) -> &str {
        self.0.split(['*', '?']).next().unwrap_or("")
    }

    /// Surely no path matches both.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        if !self.0.contains(['*', '?']) {
            return !other.matches(&self.0);
        }
        if !other.0.contains(['*', '?']) {
            return !self.matches(&other.0);
        }
        let (one, two) = (self.literal(), other.literal());
        !one.starts_with(two) && !two.starts_with(one)
    }

    /// Surely every path that matches `other` matches this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let is_prefix = self.0.strip_suffix('*') == Some(self.literal());
        let is_exact = !other.0.contains(['*', '?']);
        self == other
            || (is_exact && self.matches(&other.0))
            || (is_prefix && other.literal().starts_with(self.literal()))
    }

    /// Whether a path (without parameters) matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        glob(self.0.as_bytes(), path.as_bytes())
    }

    /// The expression for ProxyPassMatch and LocationMatch.
    #[must_use]
    pub fn regex(&self) -> String {
        format!("^{}", self.body())
    }

    /// The expression for what matches both.
    #[must_use]
    pub fn regex_with(&self, other: &Self) -> String {
        if self.contains(other) {
            return other.regex();
        }
        format!("^(?={}){}", self.body(), other.body())
    }

    /// The expression for what matches this one, none of the others, and none of the guards, which are
    /// expressions without their `^`.
    #[must_use]
    pub fn regex_without<'o>(
        &self,
        others: impl IntoIterator<Item = &'o Self>,
        guards: &[String],
    ) -> String {
        let mut regex = "^".to_owned();
        for other in others.into_iter().filter(|other| !self.excludes(other)) {
            regex.push_str(&format!("(?!{})", other.body()));
        }
        // Without wildcards there is no room for it.
        if self.0.contains(['*', '?', '%', '\\']) {
            guards.iter().for_each(|guard| regex.push_str(&format!("(?!{guard})")));
        }
        regex + &self.body()
    }

    fn body(&self) -> String {
        let (text, is_open) = match self.0.trim_end_matches('*') {
            text if text.len() < self.0.len() => (text, true),
            text => (text, false),
        };
        let mut pieces = text
            .split('*')
            .enumerate()
            .filter(|(at, piece)| *at == 0 || !piece.is_empty())
            .peekable();
        let mut regex = String::with_capacity(4 * text.len() + 64);
        while let Some((at, piece)) = pieces.next() {
            let is_last = pieces.peek().is_none();
            let end = match (is_last, is_open) {
                (true, false) => End::OfPath,
                (true, true) => End::Open,
                (false, _) => End::Wildcard,
            };
            if at == 0 {
                regex.push_str(&fixed(piece, end));
            } else {
                regex.push_str(&found(piece, end));
            }
        }
        regex
    }
}

/// What comes behind a piece of a pattern that has no `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A `*`, and more behind it.
    Wildcard,
    /// Whatever it is.
    Open,
    /// Nothing.
    OfPath,
}

/// Parameters of a segment, as a whole or not at all.
const PARAMETERS: &str = "(?:;[^/]*+)?";
/// A slash, with all empty segments behind it.
const SLASH: &str = "(?:(?:;[^/]*+)?/)++";
/// One character of the path as it is compared.
const CHARACTER: &str = "(?:[^;/]|(?:(?:;[^/]*+)?/)++)";

/// The expression for a piece without `*` that begins here.
fn fixed(piece: &str, end: End) -> String {
    let mut regex = String::new();
    let mut chars = piece.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if end == End::Open && chars.peek().is_none() => {
                // A path has none before its first.
                if !regex.is_empty() {
                    regex.push_str(PARAMETERS);
                }
                regex.push('/');
            }
            '/' => regex.push_str(SLASH),
            '?' => regex.push_str(CHARACTER),
            // By their codes, since every reader of quotes has its own way with these.
            '"' => regex.push_str(r"\x22"),
            '\\' => regex.push_str(r"\x5C"),
            c => {
                if r".+()[]{}^$|".contains(c) {
                    regex.push('\\');
                }
                regex.push(c);
            }
        }
    }
    if end == End::OfPath {
        regex.push_str(PARAMETERS);
        regex.push('$');
    }
    regex
}

/// The expression for a piece that begins here or later: behind a `*`.
fn found(piece: &str, end: End) -> String {
    if let Some(rest) = piece.strip_prefix('/') {
        // So many segments.
        return format!("(?>(?:[^;/]*+{SLASH})+?{})", fixed(rest, end));
    }
    let here = fixed(piece, end);
    if end == End::OfPath && !piece.contains(['/', '?']) {
        // In the last segment.
        return format!("(?:[^;/]*+{SLASH})*+[^;/]*?{here}");
    }
    format!("(?:(?!{here}){CHARACTER})*+{here}")
}

/// Does the pattern match the whole text? In time that grows with their lengths multiplied.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((behind, from)) = retry else { return false };
                retry = Some((behind, from + 1));
                p = behind;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn more_slashes_come_first_and_then_the_longer() {
        let mut all =
            ["/*", "/*.jsp", "/app/*", "/app/static/*", "/", "/application/*"].map(pattern);
        all.sort_by_key(Pattern::specificity);
        let sorted: Vec<_> = all.iter().map(Pattern::as_str).collect();
        assert_eq!(sorted, ["/app/static/*", "/application/*", "/app/*", "/*.jsp", "/*", "/"]);
    }

    #[test]
    fn the_expression_allows_parameters_where_a_segment_ends_and_is_linear() {
        let slash = "(?:(?:;[^/]*+)?/)++";
        for (text, regex) in [
            ("/app/*", "^/app(?:;[^/]*+)?/"),
            ("/app", "^/app(?:;[^/]*+)?$"),
            ("/*.jsp", r"^/(?:[^;/]*+/)*+[^;/]*?\.jsp(?:;[^/]*+)?$"),
            ("/*/admin/*", "^/(?>(?:[^;/]*+/)+?admin(?:;[^/]*+)?/)"),
            ("/*/*/x", "^/(?>(?:[^;/]*+/)+?)(?>(?:[^;/]*+/)+?x(?:;[^/]*+)?$)"),
            ("/app*b*", "^/app(?:(?!b)(?:[^;/]|/))*+b"),
            ("/app**", "^/app"),
            (r#"/a"\b"#, r"^/a\x22\x5Cb(?:;[^/]*+)?$"),
        ] {
            assert_eq!(pattern(text).regex().replace(slash, "/"), regex);
        }
        assert_eq!(pattern("/*").regex(), "^/");
    }

    #[test]
    fn wildcards_match_as_mod_jk_s_do() {
        for (text, path, wanted) in [
            ("/app/*", "/app/", true),
            ("/app/*", "/app", false),
            ("/*.jsp", "/a/b.jsp", true),
            ("/*.jsp", "/a.jsp/b", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/a/c", true),
            ("/a?c", "/ac", false),
            ("/a*b*c", "/axxbyyc", true),
            ("/App", "/app", false),
            ("/*", "/", true),
        ] {
            assert_eq!(pattern(text).matches(path), wanted, "{text} {path}");
        }
    }

    #[test]
    fn what_contains_and_what_excludes_another_is_known_where_it_is_sure() {
        let (app, part, jsp) = (pattern("/app/*"), pattern("/app/static/*.png"), pattern("/*.jsp"));
        assert!(app.contains(&part) && !part.contains(&app) && !app.contains(&jsp));
        assert!(pattern("/b/*").excludes(&app) && !app.excludes(&jsp) && !app.excludes(&part));
        assert!(pattern("/a").excludes(&pattern("/ab")), "no wildcards: only equals match");
        assert_eq!(app.regex_with(&part), part.regex());
        assert!(app.regex_with(&jsp).starts_with(&format!("^(?={SLASH}app")));
    }

    #[test]
    fn what_never_matches_is_told() {
        assert_eq!(Pattern::parse("*.jsp"), Err(PatternError::NoSlash));
        assert_eq!(Pattern::parse("/a;b"), Err(PatternError::NeverMatches));
        assert_eq!(Pattern::parse("/a//b"), Err(PatternError::NeverMatches));
    }
}
