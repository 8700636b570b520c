//! What is said of a place in a file.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::Sources;
use super::span::Span;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// mod_jk would not start with it, or nothing can be made of it: there is no output.
    Error,
    /// The rest is converted.
    Warning,
}

/// A message about a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub text: String,
    /// Where.
    pub at: Span,
    /// What to do.
    pub help: Option<String>,
}

impl Message {
    /// Nothing can be written because of it.
    #[must_use]
    pub fn error(at: Span, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, text: text.into(), at, help: None }
    }

    /// The rest can.
    #[must_use]
    pub fn warning(at: Span, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into(), at, help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With file, line, column and the line itself, the stretch marked.
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
    fn a_message_shows_file_line_column_the_line_and_what_to_do() {
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
