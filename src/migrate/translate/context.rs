//! The state of a translation, and the properties of workers as mod_jk reads them.

use std::collections::HashSet;

use crate::config::closest_name;
use crate::migrate::read::definitions::{Definition, Definitions};
use crate::migrate::text::count::Count;
use crate::migrate::text::limits::{MAX_BYTES_WRITTEN, MAX_RULES, MAX_WORKERS};
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Report;
use crate::migrate::text::span::Span;

/// The state of a translation.
#[derive(Debug)]
pub struct Context<'c> {
    /// workers.properties.
    pub definitions: &'c Definitions,
    /// The report on all lines.
    pub report: &'c mut Report,
    /// The messages so far.
    pub messages: &'c mut Vec<Message>,
    /// Whether the file was written for mod_jk 1.2.6 or older.
    pub is_old: bool,
    /// The number of workers and members so far.
    pub workers: Count,
    /// The number of rules so far, in all servers.
    pub rules: Count,
    /// The number of bytes that may still be written.
    pub room: usize,
    /// Lines of the workers that have been translated.
    pub lines_in_use: HashSet<Span>,
    /// The number of undefined workers so far.
    undefined: usize,
}

/// The translation of a property with the default value.
pub const DEFAULT: &str = "nothing (this is the default)";

/// The number of names for which a similar one is looked for.
const MAX_SUGGESTIONS: usize = 20;

impl<'c> Context<'c> {
    /// Creates a context with all counters at zero.
    pub fn new(
        definitions: &'c Definitions,
        report: &'c mut Report,
        messages: &'c mut Vec<Message>,
        is_old: bool,
    ) -> Self {
        let workers = Count::new("workers and members of balancers", MAX_WORKERS);
        let rules = Count::new("rules, including those copied to virtual hosts", MAX_RULES);
        Self {
            definitions,
            report,
            messages,
            is_old,
            workers,
            rules,
            room: MAX_BYTES_WRITTEN,
            lines_in_use: HashSet::new(),
            undefined: 0,
        }
    }

    /// Returns whether similar names are still looked for.
    #[must_use]
    pub fn makes_suggestions(&self) -> bool {
        self.undefined < MAX_SUGGESTIONS
    }

    /// Returns a suggestion for a misspelled name, as the help of a message. The number of suggestions is
    /// limited.
    pub fn did_you_mean<'n>(
        &mut self,
        name: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Option<String> {
        let looks = self.makes_suggestions();
        self.undefined += 1;
        looks.then(|| closest_name::did_you_mean(name, known)).flatten()
    }

    /// Reports a name in a list of workers that has no properties. Suggests a worker that is not in the
    /// list and for which `is_one` is true.
    pub fn report_undefined(
        &mut self,
        name: &str,
        list: &HashSet<&str>,
        at: Span,
        is_one: &dyn Fn(&str) -> bool,
    ) {
        if self.definitions.has_worker(name) {
            return;
        }
        let known = self.definitions.workers();
        let known = known.filter(|known| !list.contains(known) && is_one(known));
        let like = self.did_you_mean(name, known);
        let help = like.unwrap_or_else(|| format!("define its address: worker.{name}.host="));
        let text =
            format!("worker `{name}` is undefined: mod_jk assumes type ajp13 at localhost:8009");
        self.messages.push(Message::warning(at, text).help(help));
    }

    /// Returns the first of these properties that the worker has: the present name, then the old one.
    #[must_use]
    pub fn find(&self, worker: &str, names: &[&str]) -> Option<&'c Definition> {
        names.iter().find_map(|name| self.definitions.named(&format!("worker.{worker}.{name}")))
    }

    /// Returns a whole number, which K or M may follow. Anything else is reported, and its leading digits
    /// are used, as in mod_jk.
    pub fn number(&mut self, worker: &str, names: &[&str]) -> Option<(i64, &'c Definition)> {
        let found = self.find(worker, names)?;
        let text = found.value.trim();
        let (digits, unit) = match text.chars().last() {
            Some('k' | 'K') => (&text[..text.len() - 1], 1024),
            Some('m' | 'M') => (&text[..text.len() - 1], 1024 * 1024),
            _ => (text, 1),
        };
        let exact = digits.trim().parse::<i64>().ok();
        let number = exact.unwrap_or_else(|| {
            let sign = usize::from(digits.starts_with(['-', '+']));
            let end = digits[sign..].bytes().take_while(u8::is_ascii_digit).count() + sign;
            digits[..end].parse().unwrap_or(0)
        });
        let number = number.saturating_mul(unit).clamp(i32::MIN.into(), i32::MAX.into());
        if exact.is_none() {
            let text = format!("not a whole number: mod_jk reads it as {number}");
            self.messages.push(Message::warning(found.at, text));
        }
        Some((number, found))
    }

    /// Returns on or off. Anything else is reported and ignored, as in mod_jk.
    pub fn switch(&mut self, worker: &str, names: &[&str]) -> Option<(bool, &'c Definition)> {
        let found = self.find(worker, names)?;
        let text = found.value.to_ascii_lowercase();
        let on = match text.as_bytes() {
            b"off" | b"0" | [b'f' | b'n', ..] => Some(false),
            b"on" | b"1" | [b't' | b'y', ..] => Some(true),
            _ => None,
        };
        if on.is_none() {
            let text = "neither on nor off: mod_jk uses the default";
            self.messages.push(Message::warning(found.at, text));
            self.record_dropped(found, "it is neither on nor off", "");
        }
        on.map(|on| (on, found))
    }

    /// Records that a property becomes `words`, with the same effect.
    pub fn record_kept(&mut self, property: &Definition, words: impl AsRef<str>) {
        for line in &property.lines {
            self.report.record_kept(*line, words.as_ref());
        }
    }

    /// Records that a property becomes `words`, with a different effect.
    pub fn record_changed(&mut self, property: &Definition, words: impl AsRef<str>, meaning: &str) {
        for line in &property.lines {
            self.report.record_changed(*line, words.as_ref(), meaning);
        }
    }

    /// Records that a property is not translated.
    pub fn record_dropped(&mut self, property: &Definition, why: &str, advice: &str) {
        for line in &property.lines {
            self.report.record_dropped(*line, why, advice);
        }
    }

    /// Returns the lines of a worker that is translated now.
    pub fn use_lines(&mut self, worker: &str) -> Vec<Span> {
        let lines = self.lines_of(worker);
        self.lines_in_use.extend(&lines);
        lines
    }

    /// Returns the lines with properties of a worker.
    #[must_use]
    pub fn lines_of(&self, worker: &str) -> Vec<Span> {
        let start = format!("worker.{worker}.");
        let all = self.definitions.beginning(&start);
        let own = all.filter(|definition| !definition.name[start.len()..].contains('.'));
        let mut lines: Vec<Span> = own.flat_map(|definition| definition.lines.clone()).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

/// Splits a list into words as mod_jk does.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\t']).filter(|word| !word.is_empty())
}
