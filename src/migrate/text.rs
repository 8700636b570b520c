//! Lines of httpd's configuration, safe to write whatever the words are.

use super::source::{Sources, Span};

/// Configuration as it grows.
#[derive(Clone, Debug, Default)]
pub struct ConfText(String);

impl ConfText {
    /// A comment, one line.
    pub fn comment(&mut self, indent: usize, text: &str) {
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.push_str(&" ".repeat(indent));
        self.0.push_str("# ");
        self.0.push_str(clean.trim_end());
        // A backslash at the end would take the next line into the comment.
        if clean.trim_end().ends_with('\\') {
            self.0.push('.');
        }
        self.0.push('\n');
    }

    /// A line of words that need no quotes.
    pub fn line(&mut self, indent: usize, text: &str) {
        self.0.push_str(&" ".repeat(indent));
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// An empty line.
    pub fn gap(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    /// All of it.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// Nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A word in quotes, as httpd reads it back: a backslash is doubled only where it must be.
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

/// A word, in quotes where it needs them.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".,:;|/_=+-%@!*()[]^&?~$".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { quoted(text) }
}

/// What is said of one, where nothing can be written with it.
pub const CONTROL_CHARACTER: &str = "a control character";

/// The first control character (also of U+0080 to U+009F) that is no tab, as a slice of the text.
#[must_use]
pub fn control_character(text: &str) -> Option<&str> {
    let (at, c) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\t')?;
    text.get(at..at + c.len_utf8())
}

/// The lines that something comes from: `workers.properties:3-7,9 uri.map:2`.
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
    fn what_is_quoted_is_read_back_as_it_was() {
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
    fn lines_of_one_file_stand_together() {
        let mut sources = Sources::default();
        let (one, two) = (sources.add("w", b"a\nb\n"), sources.add("m", b"c"));
        let at = |file: &super::super::source::SourceFile, from: usize| {
            file.span(&file.text()[from..=from])
        };
        let lines = [at(&one, 2), at(&two, 0), at(&one, 0), at(&one, 2)];
        assert_eq!(origins(&sources, &lines), "m:1 w:1-2");
    }
}
