//! What workers.properties comes to: macros put in, duplicates settled, templates copied.

use std::collections::HashMap;

use super::macros::{Environment, substitute};
use super::message::Message;
use super::properties::Property;
use super::property_table::{known, most_like};
use super::source::Span;
use super::text::CONTROL_CHARACTER;

/// A name with the value that counts.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The whole name, `worker.a.port`.
    pub name: String,
    /// Macros are put in.
    pub value: String,
    /// The lines it comes from: several, where a list was continued.
    pub lines: Vec<Span>,
    /// Where the value is.
    pub at: Span,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Definitions {
    entries: Vec<Definition>,
    by_name: HashMap<String, usize>,
    /// Lines that a later one has replaced.
    pub replaced: Vec<Span>,
}

/// As deep as mod_jk follows templates of templates.
const DEEPEST: usize = 20;

/// More entries than any configuration has; a template that contains itself would go on for ever.
const MOST: usize = 20_000;

impl Definitions {
    /// Takes the lines in their order.
    pub fn read(
        properties: Vec<Property>,
        environment: &Environment<'_>,
        messages: &mut Vec<Message>,
    ) -> Self {
        let mut all = Self::default();
        for property in properties {
            all.add(property, environment, messages);
        }
        all.resolve_references(messages);
        all
    }

    /// The definition with this whole name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Definition> {
        self.by_name.get(name).map(|at| &self.entries[*at])
    }

    /// All, in the order of their first lines; inherited ones follow.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.entries.iter()
    }

    fn add(
        &mut self,
        property: Property,
        environment: &Environment<'_>,
        messages: &mut Vec<Message>,
    ) {
        let is_worker_s = property.name.starts_with("worker.");
        let known = known(&property.name).filter(|_| is_worker_s);
        if is_worker_s && known.is_none() {
            messages.push(unknown(&property));
            return;
        }
        if let Some(known) = known.filter(|known| known.deprecated) {
            let text = format!("`{}` is an old name or of no use any more", known.name);
            messages.push(
                Message::warning(property.name_at, text).help(
                    "it is read as mod_jk reads it; jk2ajp --report says what has become of it",
                ),
            );
        }
        let defined = |name: &str| self.named(name).map(|known| known.value.clone());
        let (mut value, unknown) = substitute(&property.value, defined, environment);
        for name in unknown {
            let text =
                format!("$({name}) is defined neither before this line nor in the environment");
            messages
                .push(Message::warning(property.value_at, text).help("it stays as it is written"));
        }
        if value.contains(char::is_control) {
            messages.push(
                Message::error(property.value_at, CONTROL_CHARACTER)
                    .help("a macro puts it in, from the environment"),
            );
            return;
        }
        if value.contains("${") {
            let text = "httpd takes ${NAME} for a variable of its own where NAME is defined";
            let message = Message::warning(property.value_at, text);
            messages.push(
                message.help("see that no Define and no variable of its environment has that name"),
            );
        }
        let mut lines = vec![property.at()];
        if let Some(at) = self.by_name.get(&property.name).copied() {
            let before = &mut self.entries[at];
            if let Some(joint) = known.and_then(|known| known.joined_by) {
                value = format!("{}{joint}{value}", before.value);
                lines.splice(0..0, before.lines.iter().copied());
            } else {
                let text = format!("`{}` was defined before; this line counts", property.name);
                messages.push(Message::warning(property.name_at, text));
                self.replaced.extend(&before.lines);
            }
            *before = Definition { value, lines, at: property.value_at, ..before.clone() };
            return;
        }
        self.push(Definition { name: property.name, value, lines, at: property.value_at });
    }

    fn push(&mut self, definition: Definition) {
        self.by_name.insert(definition.name.clone(), self.entries.len());
        self.entries.push(definition);
    }

    /// Gives every name what it lacks of its template.
    fn resolve_references(&mut self, messages: &mut Vec<Message>) {
        let mut at = 0;
        while at < self.entries.len() {
            if self.entries[at].name.starts_with("worker.")
                && self.entries[at].name.ends_with(REFERENCE)
                && !self.resolve(at, 0, messages)
            {
                return;
            }
            at += 1;
        }
    }

    fn resolve(&mut self, at: usize, depth: usize, messages: &mut Vec<Message>) -> bool {
        let reference = self.entries[at].clone();
        if depth > DEEPEST {
            let text = "templates refer to templates more than 20 deep, or in a circle";
            messages.push(Message::error(reference.at, text));
            return false;
        }
        let template = &reference.value;
        if let Some(further) = self.by_name.get(&format!("{template}{REFERENCE}")).copied() {
            if !self.resolve(further, depth + 1, messages) {
                return false;
            }
        }
        let from = format!("{template}.");
        let to = reference.name.strip_suffix("reference").unwrap_or(&reference.name);
        let mut found = false;
        for at in 0..self.entries.len() {
            let Some(property) = self.entries[at].name.strip_prefix(&from) else { continue };
            found = true;
            let name = format!("{to}{property}");
            if !self.by_name.contains_key(&name) {
                let inherited = Definition { name, ..self.entries[at].clone() };
                self.push(inherited);
            }
        }
        if !found {
            let text = format!("there is no template `{template}`");
            messages.push(
                Message::error(reference.at, text)
                    .help("a template is the name before the last part: worker.common for worker.common.port=8009"),
            );
        }
        if self.entries.len() > MOST {
            messages.push(Message::error(reference.at, "this template contains itself"));
            return false;
        }
        found
    }
}

