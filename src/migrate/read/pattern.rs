//! Patterns of mounts, where `*` matches any characters and `?` one, and their regular expressions.
//!
//! mod_jk compares a pattern with the path as Tomcat sees it: without the parameters of its segments,
//! and with each `//` replaced by `/` after that (`/app;v=1/;x//y` is `/app/y`). ProxyPassMatch sees the
//! unchanged path. So in the expression a `/` matches any number of empty segments, `;…` may precede
//! each `/` and the end, and nothing matches inside parameters.
//!
//! PCRE gives up after a number of steps, and httpd treats that as "no match". So the steps of an
//! expression must be proportional to the path's length, and its memory constant: each group of
//! variable length is possessive or atomic, and ends where the next part of the pattern is found
//! first. No later place can match better, since another `*` or the end of the path follows.

use std::cmp::Reverse;

/// A pattern that begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

/// The reason why a pattern is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It does not begin with `/`.
    NoSlash,
    /// It has `;` or `//`, which no path has when mod_jk compares it.
    NeverMatches,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The pattern cannot match any path.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::NoSlash);
        }
        if text.contains(';') || text.contains("//") {
            return Err(PatternError::NeverMatches);
        }
        Ok(Self(text.into()))
    }

    /// Returns the pattern as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key of mod_jk's order: more slashes first, then the longer pattern.
    #[must_use]
    pub fn specificity(&self) -> (Reverse<usize>, Reverse<usize>) {
        (Reverse(self.0.matches('/').count()), Reverse(self.0.len()))
    }

    /// Returns the part before the first wildcard.
    fn literal(&self) -> &str {
        self.0.split(['*', '?']).next().unwrap_or("")
    }

    /// Returns true only if no path matches both.
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

    /// Returns true only if every path that matches `other` matches this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let is_prefix = self.0.strip_suffix('*') == Some(self.literal());
        let is_exact = !other.0.contains(['*', '?']);
        self == other
            || (is_exact && self.matches(&other.0))
            || (is_prefix && other.literal().starts_with(self.literal()))
    }

    /// Returns whether a path (without parameters) matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        glob(self.0.as_bytes(), path.as_bytes())
    }

    /// Returns the expression for ProxyPassMatch and LocationMatch.
    #[must_use]
    pub fn regex(&self) -> String {
        format!("^{}", self.body())
    }

    /// Returns the expression for paths that match both.
    #[must_use]
    pub fn regex_with(&self, other: &Self) -> String {
        if self.contains(other) {
            return other.regex();
        }
        format!("^(?={}){}", self.body(), other.body())
    }

    /// Returns the expression for paths that match this pattern, none of the others, and none of the
    /// guards, which are expressions without their `^`.
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
        // Without a wildcard, no path that a guard matches can match.
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

/// What follows a piece of a pattern without `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A `*`, and another piece.
    Wildcard,
    /// Anything.
    Open,
    /// The end of the path.
    OfPath,
}

/// The parameters of a segment, all or none.
const PARAMETERS: &str = "(?:;[^/]*+)?";
/// A slash, with all empty segments that follow.
const SLASH: &str = "(?:(?:;[^/]*+)?/)++";
/// One character of the path that mod_jk compares.
const CHARACTER: &str = "(?:[^;/]|(?:(?:;[^/]*+)?/)++)";

/// Returns the expression for a piece without `*` that begins at the current place.
fn fixed(piece: &str, end: End) -> String {
    let mut regex = String::new();
    let mut chars = piece.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if end == End::Open && chars.peek().is_none() => {
                // Nothing precedes the first slash of a path.
                if !regex.is_empty() {
                    regex.push_str(PARAMETERS);
                }
                regex.push('/');
            }
            '/' => regex.push_str(SLASH),
            '?' => regex.push_str(CHARACTER),
            // As codes, since not all parsers of quoted words treat these characters alike.
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

/// Returns the expression for a piece after `*`, which begins at the current place or later.
fn found(piece: &str, end: End) -> String {
    if let Some(rest) = piece.strip_prefix('/') {
        // Any number of segments.
        return format!("(?>(?:[^;/]*+{SLASH})+?{})", fixed(rest, end));
    }
    let here = fixed(piece, end);
    if end == End::OfPath && !piece.contains(['/', '?']) {
        // In the last segment.
        return format!("(?:[^;/]*+{SLASH})*+[^;/]*?{here}");
    }
    format!("(?:(?!{here}){CHARACTER})*+{here}")
}

/// Returns whether the pattern matches the whole text. Takes time proportional to the product of their lengths.
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
    fn more_slashes_come_first_and_then_the_longer_pattern() {
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
    fn contains_and_excludes_are_true_only_if_it_is_certain() {
        let (app, part, jsp) = (pattern("/app/*"), pattern("/app/static/*.png"), pattern("/*.jsp"));
        assert!(app.contains(&part) && !part.contains(&app) && !app.contains(&jsp));
        assert!(pattern("/b/*").excludes(&app) && !app.excludes(&jsp) && !app.excludes(&part));
        assert!(pattern("/a").excludes(&pattern("/ab")), "no wildcards: only equals match");
        assert_eq!(app.regex_with(&part), part.regex());
        assert!(app.regex_with(&jsp).starts_with(&format!("^(?={SLASH}app")));
    }

    #[test]
    fn a_pattern_that_never_matches_is_an_error() {
        assert_eq!(Pattern::parse("*.jsp"), Err(PatternError::NoSlash));
        assert_eq!(Pattern::parse("/a;b"), Err(PatternError::NeverMatches));
        assert_eq!(Pattern::parse("/a//b"), Err(PatternError::NeverMatches));
    }
}
