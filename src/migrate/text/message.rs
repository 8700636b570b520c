//! Messages about a place in a file.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::Sources;
use super::span::Span;

/// The severity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// There is no output: mod_jk would not start either, or no translation is possible.
    Error,
    /// Everything else is converted.
    Warning,
}

/// A message about a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The severity.
    pub severity: Severity,
    /// The problem, in one sentence.
    pub text: String,
    /// The place.
    pub at: Span,
    /// What the administrator can do.
    pub help: Option<String>,
}

impl Message {
    /// Creates an error.
    #[must_use]
    pub fn error(at: Span, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, text: text.into(), at, help: None }
    }

    /// Creates a warning.
    #[must_use]
    pub fn warning(at: Span, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into(), at, help: None }
    }

    /// Adds what the administrator can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the message with file, line and column, and the line with the stretch marked.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let place = sources.place(self.at);
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let snippet = Snippet::source(sources.secrets.starred(place.text))
            .line_start(place.line)
            .path(place.file)
            .annotation(AnnotationKind::Primary.span(place.range.clone()));
        let mut group = Group::with_title(level.primary_title(&*self.text)).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(&**help));
        }
        Renderer::plain().render(&[group])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_file_line_column_the_line_and_the_help() {
        let mut sources = Sources::default();
        let file = sources.add("conf/workers.properties", b"# x\nworker.a.prot=1\n");
        let at = file.span(&file.text()[13..17]);
        let message = Message::error(at, "no such property: prot").help("did you mean port?");
        let text = message.render(&sources);
        for part in [
            "error: no such property: prot",
            "conf/workers.properties:2:10",
            "worker.a.prot=1",
            "^^^^",
            "did you mean port?",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
}
