//! A worker of httpd's.

use crate::migrate::text::span::Span;

/// A worker of httpd's.
#[derive(Clone, Debug, PartialEq)]
pub struct AjpWorker {
    /// Its name in mod_jk.
    pub name: String,
    /// `ajp://host:port`.
    pub url: String,
    /// The parameters after the URL.
    pub parameters: Vec<(&'static str, String)>,
    /// Its route; by default the name, as in mod_jk.
    pub route: String,
    /// Its load factor, before scaling.
    pub factor: i64,
    /// Its distance; the nearest members come first.
    pub distance: i64,
    /// The lines with its properties.
    pub lines: Vec<Span>,
}

impl AjpWorker {
    /// Sets a parameter, and returns it as `name=value`.
    pub fn set(&mut self, parameter: &'static str, value: impl ToString) -> String {
        let value = value.to_string();
        let words = format!("{parameter}={value}");
        self.parameters.retain(|(known, _)| *known != parameter);
        self.parameters.push((parameter, value));
        words
    }

    /// Returns the value of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns whether a parameter is set.
    #[must_use]
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(known, _)| *known == parameter)
    }
}
