//! workers.properties after macros, duplicates and templates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::macros::{Environment, substitute};
use super::property_table::{closest, known};
use crate::config::closest_name::did_you_mean;
use crate::migrate::text::characters::CONTROL_CHARACTER;
use crate::migrate::text::count::Count;
use crate::migrate::text::limits::{MAX_PROPERTIES, MAX_PROPERTY_BYTES};
use crate::migrate::text::message::Message;
use crate::migrate::text::property::Property;
use crate::migrate::text::span::Span;

/// A property with its final value.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The full name, such as `worker.a.port`.
    pub name: String,
    /// The value with macros expanded.
    pub value: String,
    /// The lines it comes from; several for a list.
    pub lines: Vec<Span>,
    /// The place of the value.
    pub at: Span,
}

/// All properties.
#[derive(Debug)]
pub struct Definitions {
    entries: Vec<Definition>,
    by_name: BTreeMap<String, usize>,
    /// The workers and templates that have properties.
    workers: BTreeSet<String>,
    /// Lines that a later line overrides.
    pub replaced: Vec<Span>,
    /// The number of properties, inherited ones included.
    pub properties: Count,
    /// The size of all names and values.
    pub bytes: Count,
}

/// The depth to which mod_jk follows templates of templates.
const MAX_DEPTH: usize = 20;

/// The state of a template while references are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TemplateState {
    /// The templates that it refers to are being copied.
    InProgress,
    /// It has been copied.
    Copied,
}

impl Definitions {
    /// Evaluates the lines in their order.
    pub fn read(
        properties: Vec<Property>,
        environment: &Environment<'_>,
        messages: &mut Vec<Message>,
    ) -> Self {
        let mut all = Self {
            entries: Vec::new(),
            by_name: BTreeMap::new(),
            workers: BTreeSet::new(),
            replaced: Vec::new(),
            properties: Count::new(
                "properties, including those copied from templates",
                MAX_PROPERTIES,
            ),
            bytes: Count::new(
                "bytes of names and values, with macros and templates expanded",
                MAX_PROPERTY_BYTES,
            ),
        };
        let is_read =
            properties.into_iter().all(|property| all.add(property, environment, messages));
        if is_read {
            all.resolve_references(messages);
        }
        let names = all.entries.iter().filter_map(|entry| worker_of(&entry.name));
        all.workers = names.map(str::to_owned).collect();
        all
    }

