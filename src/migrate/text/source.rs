//! The files that are read, and places in them.

use std::sync::Arc;

use super::limits::MAX_BYTES_READ;
use super::secrets::Secrets;
use super::span::Span;

/// A file as it was read. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct SourceFile {
    id: usize,
    name: Arc<str>,
    text: Arc<str>,
    first_line: usize,
    /// Where its lines begin, but for the first.
    starts: Arc<[usize]>,
}

impl SourceFile {
    /// Its name, as it was asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a stretch of this file; of another file's, nothing.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        if span.file != self.id {
            return "";
        }
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Where `part`, a slice of [`text`](Self::text), is. A slice of something else is the end.
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

/// A place as people say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'s> {
    /// The file's name.
    pub file: &'s str,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The whole line, without its end.
    pub text: &'s str,
    /// The stretch within that line, in bytes, cut at the line's end.
    pub range: std::ops::Range<usize>,
}

/// All files of one conversion.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// Bytes of all of them.
    bytes: usize,
    /// What of them is not to be shown.
    pub secrets: Secrets,
}

impl Sources {
    /// Takes a file in. What is no UTF-8 becomes U+FFFD.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> SourceFile {
        self.add_at(name, 1, &String::from_utf8_lossy(bytes))
    }

    /// Takes in what stands for one line of a file that is there already, as it is read: with its
    /// variables put in, or joined from several.
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

    /// How much has been read: bytes of all files, and of lines that variables were put in.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// They are more than are read.
    #[must_use]
    pub fn exceed_limit(&self) -> bool {
        self.bytes > MAX_BYTES_READ
    }

    /// The place where a stretch begins.
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

    /// `file:line`, as comments in the output have it.
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
