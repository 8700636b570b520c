//! A line of workers.properties or uriworkermap.properties.

use super::span::Span;

/// One line, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Left of the first `=`.
    pub name: String,
    /// Right of it.
    pub value: String,
    /// Where the name is.
    pub name_at: Span,
    /// Where the value is.
    pub value_at: Span,
}

impl Property {
    /// Where both are.
    #[must_use]
    pub fn at(&self) -> Span {
        self.name_at.to(self.value_at)
    }
}
