//! Splits httpd's configuration into lines, which a backslash at the end continues.

use crate::migrate::text::characters::trim;

/// An iterator over the lines of a text: each as it is written, and joined.
#[derive(Debug)]
pub struct ContinuedLines<'t> {
    rest: &'t str,
}

impl<'t> ContinuedLines<'t> {
    /// Starts at the beginning of a text.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        Self { rest: text }
    }
}

impl<'t> Iterator for ContinuedLines<'t> {
    type Item = (&'t str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest;
        if text.is_empty() {
            return None;
        }
        let mut joined = String::new();
        let mut end = 0;
        loop {
            let stop = text[end..].find('\n').map_or(text.len(), |at| end + at);
            let line = text[end..stop].trim_end_matches('\r');
            end = (stop + 1).min(text.len());
            match line.strip_suffix('\\') {
                Some(line) if end < text.len() => joined.push_str(line),
                _ => {
                    joined.push_str(line);
                    break;
                }
            }
        }
        self.rest = &text[end..];
        Some((trim(&text[..end]), trim(&joined).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_continues_a_line_but_not_the_last_one() {
        let lines: Vec<_> = ContinuedLines::of("a \\\r\n  b\n\nc\\").collect();
        let joined = |whole, joined: &str| (whole, joined.to_owned());
        assert_eq!(lines, [joined("a \\\r\n  b", "a   b"), joined("", ""), joined("c\\", "c\\")]);
    }
}