const REFERENCE: &str = ".reference";

fn unknown(property: &Property) -> Message {
    let last = property.name.rsplit('.').next().unwrap_or("");
    let message = Message::error(
        property.name_at,
        format!("mod_jk knows no property `{last}`, and would read nothing behind this line"),
    );
    match most_like(last) {
        Some(like) => message.help(format!("did you mean `{like}`?")),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Severity;
    use super::super::properties::parse;
    use super::super::source::Sources;
    use super::*;

    fn read(text: &str) -> (Definitions, Vec<Message>) {
        let mut messages = Vec::new();
        let lines = parse(&Sources::default().add("f", text.as_bytes()), &mut messages);
        let environment = |name: &str| (name == "HOME").then(|| "/home".to_owned());
        let all = Definitions::read(lines, &environment, &mut messages);
        (all, messages)
    }

    fn value<'a>(all: &'a Definitions, name: &str) -> Option<&'a str> {
        all.named(name).map(|found| &*found.value)
    }

    #[test]
    fn macros_are_what_stands_above_or_in_the_environment() {
        let (all, messages) = read(
            "H=node\nworker.a.host=$(H).example.org\nworker.a.source=$(HOME)\nworker.a.route=$(no)",
        );
        assert_eq!(value(&all, "worker.a.host"), Some("node.example.org"));
        assert_eq!(value(&all, "worker.a.source"), Some("/home"));
        assert_eq!(value(&all, "worker.a.route"), Some("$(no)"));
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].severity, Severity::Warning);
    }

    #[test]
    fn lists_go_on_and_of_the_rest_the_last_one_counts() {
        let (all, messages) =
            read("worker.list=a\nworker.list=b\nworker.a.port=1\nworker.a.port=2");
        assert_eq!(value(&all, "worker.list"), Some("a,b"));
        assert_eq!(all.named("worker.list").unwrap().lines.len(), 2);
        assert_eq!(value(&all, "worker.a.port"), Some("2"));
        assert_eq!((messages.len(), all.replaced.len()), (1, 1));
    }

    #[test]
    fn a_template_gives_what_is_lacking_also_of_its_own_template() {
        let (all, messages) = read(
            "worker.base.port=1\nworker.base.host=h\nworker.mid.reference=worker.base\nworker.mid.port=2\n\
             worker.a.reference=worker.mid\nworker.a.lbfactor=3",
        );
        let of = |property: &str| value(&all, &format!("worker.a.{property}"));
        assert_eq!((of("port"), of("host"), of("lbfactor")), (Some("2"), Some("h"), Some("3")));
        assert!(messages.is_empty());
    }

    #[test]
    fn a_template_that_is_not_there_or_goes_in_a_circle_is_an_error() {
        for text in [
            "worker.a.reference=worker.none",
            "worker.a.reference=worker.b\nworker.b.reference=worker.a",
            "worker.a.reference=worker.a",
        ] {
            let (_, messages) = read(text);
            assert!(messages.iter().any(|m| m.severity == Severity::Error), "{text}");
        }
    }

    #[test]
    fn a_template_of_everything_ends() {
        let lines: String = (0..40).map(|n| format!("worker.w{n}.reference=worker\n")).collect();
        let (_, messages) = read(&lines);
        assert!(messages.iter().any(|m| m.text.contains("contains itself")), "{messages:?}");
    }

    #[test]
    fn an_unknown_property_is_an_error_that_says_what_was_meant() {
        let (_, messages) = read("worker.a.lbfaktor=1");
        assert_eq!(messages[0].severity, Severity::Error);
        assert_eq!(messages[0].help.as_deref(), Some("did you mean `lbfactor`?"));
    }
}
