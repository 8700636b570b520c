//! The properties of one worker, read as mod_jk reads them, each noted in the report.

use std::collections::HashSet;

use crate::migrate::read::definitions::{Definition, Definitions};
use crate::migrate::text::closest_name;
use crate::migrate::text::count::Count;
use crate::migrate::text::limits::{MAX_BYTES_WRITTEN, MAX_RULES, MAX_WORKERS};
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Report;
use crate::migrate::text::span::Span;

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
    /// Workers and members so far.
    pub workers: Count,
    /// Rules so far, of all servers.
    pub rules: Count,
    /// Bytes that may still be written.
    pub room: usize,
    /// Lines of the workers that have been translated.
    pub lines_in_use: HashSet<Span>,
    /// Workers that were found undefined so far.
    undefined: usize,
}

/// Said of a property that leaves httpd's default in force.
pub const DEFAULT: &str = "nothing: it is so anyway";

/// For so many a name is looked for that was meant.
const MAX_SUGGESTIONS: usize = 20;

impl<'c> Context<'c> {
    /// With nothing counted.
    pub fn new(
        definitions: &'c Definitions,
        report: &'c mut Report,
        messages: &'c mut Vec<Message>,
        is_old: bool,
    ) -> Self {
        let workers = Count::new("workers and members of balancers", MAX_WORKERS);
        let rules = Count::new("rules, with those that are copied to virtual hosts", MAX_RULES);
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

    /// Names that were meant are still looked for.
    #[must_use]
    pub fn makes_suggestions(&self) -> bool {
        self.undefined < MAX_SUGGESTIONS
    }

    /// The name that was meant, as help of a message. Only so many are looked for.
    pub fn did_you_mean<'n>(
        &mut self,
        name: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Option<String> {
        let looks = self.makes_suggestions();
        self.undefined += 1;
        looks.then(|| closest_name::did_you_mean(name, known)).flatten()
    }

    /// Tells a name in a list of workers of which no line says anything. Those of the list are not
    /// what was meant; `is_one` says what else may be in it.
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
        let help = like.unwrap_or_else(|| format!("say where it is: worker.{name}.host="));
        let text =
            format!("`{name}` is an undefined worker: mod_jk takes it for ajp13 at localhost:8009");
        self.messages.push(Message::warning(at, text).help(help));
    }

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
            self.record_dropped(found, "it says neither on nor off", "");
        }
        on.map(|on| (on, found))
    }

    /// The lines of this property do the same as `words`.
    pub fn record_kept(&mut self, property: &Definition, words: impl AsRef<str>) {
        for line in &property.lines {
            self.report.record_kept(*line, words.as_ref());
        }
    }

    /// They do something else.
    pub fn record_changed(&mut self, property: &Definition, words: impl AsRef<str>, meaning: &str) {
        for line in &property.lines {
            self.report.record_changed(*line, words.as_ref(), meaning);
        }
    }

    /// They are not there.
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

/// Words of a list, as mod_jk takes them apart.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\t']).filter(|word| !word.is_empty())
}
