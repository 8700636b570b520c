//! What has become of every line that was read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use super::source::Sources;
use super::span::Span;

/// What has become of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// It is there in other words, and does the same.
    Kept {
        /// Those words.
        as_: String,
    },
    /// It is there in other words, and does something else.
    Changed {
        /// Those words.
        as_: String,
        /// What is different.
        meaning: String,
    },
    /// It is not there.
    Dropped {
        /// Why.
        why: String,
        /// What to do.
        advice: String,
    },
}

/// A line and its dispositions: a template's has one for each worker that takes it otherwise.
#[derive(Clone, Debug, Default)]
struct Line {
    text: String,
    dispositions: Vec<Disposition>,
    /// The same, where they are many.
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

/// So many are looked through one by one.
const LINEAR_SEARCH: usize = 16;

/// Of all lines.
#[derive(Clone, Debug, Default)]
pub struct Report {
    lines: BTreeMap<Span, Line>,
    /// Said at the end, of lines of which nothing else has been said.
    otherwise: Vec<(Span, Disposition)>,
    /// What mod_jk does where nothing is said, and is done otherwise here.
    pub defaults: Vec<String>,
}

impl Report {
    /// Notes that a line was read.
    pub fn add_line(&mut self, at: Span, text: impl Into<String>) {
        self.lines.entry(at).or_default().text = text.into();
    }

    /// Says what has become of it.
    pub fn add(&mut self, at: Span, disposition: Disposition) {
        self.lines.entry(at).or_default().add(disposition);
    }

    /// The same, where nothing has been said yet.
    pub fn add_if_none(&mut self, at: Span, disposition: Disposition) {
        if self.lines.get(&at).is_none_or(|line| line.dispositions.is_empty()) {
            self.add(at, disposition);
        }
    }

    /// The same, once all else has been said: see [`finish`](Self::finish).
    pub fn add_fallback(&mut self, at: Span, disposition: Disposition) {
        self.otherwise.push((at, disposition));
    }

    /// Nothing more will be said.
    pub fn finish(&mut self) {
        for (at, disposition) in std::mem::take(&mut self.otherwise) {
            self.add_if_none(at, disposition);
        }
    }

    /// It does the same, as `words`.
    pub fn record_kept(&mut self, at: Span, words: impl Into<String>) {
        self.add(at, Disposition::Kept { as_: words.into() });
    }

    /// It does something else, as `words`.
    pub fn record_changed(
        &mut self,
        at: Span,
        words: impl Into<String>,
        meaning: impl Into<String>,
    ) {
        self.add(at, Disposition::Changed { as_: words.into(), meaning: meaning.into() });
    }

    /// It is not there.
    pub fn record_dropped(&mut self, at: Span, why: impl Into<String>, advice: impl Into<String>) {
        self.add(at, Disposition::Dropped { why: why.into(), advice: advice.into() });
    }

    /// Lines of which nothing has been said.
    pub fn unreported(&self) -> impl Iterator<Item = Span> {
        self.lines.iter().filter(|(_, line)| line.dispositions.is_empty()).map(|(at, _)| *at)
    }

    /// How many lines have been kept, changed and dropped, each counted by its worst disposition.
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

    /// As text, in the order of the files.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let mut text = String::new();
        let mut say = |line: std::fmt::Arguments<'_>| {
            // A String takes all.
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
                        say(format_args!("      kept with another meaning: {as_}"));
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
        say(format_args!("{kept} kept, {changed} kept with another meaning, {dropped} dropped"));
        if !self.defaults.is_empty() {
            say(format_args!("\nWhat nobody wrote down and is different:"));
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
    fn a_line_has_every_fate_once_and_is_counted_by_the_worst() {
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
        report.record_dropped(b, "nobody uses it", "nothing to do");
        report.add_if_none(b, Disposition::Kept { as_: "y".into() });
        assert_eq!(report.counts(), (0, 1, 1));
        let text = report.render(&sources);
        assert_eq!(text.matches("kept: x=1").count(), 1, "{text}");
        assert!(text.starts_with("w\n  1: a=1\n      kept: x=1\n"), "{text}");
        assert!(text.contains("  2: b=2\n      dropped: nobody uses it\n      nothing to do\n"));
        assert!(text.contains("0 kept, 1 kept with another meaning, 1 dropped"), "{text}");
    }
}
