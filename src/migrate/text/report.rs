//! What becomes of every line that was read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use super::source::Sources;
use super::span::Span;

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// It is translated, with the same effect.
    Kept {
        /// The translation.
        as_: String,
    },
    /// It is translated, with a different effect.
    Changed {
        /// The translation.
        as_: String,
        /// The difference.
        meaning: String,
    },
    /// It is not translated.
    Dropped {
        /// The reason.
        why: String,
        /// What the administrator can do.
        advice: String,
    },
}

/// A line and what becomes of it. A line of a template has one disposition for each worker that uses it
/// differently.
#[derive(Clone, Debug, Default)]
struct Line {
    text: String,
    dispositions: Vec<Disposition>,
    /// The dispositions once more, if there are many.
    known: HashSet<Disposition>,
}

impl Line {
    fn add(&mut self, disposition: Disposition) {
        if self.dispositions.len() < LINEAR_SEARCH {
            if !self.dispositions.contains(&disposition) {
                self.dispositions.push(disposition);
            }
            return;
        }
        if self.known.is_empty() {
            self.known.extend(self.dispositions.iter().cloned());
        }
        if self.known.insert(disposition.clone()) {
            self.dispositions.push(disposition);
        }
    }
}

/// Up to this number, dispositions are compared one by one.
const LINEAR_SEARCH: usize = 16;

/// What becomes of all lines.
#[derive(Clone, Debug, Default)]
pub struct Report {
    lines: BTreeMap<Span, Line>,
    /// Dispositions for lines that have no other one in the end.
    otherwise: Vec<(Span, Disposition)>,
    /// Defaults of mod_jk's that are different here.
    pub defaults: Vec<String>,
}

impl Report {
    /// Adds a line that was read.
    pub fn add_line(&mut self, at: Span, text: impl Into<String>) {
        self.lines.entry(at).or_default().text = text.into();
    }

    /// Adds what becomes of a line.
    pub fn add(&mut self, at: Span, disposition: Disposition) {
        self.lines.entry(at).or_default().add(disposition);
    }

    /// Adds what becomes of a line, unless it has a disposition already.
    pub fn add_if_none(&mut self, at: Span, disposition: Disposition) {
        if self.lines.get(&at).is_none_or(|line| line.dispositions.is_empty()) {
            self.add(at, disposition);
        }
    }

    /// Adds a disposition that [`finish`](Self::finish) uses if the line has no other one by then.
    pub fn add_fallback(&mut self, at: Span, disposition: Disposition) {
        self.otherwise.push((at, disposition));
    }

    /// Gives all lines without a disposition their fallback.
    pub fn finish(&mut self) {
        for (at, disposition) in std::mem::take(&mut self.otherwise) {
            self.add_if_none(at, disposition);
        }
    }

    /// Records that a line becomes `words`, with the same effect.
    pub fn record_kept(&mut self, at: Span, words: impl Into<String>) {
        self.add(at, Disposition::Kept { as_: words.into() });
    }

    /// Records that a line becomes `words`, with a different effect.
    pub fn record_changed(
        &mut self,
        at: Span,
        words: impl Into<String>,
        meaning: impl Into<String>,
    ) {
        self.add(at, Disposition::Changed { as_: words.into(), meaning: meaning.into() });
    }

    /// Records that a line is not translated.
    pub fn record_dropped(&mut self, at: Span, why: impl Into<String>, advice: impl Into<String>) {
        self.add(at, Disposition::Dropped { why: why.into(), advice: advice.into() });
    }

    /// Returns the lines without a disposition.
    pub fn unreported(&self) -> impl Iterator<Item = Span> {
        self.lines.iter().filter(|(_, line)| line.dispositions.is_empty()).map(|(at, _)| *at)
    }

    /// Returns how many lines are kept, changed and dropped, each counted by its worst disposition.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        for line in self.lines.values() {
            match line.dispositions.iter().max() {
                Some(Disposition::Kept { .. }) => counts.0 += 1,
                Some(Disposition::Changed { .. }) => counts.1 += 1,
                Some(Disposition::Dropped { .. }) => counts.2 += 1,
                None => {}
            }
        }
        counts
    }

    /// Returns the report as text, in the order of the files.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let mut text = String::new();
        let mut say = |line: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = text.write_fmt(line);
            text.push('\n');
        };
        let mut file = "";
        let mut lines: Vec<_> =
            self.lines.iter().map(|(at, line)| (sources.place(*at), line)).collect();
        let mut files: HashMap<&str, usize> = HashMap::new();
        for (place, _) in &lines {
            let next = files.len();
            files.entry(place.file).or_insert(next);
        }
        lines.sort_by_key(|(place, _)| (files.get(place.file).copied(), place.line));
        for (place, line) in lines {
            if place.file != file {
                file = place.file;
                say(format_args!("{file}"));
            }
            say(format_args!("  {}: {}", place.line, sources.secrets.hidden(&line.text)));
            for disposition in &line.dispositions {
                match disposition {
                    Disposition::Kept { as_ } => say(format_args!("      kept: {as_}")),
                    Disposition::Changed { as_, meaning } => {
                        say(format_args!("      kept with a different meaning: {as_}"));
                        say(format_args!("      {meaning}"));
                    }
                    Disposition::Dropped { why, advice } => {
                        say(format_args!("      dropped: {why}"));
                        if !advice.is_empty() {
                            say(format_args!("      {advice}"));
                        }
                    }
                }
            }
        }
        let (kept, changed, dropped) = self.counts();
        say(format_args!(
            "{kept} kept, {changed} kept with a different meaning, {dropped} dropped"
        ));
        if !self.defaults.is_empty() {
            say(format_args!("\nDefaults that are different:"));
            for default in &self.defaults {
                say(format_args!("  * {default}"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_each_disposition_once_and_is_counted_by_the_worst() {
        let mut sources = Sources::default();
        let file = sources.add("w", b"a=1\nb=2\n");
        let (a, b) = (file.span(&file.text()[..3]), file.span(&file.text()[4..7]));
        let mut report = Report::default();
        report.add_line(a, "a=1");
        report.add_line(b, "b=2");
        report.record_kept(a, "x=1");
        report.record_kept(a, "x=1");
        report.record_changed(a, "x=1", "it is a ping");
        assert_eq!(report.unreported().collect::<Vec<_>>(), [b]);
        report.record_dropped(b, "no worker uses it", "nothing to do");
        report.add_if_none(b, Disposition::Kept { as_: "y".into() });
        assert_eq!(report.counts(), (0, 1, 1));
        let text = report.render(&sources);
        assert_eq!(text.matches("kept: x=1").count(), 1, "{text}");
        assert!(text.starts_with("w\n  1: a=1\n      kept: x=1\n"), "{text}");
        assert!(text.contains("  2: b=2\n      dropped: no worker uses it\n      nothing to do\n"));
        assert!(text.contains("0 kept, 1 kept with a different meaning, 1 dropped"), "{text}");
    }
}
