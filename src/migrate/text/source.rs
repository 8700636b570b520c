//! The files that were read, and places in them.

use std::sync::Arc;

use super::limits::MAX_BYTES_READ;
use super::secrets::Secrets;
use super::span::Span;

/// A file that was read. A clone shares the text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    id: usize,
    name: Arc<str>,
    text: Arc<str>,
    first_line: usize,
    /// The offsets of all lines but the first.
    starts: Arc<[usize]>,
}

impl SourceFile {
    /// Returns the path with which the file was read.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text of a stretch of this file; an empty text if the stretch is of another file.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        if span.file != self.id {
            return "";
        }
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Returns the place of `part`, a slice of [`text`](Self::text). For any other slice, returns the end.
    #[must_use]
    pub fn span(&self, part: &str) -> Span {
        let from = self.text.as_ptr() as usize;
        let start = (part.as_ptr() as usize).wrapping_sub(from);
        let end = start.saturating_add(part.len());
        if end > self.text.len() {
            return Span { file: self.id, start: self.text.len(), end: self.text.len() };
        }
        Span { file: self.id, start, end }
    }
}

/// A place as it is shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'s> {
    /// The file's name.
    pub file: &'s str,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The whole line, without the end of line.
    pub text: &'s str,
    /// The stretch within that line, in bytes; cut off at the end of the line.
    pub range: std::ops::Range<usize>,
}

/// All files of one conversion.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// The total size.
    bytes: usize,
    /// The values that must not be shown.
    pub secrets: Secrets,
}

impl Sources {
    /// Adds a file. Bytes that are not UTF-8 become U+FFFD.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> SourceFile {
        self.add_at(name, 1, &String::from_utf8_lossy(bytes))
    }

    /// Adds the text of one line of a file as it is parsed: with its variables expanded, or joined from
    /// several lines.
    pub fn add_line(&mut self, at: Span, text: &str) -> SourceFile {
        let place = self.place(at);
        let (name, line) = (place.file.to_owned(), place.line);
        self.add_at(&name, line, text)
    }

    fn add_at(&mut self, name: &str, first_line: usize, text: &str) -> SourceFile {
        let (name, text) = (name.into(), text.into());
        let text: Arc<str> = text;
        let starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        self.bytes = self.bytes.saturating_add(text.len());
        let file = SourceFile { id: self.files.len(), name, text, first_line, starts };
        self.files.push(file.clone());
        file
    }

    /// Returns the total size in bytes: all files, and all lines with expanded variables.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether the total size exceeds the limit.
    #[must_use]
    pub fn exceed_limit(&self) -> bool {
        self.bytes > MAX_BYTES_READ
    }

    /// Returns the place where a stretch begins.
    #[must_use]
    pub fn place(&self, span: Span) -> Place<'_> {
        let Some(file) = self.files.get(span.file) else {
            return Place { file: "?", line: 1, column: 1, text: "", range: 0..0 };
        };
        let text = file.text();
        let start = span.start.min(text.len());
        let lines = file.starts.partition_point(|at| *at <= start);
        let from = lines.checked_sub(1).map_or(0, |before| file.starts[before]);
        let line = text[from..].split('\n').next().unwrap_or("").trim_end_matches('\r');
        let begin = (start - from).min(line.len());
        let end = (span.end.saturating_sub(from)).clamp(begin, line.len());
        Place {
            file: file.name(),
            line: file.first_line + lines,
            column: 1 + line[..begin].chars().count(),
            text: line,
            range: begin..end,
        }
    }

    /// Returns `file:line`, as in the comments of the output.
    #[must_use]
    pub fn line(&self, span: Span) -> String {
        let place = self.place(span);
        format!("{}:{}", place.file, place.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_file_line_column_and_the_whole_line() {
        let mut sources = Sources::default();
        let file = sources.add("workers.properties", "a=1\r\nüb=2\n".as_bytes());
        let at = file.text().find("b=2").unwrap();
        let place = sources.place(file.span(&file.text()[at..=at]));
        assert_eq!((place.file, place.line, place.column), ("workers.properties", 2, 2));
        assert_eq!((place.text, place.range), ("üb=2", 2..3));
        let first = sources.place(file.span(&file.text()[..5]));
        assert_eq!((first.text, first.range), ("a=1", 0..3), "cut at the end of its line");
    }

    #[test]
    fn the_end_of_a_file_and_a_foreign_slice_are_places_too() {
        let mut sources = Sources::default();
        let file = sources.add("f", b"a\n");
        let place = sources.place(file.span(&file.text()[2..]));
        assert_eq!((place.line, place.column, place.text), (2, 1, ""));
        let elsewhere = String::from("elsewhere, and longer than the file");
        assert_eq!(sources.place(file.span(&elsewhere)).line, 2);
        assert_eq!(sources.add("bad", b"\xFFx").text(), "\u{FFFD}x");
    }
}
