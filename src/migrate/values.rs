//! The properties of one worker, read as mod_jk reads them, each noted in the report.

use super::definitions::{Definition, Definitions};
use super::message::Message;
use super::report::Report;
use super::source::Span;

/// What workers are translated with.
#[derive(Debug)]
pub struct Context<'c> {
    /// workers.properties.
    pub definitions: &'c Definitions,
    /// What has become of each line.
    pub report: &'c mut Report,
    /// What is wrong.
    pub messages: &'c mut Vec<Message>,
    /// The file was written for mod_jk 1.2.6 or older.
    pub is_old: bool,
}

impl<'c> Context<'c> {
    /// The first of these properties that the worker has: the present name, then old ones.
    #[must_use]
    pub fn find(&self, worker: &str, names: &[&str]) -> Option<&'c Definition> {
        names.iter().find_map(|name| self.definitions.named(&format!("worker.{worker}.{name}")))
    }

    /// A whole number, with K or M behind it. What is none counts as its leading digits, as in
    /// mod_jk, and is told.
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
            let text = format!("not a whole number: mod_jk takes it for {number}");
            self.messages.push(Message::warning(found.at, text));
        }
        Some((number, found))
    }

    /// On or off. What is neither is as if it were not there, as in mod_jk, and is told.
    pub fn switch(&mut self, worker: &str, names: &[&str]) -> Option<(bool, &'c Definition)> {
        let found = self.find(worker, names)?;
        let text = found.value.to_ascii_lowercase();
        let on = match text.as_bytes() {
            b"off" | b"0" | [b'f' | b'n', ..] => Some(false),
            b"on" | b"1" | [b't' | b'y', ..] => Some(true),
            _ => None,
        };
        if on.is_none() {
            let text = "neither on nor off: mod_jk takes the default";
            self.messages.push(Message::warning(found.at, text));
            self.dropped(found, "it says neither on nor off", "");
        }
        on.map(|on| (on, found))
    }

    /// The lines of this property do the same as `words`.
    pub fn kept(&mut self, property: &Definition, words: impl AsRef<str>) {
        for line in &property.lines {
            self.report.kept(*line, words.as_ref());
        }
    }

    /// They do something else.
    pub fn changed(&mut self, property: &Definition, words: impl AsRef<str>, meaning: &str) {
        for line in &property.lines {
            self.report.changed(*line, words.as_ref(), meaning);
        }
    }

    /// They are not there.
    pub fn dropped(&mut self, property: &Definition, why: &str, advice: &str) {
        for line in &property.lines {
            self.report.dropped(*line, why, advice);
        }
    }

    /// The lines that say anything of this worker.
    #[must_use]
    pub fn lines_of(&self, worker: &str) -> Vec<Span> {
        let start = format!("worker.{worker}.");
        let own = self.definitions.iter().filter(|definition| {
            definition.name.strip_prefix(&start).is_some_and(|rest| !rest.contains('.'))
        });
        let mut lines: Vec<Span> = own.flat_map(|definition| definition.lines.clone()).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

/// Words of a list, as mod_jk takes them apart.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\t']).filter(|word| !word.is_empty())
}
