//! The words of a configuration line, split as httpd splits them.

use std::borrow::Cow;

/// A word of a line. A line consists of words, each with the white space before it, and of the white space
/// at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The white space before it.
    pub space: &'a str,
    /// The word as it is written, with its quotes.
    pub raw: &'a str,
    /// The word without quotes and backslashes.
    pub text: Cow<'a, str>,
}

impl Word<'_> {
    /// Splits `key=value` at the first `=`, as mod_proxy does.
    #[must_use]
    pub fn parameter(&self) -> Option<(&str, &str)> {
        self.text.split_once('=')
    }
}

/// Splits a line as `ap_getword_conf` does: a quote counts only at the beginning of a word, and within
/// quotes a backslash escapes a quote and another backslash.
#[derive(Clone, Debug)]
pub struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// Iterates over the words of a line.
    #[must_use]
    pub fn of(line: &'a str) -> Self {
        Self(line)
    }

    /// Returns the rest of the line: after the last word, white space.
    #[must_use]
    pub fn rest(&self) -> &'a str {
        self.0
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let start = self.0.find(|c| !is_space(c))?;
        let (space, line) = self.0.split_at(start);
        let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (raw, text) = match quote {
            Some(quote) => quoted(line, quote),
            None => {
                let raw = &line[..line.find(is_space).unwrap_or(line.len())];
                (raw, raw.into())
            }
        };
        self.0 = &line[raw.len()..];
        Some(Word { space, raw, text })
    }
}

/// Returns the quoted word at the beginning of `line`, with and without its quotes; without a closing quote,
/// all of the line.
fn quoted(line: &str, quote: char) -> (&str, Cow<'_, str>) {
    let inner = &line[1..];
    let mut text = Cow::Borrowed("");
    let mut from = 0;
    let mut at = 0;
    while let Some(c) = inner[at..].chars().next() {
        let hidden = inner[at + c.len_utf8()..].chars().next();
        if c == quote {
            text += &inner[from..at];
            return (&line[..at + 2], text);
        }
        if c == '\\' && hidden.is_some_and(|hidden| hidden == quote || hidden == '\\') {
            text += &inner[from..at];
            from = at + 1;
            at += 1;
        }
        at += inner[at..].chars().next().map_or(1, char::len_utf8);
    }
    text += &inner[from..];
    (line, text)
}

/// C's isspace.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        Words::of(line).map(|word| word.text.into_owned()).collect()
    }

    #[test]
    fn words_are_split_where_httpd_splits_them() {
        for (line, wanted) in [
            ("/a  ajp://h/a\troute=b", &["/a", "ajp://h/a", "route=b"][..]),
            ("\"a b\" 'c \"d'", &["a b", "c \"d"]),
            ("route=\"b x\"", &["route=\"b", "x\""]),
            (r#""a \"b\" \\ \c" d"#, &[r#"a "b" \ \c"#, "d"]),
            ("\"a\"b", &["a", "b"]),
            ("\"never closed \\", &["never closed \\"]),
            ("\"é\\\"ü\" ö", &["é\"ü", "ö"]),
            ("\"\"", &[""]),
            ("  ", &[]),
        ] {
            assert_eq!(texts(line), wanted, "{line}");
        }
    }

    #[test]
    fn nothing_of_a_line_is_lost() {
        for line in [" a \"b c\"  d=1 ", "", " \t", "\"x", "'a''b' c", "\"\\"] {
            let mut words = Words::of(line);
            let mut whole = String::new();
            for word in words.by_ref() {
                whole.push_str(word.space);
                whole.push_str(word.raw);
            }
            whole.push_str(words.rest());
            assert_eq!(whole, line);
        }
    }
}
