//! A line of workers.properties or uriworkermap.properties.

use super::span::Span;

/// A line `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The text before the first `=`.
    pub name: String,
    /// The text after it.
    pub value: String,
    /// The place of the name.
    pub name_at: Span,
    /// The place of the value.
    pub value_at: Span,
}

impl Property {
    /// Returns the place of both.
    #[must_use]
    pub fn at(&self) -> Span {
        self.name_at.to(self.value_at)
    }
}