    /// Returns the definition with this full name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Definition> {
        self.by_name.get(name).map(|at| &self.entries[*at])
    }

    /// Returns the definitions whose names begin with `with`, in the order of their first lines, followed
    /// by inherited ones.
    pub fn beginning(&self, with: &str) -> impl Iterator<Item = &Definition> {
        self.places(with).into_iter().map(|at| &self.entries[at])
    }

    fn places(&self, start: &str) -> Vec<usize> {
        let from = self.by_name.range(start.to_owned()..);
        let found = from.take_while(|(name, _)| name.starts_with(start));
        let mut places: Vec<usize> = found.map(|(_, at)| *at).collect();
        places.sort_unstable();
        places
    }

    /// Returns whether a line defines a property of this worker.
    #[must_use]
    pub fn has_worker(&self, name: &str) -> bool {
        self.workers.contains(name)
    }

    /// Returns the names of all workers and templates.
    pub fn workers(&self) -> impl Iterator<Item = &str> {
        self.workers.iter().map(String::as_str)
    }

    /// Adds a line. Returns false if there are too many.
    fn add(
        &mut self,
        property: Property,
        environment: &Environment<'_>,
        messages: &mut Vec<Message>,
    ) -> bool {
        let is_worker_s = property.name.starts_with("worker.");
        let known = known(&property.name).filter(|_| is_worker_s);
        if is_worker_s && known.is_none() {
            messages.push(unknown(&property));
            return true;
        }
        if let Some(known) = known.filter(|known| known.is_deprecated) {
            let text = format!("`{}` is deprecated", known.name);
            messages.push(
                Message::warning(property.name_at, text)
                    .help("it is converted as mod_jk reads it; see jk2ajp --report"),
            );
        }
        let defined = |name: &str| self.named(name).map(|known| known.value.clone());
        let (value, unknown) = substitute(&property.value, defined, environment);
        for name in unknown {
            let text =
                format!("$({name}) is defined neither above this line nor in the environment");
            messages.push(Message::warning(property.value_at, text).help("it stays as written"));
        }
        if value.contains(char::is_control) {
            messages.push(
                Message::error(property.value_at, CONTROL_CHARACTER)
                    .help("it comes from a macro of the environment"),
            );
            return true;
        }
        if value.contains("${") {
            let text = "httpd expands ${NAME} if NAME is a defined variable";
            let message = Message::warning(property.value_at, text);
            messages.push(
                message.help("make sure that no Define and no environment variable has that name"),
            );
        }
        let Some(at) = self.by_name.get(&property.name).copied() else {
            let lines = vec![property.at()];
            let new = Definition { name: property.name, value, lines, at: property.value_at };
            return self.push(new, property.value_at, messages);
        };
        let size = property.name.len() + value.len();
        if !self.bytes.take(size, property.value_at, messages) {
            return false;
        }
        let before = &mut self.entries[at];
        if let Some(joint) = known.and_then(|known| known.joined_by) {
            before.value.push(joint);
            before.value.push_str(&value);
        } else {
            let text = format!("`{}` is defined twice; this line takes effect", property.name);
            messages.push(Message::warning(property.name_at, text));
            self.replaced.append(&mut before.lines);
            before.value = value;
        }
        before.lines.push(property.at());
        before.at = property.value_at;
        true
    }

    /// Adds a definition. Returns false if there are too many.
    fn push(&mut self, new: Definition, for_: Span, messages: &mut Vec<Message>) -> bool {
        let size = new.name.len() + new.value.len();
        let fits = self.properties.take(1, for_, messages) && self.bytes.take(size, for_, messages);
        if fits {
            self.by_name.insert(new.name.clone(), self.entries.len());
            self.entries.push(new);
        }
        fits
    }

    /// Copies into each worker the properties of its template that it does not define itself.
    fn resolve_references(&mut self, messages: &mut Vec<Message>) {
        let mut copied = HashMap::new();
        let mut at = 0;
        while at < self.entries.len() {
            if is_reference(&self.entries[at].name) && !self.resolve(at, 0, &mut copied, messages) {
                return;
            }
            at += 1;
        }
    }

    fn resolve(
        &mut self,
        at: usize,
        depth: usize,
        copied: &mut HashMap<usize, TemplateState>,
        messages: &mut Vec<Message>,
    ) -> bool {
        let reference = self.entries[at].clone();
        let template = &reference.value;
        match copied.insert(at, TemplateState::InProgress) {
            Some(TemplateState::Copied) => {
                copied.insert(at, TemplateState::Copied);
                return true;
            }
            Some(TemplateState::InProgress) => {
                let text = format!("the template `{template}` refers to itself in a cycle");
                messages.push(Message::error(reference.at, text));
                return false;
            }
            None => {}
        }
        let name = reference.name.strip_suffix(REFERENCE).unwrap_or(&reference.name);
        if name.strip_prefix(&**template).is_some_and(|rest| rest.starts_with('.')) {
            let text =
                format!("the template `{template}` contains itself: `{name}` is a part of it");
            messages.push(Message::error(reference.at, text));
            return false;
        }
        if depth > MAX_DEPTH {
            let text = "templates are nested more than 20 deep";
            messages.push(Message::error(reference.at, text));
            return false;
        }
        if let Some(further) = self.by_name.get(&format!("{template}{REFERENCE}")).copied() {
            if !self.resolve(further, depth + 1, copied, messages) {
                return false;
            }
        }
        let from = format!("{template}.");
        let properties = self.places(&from);
        for at in &properties {
            let inherited = format!("{name}.{}", &self.entries[*at].name[from.len()..]);
            if !self.by_name.contains_key(&inherited) {
                let inherited = Definition { name: inherited, ..self.entries[*at].clone() };
                if !self.push(inherited, reference.at, messages) {
                    return false;
                }
            }
        }
        if properties.is_empty() {
            messages.push(self.no_template(&reference));
            return false;
        }
        copied.insert(at, TemplateState::Copied);
        true
    }

    fn no_template(&self, reference: &Definition) -> Message {
        let template = &*reference.value;
        let syntax =
            "a template is a name without its last part: worker.common for worker.common.port=8009";
        let own = reference.name.strip_suffix(REFERENCE);
        let names = self.entries.iter().filter_map(|entry| Some(entry.name.rsplit_once('.')?.0));
        let names: BTreeSet<&str> = names.filter(|name| Some(*name) != own).collect();
        // A common mistake: the prefix `worker.` is missing.
        let like =
            names.iter().copied().find(|name| name.strip_prefix("worker.") == Some(template));
        let like = like.map(|like| format!("did you mean `{like}`?"));
        let like = like.or_else(|| did_you_mean(template, names.into_iter()));
        Message::error(reference.at, format!("there is no template `{template}`"))
            .help(like.unwrap_or_else(|| syntax.into()))
    }
}

const REFERENCE: &str = ".reference";

fn is_reference(name: &str) -> bool {
    name.starts_with("worker.") && name.ends_with(REFERENCE)
}

/// Returns `a` of `worker.a.port`.
fn worker_of(name: &str) -> Option<&str> {
    Some(name.strip_prefix("worker.")?.rsplit_once('.')?.0)
}

fn unknown(property: &Property) -> Message {
    let last = property.name.rsplit('.').next().unwrap_or("");
    let message = Message::error(
        property.name_at,
        format!("mod_jk has no property `{last}`, and stops reading the file here"),
    );
    match closest(last) {
        Some(like) => message.help(format!("did you mean `{like}`?")),
        None => message,
    }
}

#[cfg(test)]
#[path = "definitions_tests.rs"]
mod tests;
