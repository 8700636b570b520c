//! Text of httpd's configuration, with words quoted as needed.

use crate::migrate::text::source::Sources;
use crate::migrate::text::span::Span;

/// A text that grows by whole lines up to a limit.
#[derive(Clone, Debug)]
pub struct ConfText {
    text: String,
    most: usize,
    is_full: bool,
}

impl Default for ConfText {
    fn default() -> Self {
        Self::within(usize::MAX)
    }
}

impl ConfText {
    /// Creates an empty text with a limit of `most` bytes.
    #[must_use]
    pub fn within(most: usize) -> Self {
        Self { text: String::new(), most, is_full: false }
    }

    /// Returns whether the limit was reached, so that lines are missing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    fn push(&mut self, indent: usize, parts: &[&str]) {
        let size: usize = indent + 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        if self.is_full || size > self.most - self.text.len().min(self.most) {
            self.is_full = true;
            return;
        }
        self.text.push_str(&" ".repeat(indent));
        parts.iter().for_each(|part| self.text.push_str(part));
        self.text.push('\n');
    }

    /// Adds a comment on one line.
    pub fn comment(&mut self, indent: usize, text: &str) {
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // A backslash at the end would continue the comment on the next line.
        let end = if clean.trim_end().ends_with('\\') { "." } else { "" };
        self.push(indent, &["# ", clean.trim_end(), end]);
    }

    /// Adds a line as it is.
    pub fn line(&mut self, indent: usize, text: &str) {
        self.push(indent, &[text]);
    }

    /// Adds the lines of another text.
    pub fn append(&mut self, other: Self) {
        self.is_full |= other.is_full;
        let text = other.text.trim_end();
        if !text.is_empty() {
            self.push(0, &[text]);
        }
    }

    /// Returns the size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Adds an empty line, unless there is one already.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.push(0, &[]);
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }

    /// Returns whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Returns a word in quotes, which httpd reads back unchanged. A backslash is doubled only where
/// necessary.
#[must_use]
pub fn quoted(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' if chars.peek().is_none_or(|next| matches!(next, '\\' | '"')) => {
                text.push_str("\\\\");
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Returns a word, in quotes if it needs them.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".,:;|/_=+-%@!*()[]^&?~$".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { quoted(text) }
}

/// Returns the places of lines, such as `workers.properties:3-7,9 uri.map:2`.
#[must_use]
pub fn origins(sources: &Sources, lines: &[Span]) -> String {
    let places = lines.iter().map(|at| sources.place(*at));
    let mut places: Vec<(&str, usize)> = places.map(|place| (place.file, place.line)).collect();
    places.sort_unstable();
    places.dedup();
    let mut ranges: Vec<(&str, usize, usize)> = Vec::new();
    for (file, line) in places {
        match ranges.last_mut() {
            Some((known, _, last)) if *known == file && *last + 1 == line => *last = line,
            _ => ranges.push((file, line, line)),
        }
    }
    let mut text = String::new();
    let mut before = "";
    for (file, first, last) in ranges {
        let start = match (before == file, text.is_empty()) {
            (true, _) => ",".to_owned(),
            (false, true) => format!("{file}:"),
            (false, false) => format!(" {file}:"),
        };
        before = file;
        text.push_str(&start);
        text.push_str(&first.to_string());
        if last > first {
            text.push_str(&format!("-{last}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Words;

    #[test]
    fn a_quoted_word_is_read_back_unchanged() {
        for text in [r"^/a\.b$", r"a\", r"\\", r#"a"b"#, r#"a\"b"#, "a b", "", r"[%\]", "'"] {
            let line = quoted(text);
            let read: Vec<_> = Words::of(&line).map(|word| word.text.into_owned()).collect();
            assert_eq!(read, [text], "{line}");
        }
        assert_eq!(quoted(r"\.jsp"), r#""\.jsp""#);
    }

    #[test]
    fn a_comment_stays_one_line() {
        let mut text = ConfText::default();
        text.comment(0, "a\nb\\");
        assert_eq!(text.into_string(), "# a b\\.\n");
    }

    #[test]
    fn lines_of_one_file_are_grouped() {
        let mut sources = Sources::default();
        let (one, two) = (sources.add("w", b"a\nb\n"), sources.add("m", b"c"));
        let at = |file: &crate::migrate::text::source::SourceFile, from: usize| {
            file.span(&file.text()[from..=from])
        };
        let lines = [at(&one, 2), at(&two, 0), at(&one, 0), at(&one, 2)];
        assert_eq!(origins(&sources, &lines), "m:1 w:1-2");
    }
}
