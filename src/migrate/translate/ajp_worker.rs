//! A worker of httpd's.

use crate::migrate::text::span::Span;

/// A worker of httpd's.
#[derive(Clone, Debug, PartialEq)]
pub struct AjpWorker {
    /// Its name in mod_jk.
    pub name: String,
    /// `ajp://host:port`.
    pub url: String,
    /// What stands behind the URL.
    pub parameters: Vec<(&'static str, String)>,
    /// Its route: mod_jk's is its name.
    pub route: String,
    /// Its share, before it is scaled.
    pub factor: i64,
    /// Nearer ones first.
    pub distance: i64,
    /// The lines it comes from.
    pub lines: Vec<Span>,
}

impl AjpWorker {
    pub fn set(&mut self, parameter: &'static str, value: impl ToString) -> String {
        let value = value.to_string();
        let words = format!("{parameter}={value}");
        self.parameters.retain(|(known, _)| *known != parameter);
        self.parameters.push((parameter, value));
        words
    }

    /// What a parameter says.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is there.
    #[must_use]
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(known, _)| *known == parameter)
    }
}
